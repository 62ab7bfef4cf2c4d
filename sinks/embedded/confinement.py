"""Takes from this process every file and port it does not need, by Linux's Landlock.

ClickHouse's function ``file()`` reads, for every user, whatever the server process can read; no
grant and no setting of the embedded build forbids it. So the process itself is confined: from
then on it, its threads and its children can read what is listed, write below one directory, and
use the listed TCP ports only. Nothing can undo that.

Numbers are those of ``linux/landlock.h``. A kernel knows the rights of its own version of the
interface: what it does not know must be left out.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG = 1
_RULE_PATH_BENEATH, _RULE_NET_PORT = 1, 2
_PR_SET_NO_NEW_PRIVS = 38

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_READING = _EXECUTE | _READ_FILE | _READ_DIR
_RIGHTS_OF_A_FILE = _EXECUTE | _WRITE_FILE | _READ_FILE | 1 << 14
_FILE_RIGHTS_BY_VERSION = {1: (1 << 13) - 1, 2: 1 << 13, 3: 1 << 14, 5: 1 << 15}
_BIND_TCP, _CONNECT_TCP = 1 << 0, 1 << 1
_NET_SINCE, _SCOPE_SINCE = 4, 6
_SCOPES = 0b11
"""Abstract UNIX sockets and signals: neither reaches a process outside."""


@dataclass(frozen=True)
class Confinement:
    """What a confined process may still do; paths that do not exist are left out."""

    readable: tuple[Path, ...]
    writable: tuple[Path, ...]
    bind_ports: tuple[int, ...] = ()
    connect_ports: tuple[int, ...] = ()


class _RulesetAttr(ctypes.Structure):
    _fields_ = (
        ("handled_access_fs", ctypes.c_uint64),
        ("handled_access_net", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


class _NetPort(ctypes.Structure):
    _fields_ = (("allowed_access", ctypes.c_uint64), ("port", ctypes.c_uint64))


def landlock_version() -> int:
    """The kernel's version of the interface; 0 where there is none."""
    if sys.platform != "linux":
        return 0
    found: int = _libc().syscall(_CREATE_RULESET, None, 0, _VERSION_FLAG)
    return max(found, 0)


def confine(confinement: Confinement) -> bool:
    """Confine this thread and all it starts from now on; call before there are others.

    Returns whether the kernel could do it: False where it has no Landlock.
    """
    version = landlock_version()
    if not version:
        return False
    everything = sum(bit for since, bit in _FILE_RIGHTS_BY_VERSION.items() if since <= version)
    attributes = _RulesetAttr(
        everything,
        _BIND_TCP | _CONNECT_TCP if version >= _NET_SINCE else 0,
        _SCOPES if version >= _SCOPE_SINCE else 0,
    )
    ruleset = _call(_CREATE_RULESET, ctypes.byref(attributes), ctypes.sizeof(attributes), 0)
    try:
        _allow_paths(ruleset, confinement.readable, _READING)
        _allow_paths(ruleset, confinement.writable, everything)
        if version >= _NET_SINCE:
            _allow_ports(ruleset, confinement.bind_ports, _BIND_TCP)
            _allow_ports(ruleset, confinement.connect_ports, _CONNECT_TCP)
        if _libc().prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
            raise _last_error()
        _call(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)
    return True


def _allow_paths(ruleset: int, paths: Iterable[Path], rights: int) -> None:
    for path in paths:
        try:
            descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            allowed = rights if path.is_dir() else rights & _RIGHTS_OF_A_FILE
            rule = _PathBeneath(allowed, descriptor)
            _call(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, ctypes.byref(rule), 0)
        finally:
            os.close(descriptor)


def _allow_ports(ruleset: int, ports: Iterable[int], right: int) -> None:
    for port in ports:
        _call(_ADD_RULE, ruleset, _RULE_NET_PORT, ctypes.byref(_NetPort(right, port)), 0)


def _call(number: int, *arguments: object) -> int:
    found: int = _libc().syscall(number, *arguments)
    if found < 0:
        raise _last_error()
    return found


def _last_error() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, f"Landlock: {os.strerror(number)}")


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
