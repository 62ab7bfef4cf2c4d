"""Passwords of the embedded ClickHouse's users: random, kept in one file of the owner's only.

The file lies beside the server's directory, not in it: what the server can read, whoever may
query it can read too (see `confinement`).
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path

from mailsla.sinks.embedded.errors import StackError

OPERATOR = "operator"
"""Everything in the databases, nothing outside them; what the project's own tools use."""
WRITER = "writer"
CLOSER = "closer"
ANALYST = "analyst"
WEB = "web"
USERS = (OPERATOR, WRITER, CLOSER, ANALYST, WEB)


def credentials_path(server_data: Path) -> Path:
    """Where the passwords of the server in ``server_data`` are kept."""
    return server_data.with_name(f"{server_data.name}.credentials.json")


def ensure_credentials(server_data: Path, more: Iterable[str] = ()) -> Mapping[str, str]:
    """User → password of `USERS` and ``more``, made at first use and the same from then on.

    Raises `StackError` when the file cannot be read, written, or is none of ours.
    """
    path = credentials_path(server_data)
    known = _read(path)
    missing = [user for user in (*USERS, *more) if user not in known]
    if missing:
        known |= {user: secrets.token_urlsafe(32) for user in missing}
        _write(path, known)
    return known


def _read(path: Path) -> dict[str, str]:
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        found = None
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise StackError(
            f"{path} does not hold the passwords of the embedded ClickHouse; remove it, new ones "
            "are made at the next start."
        )
    return found


def _write(path: Path, known: Mapping[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with os.fdopen(os.open(draft, flags, 0o600), "w", encoding="utf-8") as out:
            json.dump(known, out, indent=2)
        draft.replace(path)
    except OSError as error:
        raise StackError(
            f"{path} cannot be written ({error.strerror}); choose another directory with --data."
        ) from None
    finally:
        draft.unlink(missing_ok=True)
