"""The server's end of the log keeper: started where it is missing, told which instances to read."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import stat
from typing import TYPE_CHECKING, Final

from ring.core.model.failures import FailureClass
from ring.core.model.ids import InstanceId
from ring.runtimes.base import RuntimeFailure
from ring.runtimes.containerd.logkeeper.files import Limits
from ring.runtimes.containerd.logs import starting, unkept
from ring.runtimes.containerd.logs.channel import Channel, Refused, connect
from ring.runtimes.containerd.logs.places import STREAMS, Stdio, log_files

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection
    from pathlib import Path

log = logging.getLogger(__name__)

_ANSWER_S: Final = 10.0
_ATTEMPTS: Final = 3
_AGAIN_S: Final = 5.0
"""Between attempts to have a keeper that cannot be started."""
_CALM_S: Final = 1.0
"""At least, between keepers that end by themselves."""


class LogKeeper:
    """While this is connected, a keeper that dies is started again at once.

    Meanwhile what instances write waits in their FIFOs. One that is started where no keeper can be
    had gets none, which would only fill up: its shim writes its log until it ends (see unkept). Of
    one event loop.
    """

    def __init__(self, run_dir: Path, log_dir: Path, max_bytes: int, max_files: int) -> None:
        self._directory = run_dir / "containerd"
        self._log_dir = log_dir
        self._max_bytes = max_bytes
        self._max_files = max_files
        self._channel: Channel | None = None
        self._lock = asyncio.Lock()
        self._watching: asyncio.Task[None] | None = None
        self._opened: set[InstanceId] = set()
        """By this server: whoever swept may have listed before."""
        self._failed = 0
        """So many attempts to have a keeper have."""
        self._why = ""
        """Of the last of them."""
        self._is_out = False
        """No keeper can be had, and that was told."""

    async def open(self, instance_id: InstanceId) -> Stdio:
        """Where an instance is to write, also one that ran before: FIFOs, which are read from now
        on, or its log file where no keeper can be had.

        Raises RuntimeFailure.
        """
        self._opened.add(instance_id)
        try:
            try:
                stdio = await asyncio.to_thread(self._make_fifos, instance_id)
                await self._ask("open", instance_id)
            except FileExistsError:  # that is no matter of the keeper's
                raise
            except (OSError, RuntimeFailure) as error:
                self._tell_outage(error)
                return await asyncio.to_thread(self._make_file, instance_id)
        except (OSError, Refused) as error:
            raise _failure(f"cannot keep the logs of instance {instance_id}", error) from error
        self._tell_end()
        return stdio

    async def drained(self, instance_id: InstanceId, within_s: float) -> None:
        """Waits until all is in the log that an instance wrote which has ended, or gives up.

        Of one that is about to run there is nothing to wait for.
        """
        with contextlib.suppress(TimeoutError, OSError, Refused, RuntimeFailure):
            async with asyncio.timeout(within_s):
                if await asyncio.to_thread(self._has_fifos, instance_id):
                    await self._ask("drained", instance_id)
                else:
                    await unkept.written(self._log_dir, instance_id)

    async def remove(self, instance_id: InstanceId) -> None:
        """Its FIFOs and logs; gone already is success. Raises RuntimeFailure."""
        await self._forget(instance_id)
        try:
            await asyncio.to_thread(self._delete, {instance_id})
        except OSError as error:
            raise _failure(f"cannot remove the logs of instance {instance_id}", error) from error
        self._opened.discard(instance_id)

    async def sweep(self, known: Callable[[], Awaitable[Collection[InstanceId]]]) -> None:
        """Removes what is left of instances that are not known, and of none that this has opened.

        known: is asked once it is clear what there is: nothing is opened for an instance before
        others know of it. Where instances are left, a keeper reads them afterwards. Raises
        RuntimeFailure.
        """
        try:
            found, logged = await asyncio.to_thread(self._found)
            kept = {*await known(), *self._opened}
            for instance_id in found - kept:
                await self._forget(instance_id)
            kept.update(self._opened)
            await asyncio.to_thread(self._delete, (found | logged) - kept)
        except OSError as error:
            raise _failure("cannot remove logs of instances that are gone", error) from error
        if found & kept:
            await self._connected()

    async def close(self) -> None:
        """Leaves the keeper to its work."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait({self._watching})
        if self._channel is not None:
            self._channel.close()
            await self._channel.ended.wait()

    async def _forget(self, instance_id: InstanceId) -> None:
        """Where there is a keeper."""
        with contextlib.suppress(OSError, Refused, TimeoutError):
            channel = self._channel
            if channel is None or channel.ended.is_set():
                channel = await connect(self._socket)
            try:
                async with asyncio.timeout(_ANSWER_S):
                    await channel.ask("forget", instance_id)
            finally:
                if channel is not self._channel:
                    channel.close()

    @property
    def _socket(self) -> Path:
        return self._directory / "logs.sock"

    async def _ask(self, word: str, argument: str) -> str:
        """Raises Refused, OSError, RuntimeFailure. Asked again where a keeper ends meanwhile."""
        for _ in range(_ATTEMPTS - 1):
            with contextlib.suppress(ConnectionError):
                return await self._ask_once(word, argument)
        return await self._ask_once(word, argument)

    async def _ask_once(self, word: str, argument: str) -> str:
        channel = await self._connected()
        async with asyncio.timeout(_ANSWER_S):
            return await channel.ask(word, argument)

    async def _connected(self) -> Channel:
        """Raises RuntimeFailure."""
        channel = self._channel
        if channel is not None and not channel.ended.is_set():
            return channel
        failed = self._failed
        async with self._lock:
            if self._channel is not None and not self._channel.ended.is_set():
                return self._channel
            if self._failed > failed:
                # Each attempt may take long: those that wait do not make one after another.
                raise RuntimeFailure(FailureClass.OTHER, self._why)
            try:
                channel = self._channel = await self._reach()
            except (OSError, Refused) as error:
                failure = _failure("cannot start the log keeper", error)
                self._failed, self._why = self._failed + 1, failure.message
                raise failure from error
        self._tell_end()
        if self._watching is None or self._watching.done():
            self._watching = asyncio.create_task(self._watch())
        return channel

    async def _reach(self) -> Channel:
        """Started, of this version, and with these settings. Raises OSError, Refused."""
        version = await asyncio.to_thread(starting.version)
        is_there = True
        for _ in range(_ATTEMPTS):
            try:
                channel = await connect(self._socket)
            except (FileNotFoundError, ConnectionError) as error:
                is_there = not isinstance(error, FileNotFoundError)
                await asyncio.to_thread(
                    starting.start, self._directory, self._log_dir, self._max_bytes, self._max_files
                )
                continue
            with contextlib.ExitStack() as undo, contextlib.suppress(ConnectionError):
                undo.callback(channel.close)
                async with asyncio.timeout(_ANSWER_S):
                    if (await channel.ask("hello")).split()[0] == version:
                        settings = f"{self._max_bytes} {self._max_files} {self._log_dir}"
                        await channel.ask("settings", settings)
                        undo.pop_all()
                        return channel
                    await channel.ask("end")
                    await channel.ended.wait()
        if not is_there:
            lock = self._socket.with_name("logs.lock")
            raise ConnectionError(
                f"one runs, and somebody has removed its socket {self._socket}: end the process "
                f"that has {lock} open (`fuser -v {lock}` tells which), and another one goes on"
            )
        raise ConnectionError("it ends again and again")

    async def _watch(self) -> None:
        while True:
            if self._channel is not None:
                await self._channel.ended.wait()
            try:
                await self._connected()
            except RuntimeFailure as error:
                self._tell_outage(error)
                await asyncio.sleep(_AGAIN_S)
            else:
                await asyncio.sleep(_CALM_S)

    def _tell_outage(self, error: OSError | RuntimeFailure) -> None:
        """Once, however many meet it."""
        if self._is_out:
            return
        self._is_out = True
        why = error if isinstance(error, RuntimeFailure) else _failure("no log keeper", error)
        log.warning(
            "%s; until there is one, instances that are started write into their log files by "
            "themselves: without times, both streams alike, and as much as the disk takes",
            why,
        )

    def _tell_end(self) -> None:
        """Of an outage, if there was one."""
        if self._is_out:
            self._is_out = False
            log.info("There is a log keeper again")

    def _make_fifos(self, instance_id: InstanceId) -> Stdio:
        self._log_dir.mkdir(mode=0o700, parents=True, exist_ok=True)  # readers may wait in it
        return _make_fifos(self._directory / instance_id)

    def _has_fifos(self, instance_id: InstanceId) -> bool:
        """A keeper reads what it writes, or will."""
        return (self._directory / instance_id / STREAMS[0]).exists()

    def _make_file(self, instance_id: InstanceId) -> Stdio:
        """Without FIFOs: a keeper that comes to itself leaves the file alone. Raises OSError."""
        self._delete_fifos(instance_id)
        limits = Limits(str(self._log_dir), self._max_bytes, self._max_files)
        return unkept.hand_over(limits, instance_id)

    def _found(self) -> tuple[set[InstanceId], set[InstanceId]]:
        """The instances that have FIFOs, and those that have logs. Raises OSError."""
        opened = {InstanceId(path.parent.name) for path in self._directory.glob("*/stdout")}
        return opened, {instance_id for instance_id, _ in log_files(self._log_dir)}

    def _delete(self, ids: Collection[InstanceId]) -> None:
        """Raises OSError."""
        if not ids:
            return
        for instance_id in ids:
            self._delete_fifos(instance_id)
        for instance_id, path in log_files(self._log_dir):
            if instance_id in ids:
                path.unlink(missing_ok=True)

    def _delete_fifos(self, instance_id: InstanceId) -> None:
        """Raises OSError."""
        directory = self._directory / instance_id
        if directory.exists():
            with contextlib.suppress(FileNotFoundError):
                shutil.rmtree(directory)


def _make_fifos(directory: Path) -> Stdio:
    """Those that are there stay: a task that runs has them open. Raises OSError."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    paths = [directory / stream for stream in STREAMS]
    for path in paths:
        with contextlib.suppress(FileExistsError):
            os.mkfifo(path, 0o600)
        if not stat.S_ISFIFO(path.lstat().st_mode):
            raise FileExistsError(f"{path} is in the way")
    return Stdio(*map(str, paths))


def _failure(what: str, error: Exception) -> RuntimeFailure:
    why = "it does not answer" if isinstance(error, TimeoutError) else error
    return RuntimeFailure(FailureClass.OTHER, f"{what}: {why}")
