"""The state file of a running stack: where it listens and which processes it consists of."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mailsla.sinks.embedded.credentials import OPERATOR
from mailsla.sinks.embedded.errors import StackError


class StackState(BaseModel):
    """What ``mailsla up`` writes when it is ready.

    ``kafka`` and ``clickhouse_native`` are ``host:port``, ``clickhouse`` and ``web`` are URLs,
    ``data`` is the data directory, ``metrics`` maps a worker's name to the URL of its ``/metrics``,
    ``/live`` and ``/ready``, ``pids`` maps a child's name (and ``supervisor``) to its pid.
    ``clickhouse_users`` maps the server's users to their passwords; ``clickhouse_user`` is the one
    the project's tools use.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    kafka: str
    clickhouse: str
    clickhouse_native: str
    clickhouse_user: str = OPERATOR
    clickhouse_users: dict[str, str] = Field(default={}, repr=False)
    web: str | None = None
    data: str
    broker: str = "kafka"
    pids: dict[str, int] = {}
    metrics: dict[str, str] = {}

    def access(self) -> dict[str, Any]:
        """The settings that reach this stack as its tools do: addresses, ClickHouse's login."""
        return {
            "kafka": self.kafka,
            "clickhouse": self.clickhouse,
            "clickhouse_user": self.clickhouse_user,
            "clickhouse_password": self.clickhouse_users[self.clickhouse_user],
        }


def write_state(path: Path, state: StackState) -> None:
    """Put ``state`` at ``path`` in one step, readable by the owner only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # A draft of that name made by somebody else would be written for them to read.
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as out:
            out.write(state.model_dump_json(indent=2) + "\n")
            out.flush()
            os.fsync(out.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def read_state(path: Path) -> StackState:
    """The state at ``path``; `StackError` when there is none or it is not one."""
    try:
        return StackState.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise StackError(
            f"There is no state file {path}; start the stack with `mailsla up --state-file {path}`."
        ) from None
    except OSError as error:
        raise StackError(f"The state file {path} cannot be read: {error.strerror}.") from error
    except ValidationError as error:
        raise StackError(
            f"{path} is not a state file of this version of mailsla; start the stack again."
        ) from error


def remove_state(path: Path, pid: int) -> None:
    """Remove the state file if it still is the one of supervisor ``pid``.

    A later stack may have written its own there meanwhile: that one stays.
    """
    try:
        if read_state(path).pids.get("supervisor") != pid:
            return
    except StackError:
        return
    path.unlink(missing_ok=True)
