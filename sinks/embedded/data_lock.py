"""One stack per data directory: an advisory lock on ``DATA/lock`` that names its holder."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mailsla.sinks.embedded.errors import StackError


@contextmanager
def data_lock(data: Path) -> Iterator[None]:
    """Hold the directory (made if missing; mode 0700) for the block; the kernel lets go on death.

    Raises `StackError` naming the holder's pid, or saying why the directory cannot be used.
    The file itself stays: removing it would let two holders lock two different files.
    """
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        data.chmod(0o700)  # it may have been there, open to others
        descriptor = os.open(data / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StackError(
            f"The data directory {data} cannot be used ({error.strerror}); "
            "choose another with --data."
        ) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).decode().strip() or "unknown"
            raise StackError(
                f"The data directory {data} is in use by process {holder}; "
                "stop that one, or choose another directory with --data."
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)
