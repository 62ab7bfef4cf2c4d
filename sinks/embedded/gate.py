"""Lets the server's own session in, and nobody after it.

The engine logs its own session in as ``default`` with an empty password; no other name can be
given, and users are read once, at the start. So ``default`` is authenticated by asking this gate
over HTTP (ClickHouse's ``http_authentication_servers``): the first to ask is the server's own
session, before it listens anywhere; everybody later is refused.
"""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from mailsla.sinks.embedded.ports import LOOPBACK


class Gate:
    """Answers 200 to the first request and 403 to all others, on loopback.

    Bound when made, so that ``port`` is known; answers from `open` on, in threads of its own.
    """

    def __init__(self) -> None:
        self._server = ThreadingHTTPServer((LOOPBACK, 0), _admission_of_one())
        self._server.daemon_threads = True

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    def open(self) -> None:
        """Answer requests until the process ends."""
        threading.Thread(target=self._server.serve_forever, daemon=True).start()


def _admission_of_one() -> type[BaseHTTPRequestHandler]:
    taken = threading.Lock()

    class Admission(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if taken.acquire(blocking=False) else 403)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: the server's log tells of refused logins."""

    return Admission
