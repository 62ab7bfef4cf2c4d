"""Loopback ports: find a free one, tell a taken one.

Trap: a port handed out by the kernel for 0 comes from the range it also uses for outgoing
connections, so between closing the probe and the child's own bind another process can get it.
Free ports are therefore drawn below that range. Whoever draws one claims it by a name that the
kernel keeps as long as the process lives, since the server that is to listen there may only come
seconds later.
"""

from __future__ import annotations

import random
import socket
from collections import deque

from mailsla.sinks.embedded.errors import StackError

LOOPBACK = "127.0.0.1"
_FREE_RANGE = range(20_000, 32_000)
_ATTEMPTS = 200
_claims: deque[socket.socket] = deque(maxlen=256)
"""The latest only: by then a server listens where an earlier one is still in use."""


def is_free(port: int) -> bool:
    """Whether a server could bind ``port`` on loopback now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def accepts(port: int) -> bool:
    """Whether something accepts a TCP connection on loopback ``port``."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1.0):
            return True
    except OSError:
        return False


def resolve_port(wanted: int, what: str) -> int:
    """``wanted`` itself, or a free port for 0.

    ``what`` names the service and its option in the error, e.g. ``"Kafka (--kafka-port)"``.
    Raises `StackError` when the wanted port is taken or not a port.
    """
    if wanted == 0:
        return _draw_free_port()
    if not 0 < wanted < 65_536:
        raise StackError(f"Port {wanted} for {what} is not between 1 and 65535; give 0 for any.")
    if not is_free(wanted):
        raise StackError(
            f"Port {wanted} for {what} is already in use; stop what listens there, "
            "or choose another port (0 takes any free one)."
        )
    return wanted


def _draw_free_port() -> int:
    chooser = random.SystemRandom()
    for _ in range(_ATTEMPTS):
        port = chooser.choice(_FREE_RANGE)
        if is_free(port) and _claim(port):
            return port
    raise StackError(
        f"No free loopback port between {_FREE_RANGE.start} and {_FREE_RANGE.stop}; name one."
    )


def _claim(port: int) -> bool:
    """Have a port for this process; False where one has drawn it already, this one or another."""
    claim = socket.socket(socket.AF_UNIX)
    try:
        claim.bind(f"\0mailsla-port-{port}")  # no file: a name within the network's namespace
    except OSError:
        claim.close()
        return False
    _claims.append(claim)
    return True
