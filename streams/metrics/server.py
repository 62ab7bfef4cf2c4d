"""``/metrics``, ``/live`` and ``/ready`` from a thread of its own.

A thread, because a held event loop is what these have to tell of.
"""

import json
import logging
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST, generate_latest

from mailsla.streams.metrics.health import Health
from mailsla.streams.metrics.names import REGISTRY
from mailsla.streams.settings import ConfigurationError, Settings

logger = logging.getLogger(__name__)

_QUIET_S: Final = 10.0
"""A client that sends nothing for so long is hung up on."""


def serve_metrics(settings: Settings, health: Health) -> str:
    """Begin to answer; the address, such as ``http://127.0.0.1:9464``.

    Raises:
        ConfigurationError: MAILSLA_METRICS_HOST and MAILSLA_METRICS_PORT are taken or no address.
    """
    host, port = settings.metrics_host, settings.metrics_port
    try:
        server = _Server((host, port), _handler(health))
    except OSError as error:
        raise ConfigurationError(
            f"the metrics cannot be served at {host}, port {port} ({error.strerror}); set "
            "MAILSLA_METRICS_HOST and MAILSLA_METRICS_PORT to an address that is free, or to port 0"
        ) from None
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    address = f"http://{f'[{host}]' if ':' in host else host}:{server.server_address[1]}"
    logger.info("metrics and health at %s", address)
    return address


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # A worker that starts anew in the same process image listens at the same port again.
    allow_reuse_address = True


def _exposition() -> bytes:
    text: bytes = generate_latest(REGISTRY)  # type: ignore[no-untyped-call]
    return text


def _body(worker: str, problems: dict[str, str]) -> bytes:
    told: dict[str, object] = {"worker": worker, "status": "wrong" if problems else "ok"}
    return json.dumps(told | ({"problems": problems} if problems else {})).encode()


def _handler(health: Health) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Three addresses, only read."""

        timeout = _QUIET_S
        server_version = "mailsla"
        sys_version = ""

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path == "/metrics":
                self._answer(200, CONTENT_TYPE_LATEST, _exposition())
            elif path in {"/live", "/ready"}:
                now = time.monotonic()
                problems = health.dead(now) if path == "/live" else health.missing(now)
                status = 503 if problems else 200
                self._answer(status, "application/json", _body(health.name, problems))
            else:
                self._answer(404, "text/plain", b"/metrics, /live, /ready\n")

        def _answer(self, status: int, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nothing: a scrape every few seconds is no news."""

    return Handler
