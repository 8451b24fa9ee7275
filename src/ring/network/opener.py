"""A program that makes sockets in the networks of other processes, for the server beside it.

The kernel lets only a process of one thread into a user namespace, and nothing that went in comes
back out with what it could do before. So the server stays where it is, and this goes in; what it
hands over is a socket that works there, wherever the server itself is. It runs by itself, with
the standard library alone: `python -I -S opener.py`, its requests on standard input.

A request is `PID FAMILY OWNER`, the last being the user whose engine the process is to be of, or -1
for anybody: nobody else's networks are gone into, whatever an engine says. The answer is `+` with a
TCP socket that is not connected yet, or `-` and the number of the error. It ends when its standard
input does, and when it has gone where the way to what is asked for is shut.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import sys
from errno import EPERM

NEW_USER = 0x10000000
NEW_NETWORK = 0x40000000
GET_USER_NAMESPACE = 0xB701
GET_PARENT = 0xB702
GET_OWNER = 0xB704
"""ioctl_ns(2)"""
ANYBODY = -1
MOST_BYTES = 64
"""Of a request and of an answer."""

_libc = ctypes.CDLL(None, use_errno=True)


class Opener:
    """Goes into networks and out again. Not for more than one engine: it may go into that one's
    user namespace for good."""

    def __init__(self) -> None:
        self._home = _opened("/proc/self/ns/net")
        """Where it waits, so that it keeps up no network of an instance that has ended."""
        self.is_inside = False

    def socket(self, pid: int, family: int, owner: int) -> socket.socket:
        """In the network of this process. Raises OSError."""
        network = _opened(f"/proc/{pid}/ns/net")
        try:
            if owner != ANYBODY and not self.is_inside:
                _expect(network, owner)
            self._go(network)
            try:
                return socket.socket(family, socket.SOCK_STREAM)
            finally:
                _enter(self._home, NEW_NETWORK)
        finally:
            os.close(network)

    def _go(self, network: int) -> None:
        try:
            _enter(network, NEW_NETWORK)
        except PermissionError:
            if self.is_inside:
                raise
            self._go_inside(network)
            _enter(network, NEW_NETWORK)

    def _go_inside(self, network: int) -> None:
        """Into the user namespace next to this one on the way to the network's owner: in it are all
        of the engine's. A network of its own is made there, as the way home is shut."""
        user = _outermost(network)
        try:
            _enter(user, NEW_USER)
        finally:
            os.close(user)
        self.is_inside = True
        if _libc.unshare(NEW_NETWORK):
            _fail()
        os.close(self._home)
        self._home = _opened("/proc/self/ns/net")


def _expect(network: int, owner: int) -> None:
    """Its user namespace is below this one, and that user made it. Raises PermissionError."""
    user = _outermost(network)
    try:
        told = fcntl.ioctl(user, GET_OWNER, b"\0" * 4)
    finally:
        os.close(user)
    if int.from_bytes(told, sys.byteorder) != owner:
        raise PermissionError(EPERM, os.strerror(EPERM))


def _outermost(network: int) -> int:
    here = os.stat("/proc/self/ns/user").st_ino  # noqa: PTH116 - pathlib is not worth its import
    found = fcntl.ioctl(network, GET_USER_NAMESPACE)
    if os.fstat(found).st_ino == here:
        os.close(found)
        raise PermissionError(EPERM, os.strerror(EPERM))
    while os.fstat(parent := fcntl.ioctl(found, GET_PARENT)).st_ino != here:
        os.close(found)
        found = parent
    os.close(parent)
    return found


def _opened(path: str) -> int:
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC)


def _enter(namespace: int, kind: int) -> None:
    if _libc.setns(namespace, kind):
        _fail()


def _fail() -> None:
    number = ctypes.get_errno()
    raise OSError(number, os.strerror(number))


def serve(link: socket.socket) -> None:
    """Answers requests until nobody can send any more."""
    opener = Opener()
    while request := link.recv(MOST_BYTES):
        pid, family, owner = map(int, request.split())
        try:
            made = opener.socket(pid, family, owner)
        except OSError as error:
            if isinstance(error, PermissionError) and opener.is_inside:
                return  # the engine has begun anew elsewhere: so does whoever starts this
            link.send(b"-%d" % (error.errno or EPERM))
            continue
        with made:
            socket.send_fds(link, [b"+"], [made.fileno()])


if __name__ == "__main__":
    try:
        serve(socket.socket(fileno=0))
    except (BrokenPipeError, ConnectionResetError, KeyboardInterrupt):
        sys.exit(0)
