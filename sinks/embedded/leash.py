"""Starts a program that cannot outlive the process which asked for it: ``leash.py PPID ARGV…``.

Run by file name with ``python -I -S`` so that it starts in a few milliseconds; it replaces
itself by ARGV. The kernel keeps the parent-death signal across exec, so even ``kill -9`` of the
parent ends the program.

Traps: the signal fires when the *thread* that forked ends, so long-lived threads must do the
starting. If the parent died before prctl was called no signal ever comes: hence the check of
PPID after it. A ``preexec_fn`` would do the same but runs Python between fork and exec, which
deadlocks now and then in a process with threads.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1


def leashed(argv: Sequence[str]) -> list[str]:
    """``argv`` wrapped so that it dies with the calling process."""
    return [sys.executable, "-I", "-S", str(Path(__file__)), str(os.getpid()), *argv]


def main() -> None:
    """Fasten the leash, then become the program; exits 127 when it cannot be run."""
    parent, argv = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0) != 0:
            sys.exit(f"prctl(PR_SET_PDEATHSIG): {os.strerror(ctypes.get_errno())}")
    if os.getppid() != parent:
        sys.exit("the supervisor ended before its child had started")
    try:
        os.execvp(argv[0], argv)  # noqa: S606 - no shell is wanted
    except OSError as error:
        sys.stderr.write(f"{argv[0]}: {error.strerror}\n")
        sys.exit(127)


if __name__ == "__main__":
    main()
