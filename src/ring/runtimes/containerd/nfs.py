"""Shares of network file systems: each is mounted once, for all the instances that use it.

Who uses one is written beside it, a file for each instance, so that the last one to go is known
after a start of the server, too.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ring.core.model.failures import FailureClass
from ring.runtimes import shares
from ring.runtimes.base import RuntimeFailure
from ring.runtimes.containerd import hanging, mounting

if TYPE_CHECKING:
    from collections.abc import Callable

    from ring.core.model.ids import InstanceId
    from ring.core.model.shares import Share

    Mount = Callable[[str, Path, str, str], None]
    Unmount = Callable[[Path], None]

KIND: Final = "nfs"
PATIENCE_S: Final = 10.0
"""With somebody who mounts or unmounts the same share."""
_VERSION: Final = "nfsvers=4"
_MOUNTS: Final = Path("/proc/self/mountinfo")
_USERS: Final = ".users"


class Shares:
    """Those of one state directory. Loop thread only."""

    def __init__(
        self,
        directory: Path,
        *,
        mount: Mount = mounting.mount,
        unmount: Unmount = mounting.unmount,
        mounts: Path = _MOUNTS,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._directory = directory
        self._mount = mount
        self._unmount = unmount
        self._mounts = mounts
        self._patience_s = patience_s
        self._turns: dict[str, threading.Lock] = {}

    async def use(self, source: str, share: Share, instance_id: InstanceId) -> str:
        """The folder it is mounted at, written down as used by the instance.

        Raises RuntimeFailure(INSTANCE_REJECTED) where its server does not let it be mounted.
        """
        name = shares.digest(source)
        try:
            await hanging.apart(lambda: self._used(name, share, instance_id), KIND)
        except OSError as error:
            with contextlib.suppress(OSError):
                await self.release(instance_id)
            raise RuntimeFailure(
                FailureClass.INSTANCE_REJECTED, f"cannot mount '{source}': {error.strerror}"
            ) from error
        return os.fspath(self._directory / name)

    async def release(self, instance_id: InstanceId) -> None:
        """Of all that it uses. What nobody uses any more is unmounted. Raises OSError."""
        await hanging.apart(lambda: self._released(instance_id), KIND)

    def _used(self, name: str, share: Share, instance_id: InstanceId) -> None:
        user = self._mark(name, instance_id)
        target = self._directory / name
        with self._turn(name):
            try:
                if user.exists() and not self._is_mounted(target):
                    target.mkdir(mode=0o700, exist_ok=True)
                    address = _address(share.server)
                    self._mount(f":{share.path}", target, KIND, f"addr={address},{_VERSION}")
            finally:
                self._tidy(name)  # it may have been released meanwhile

    def _released(self, instance_id: InstanceId) -> None:
        for user in self._directory.glob(f"*{_USERS}/{instance_id}"):
            name = user.parent.name.removesuffix(_USERS)
            user.unlink(missing_ok=True)
            turn = self._turn(name)
            # Else somebody waits for its server, maybe for ever, and tidies up in the end.
            if turn.acquire(timeout=self._patience_s):
                try:
                    self._tidy(name)
                finally:
                    turn.release()

    def _mark(self, name: str, instance_id: InstanceId) -> Path:
        """That the instance uses it is written down. Raises OSError."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        user = self._directory / f"{name}{_USERS}" / instance_id
        while True:
            user.parent.mkdir(mode=0o700, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):  # the last one has gone just now
                user.touch()
                return user

    def _tidy(self, name: str) -> None:
        """What nobody uses is unmounted, by whoever has the turn. Raises OSError."""
        try:
            (self._directory / f"{name}{_USERS}").rmdir()
        except FileNotFoundError:
            pass
        except OSError as error:
            if error.errno != errno.ENOTEMPTY:
                raise
            return
        target = self._directory / name
        if self._is_mounted(target):
            self._unmount(target)
        if target.exists():
            target.rmdir()

    def _turn(self, name: str) -> threading.Lock:
        return self._turns.setdefault(name, threading.Lock())

    def _is_mounted(self, target: Path) -> bool:
        """Without a look at the folder itself, which may take forever.

        Anybody may mount something, under a name of any bytes: only these are the kernel's own
        ends of lines.
        """
        written = os.fspath(target.parent.resolve() / target.name)
        lines = os.fsdecode(self._mounts.read_bytes()).split("\n")
        return any(_unquoted(line.split(" ")[4]) == written for line in lines if line)


def _address(server: str) -> str:
    """The kernel takes no name. Raises OSError."""
    found = socket.getaddrinfo(server, None, type=socket.SOCK_STREAM)
    return str(found[0][4][0])


def _unquoted(path: str) -> str:
    for quoted, plain in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        path = path.replace(quoted, plain)
    return path
