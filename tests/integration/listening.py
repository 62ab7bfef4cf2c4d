"""Which ports a process listens on, as the kernel has it."""

import os
import socket
from ipaddress import ip_address

_LISTEN = "0A"


def listeners(pid):
    """(address, port) of every TCP socket the process and its descendants listen on."""
    inodes = set()
    for each in {pid, *descendants(pid)}:
        try:
            links = [os.readlink(f"/proc/{each}/fd/{fd}") for fd in os.listdir(f"/proc/{each}/fd")]
        except OSError:
            continue
        inodes |= {link[8:-1] for link in links if link.startswith("socket:[")}
    return {place for inode, place in _all_listeners() if inode in inodes}


def descendants(pid):
    """The processes that it started, and those that they did."""
    for name in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{name}/children") as source:
                children = [int(child) for child in source.read().split()]
        except OSError:
            continue
        for child in children:
            yield child
            yield from descendants(child)


def _all_listeners():
    for table in ("tcp", "tcp6"):
        with open(f"/proc/net/{table}") as source:
            for line in list(source)[1:]:
                (
                    _,
                    local,
                    _,
                    state,
                    *_,
                ) = line.split()
                if state == _LISTEN:
                    address, port = local.split(":")
                    yield line.split()[9], (_address(address), int(port, 16))


def _address(text):
    """The kernel writes words of four bytes in its own order."""
    words = bytes.fromhex(text)
    packed = b"".join(words[at : at + 4][::-1] for at in range(0, len(words), 4))
    family = socket.AF_INET if len(packed) == 4 else socket.AF_INET6
    return ip_address(socket.inet_ntop(family, packed))
