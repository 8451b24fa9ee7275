"""How the server speaks to the keeper, which it starts when nobody answers."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE
from typing import TYPE_CHECKING, Final

from ring.network.keeper.identity import identity
from ring.network.keeper.link import Link, connect
from ring.network.keeper.options import Options
from ring.network.keeper.problems import KeeperProblem, PortTaken
from ring.network.keeper.state import RELAYS, ZONES, State, checked, relays_to, zone_to

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping, Sequence
    from pathlib import Path

    from ring.network.keeper.link import Answer
    from ring.network.keeper.state import Relay, Zone

START_S: Final = 10.0
ANSWER_S: Final = 10.0
ATTEMPTS: Final = 3
"""A keeper that is just ending may still have been reached."""
AGAIN_S: Final = 5.0
"""Until the next attempt to have a keeper for what is kept."""

_log = logging.getLogger(__name__)


class Keeper:
    """Of one directory, `<run_dir>/network`. Loop thread only.

    The state is with the keeper: what was asked for once is kept, also when it ends and is started
    again, and whatever becomes of the server. Once this has reached it, it is started again as soon
    as it ends, as long as there is something to keep. Asking the same twice is harmless.
    """

    def __init__(self, directory: Path, options: Options | None = None) -> None:
        self._directory = directory
        self._options = options or Options()
        self._state = State(directory)
        self._link: Link | None = None
        self._turn = asyncio.Lock()
        self._zones: dict[str, Zone] = {}
        """What this keeper has answered to have."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closed = False

    async def publish(self, holder: str, relays: Sequence[Relay]) -> None:
        """All of them, instead of what the holder had, or no change. What stays the same, whatever
        its address, is held throughout. Raises PortTaken, KeeperProblem.

        When it was cancelled, `unpublish` makes sure. Takes a millisecond.
        """
        await self._ask({"do": "publish", "holder": checked(holder), "relays": relays_to(relays)})

    async def unpublish(self, holder: str) -> None:
        """The ports are free when this returns; connections go on while the instance does. Raises
        KeeperProblem."""
        await self._ask({"do": "unpublish", "holder": checked(holder)})

    async def zone(self, network: str, zone: Zone) -> None:
        """Answers by it from now on; costs nothing when it is what it was. Raises KeeperProblem,
        also when the resolver cannot be where it should: it will be as soon as that is possible."""
        if self._zones.get(network) == zone and self._link is not None:
            return
        self._zones.pop(network, None)
        await self._ask({"do": "zone", "network": checked(network), "zone": zone_to(zone)})
        self._zones[network] = zone

    async def forget(self, network: str) -> None:
        """Raises KeeperProblem."""
        self._zones.pop(network, None)
        await self._ask({"do": "forget", "network": checked(network)})

    async def holders(self) -> tuple[str, ...]:
        """Those that something is published for, sorted; from the files, see `networks`."""
        return await self._names(RELAYS)

    async def networks(self) -> tuple[str, ...]:
        """Those that have a zone, sorted; from the files. Whatever there is has a keeper from now
        on. Raises KeeperProblem only where the files cannot be read."""
        return await self._names(ZONES)

    async def close(self) -> None:
        """The keeper goes on."""
        self._is_closed = True
        if self._link is not None:
            self._link.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _names(self, kind: str) -> tuple[str, ...]:
        try:
            found = await asyncio.to_thread(self._state.names, kind)
        except OSError as error:
            raise KeeperProblem(f"cannot read {self._directory / kind}: {error}") from error
        if found:
            try:
                async with self._turn:
                    await self._linked()
            except KeeperProblem as error:
                _log.warning("%s", error)
        return found

    async def _ask(self, request: Mapping[str, object]) -> Answer:
        for attempt in range(1, ATTEMPTS + 1):
            async with self._turn:
                link = await self._linked()
            try:
                return _understood(await _answered(link, request))
            except ConnectionError as error:
                if attempt == ATTEMPTS:
                    raise KeeperProblem(f"the network keeper ended {ATTEMPTS} times") from error
        raise AssertionError

    async def _linked(self) -> Link:
        """With `_turn` held. Raises KeeperProblem."""
        if self._is_closed:
            raise KeeperProblem("the network keeper is not spoken to any more")
        if self._link is not None and self._link.is_open:
            return self._link
        self._link = None
        self._zones.clear()
        link = await self._known()
        if link is None:
            await self._start()
            link = await self._known()
        if link is None:
            raise KeeperProblem(f"the network keeper in {self._directory} does not answer")
        self._link = link
        self._start_task(self._revive_after(link))
        return link

    async def _known(self) -> Link | None:
        """One to a keeper of this version, in this network; None: there is none."""
        try:
            link = await connect(self._directory)
        except OSError as error:
            raise KeeperProblem(f"cannot reach {self._directory}: {error}") from error
        if link is None:
            return None
        self._start_task(link.follow())
        try:
            told = await _answered(link, {"do": "hello"})
        except ConnectionError:
            return None
        except BaseException:
            link.close()
            raise
        if told.get("identity") == identity(self._options.version):
            return link
        link.close()
        return None

    async def _revive_after(self, link: Link) -> None:
        """Has a keeper for what is kept once this one has ended, unless others saw to it."""
        await link.ended.wait()
        while not self._is_closed:
            try:
                async with self._turn:
                    if await self._is_kept():
                        return
                    _log.warning("the network keeper has ended, it is started again")
                    await self._linked()
            except OSError as error:
                _log.warning("names and ports of instances are not kept: %s", error)
                await asyncio.sleep(AGAIN_S)

    async def _is_kept(self) -> bool:
        """There is somebody, be it of another version, or nothing to keep. Raises OSError."""
        if self._link is not None and self._link.is_open:
            return True
        if not (self._state.names(RELAYS) or self._state.names(ZONES)):
            return True
        other = await connect(self._directory)
        if other is None:
            return False
        self._start_task(other.follow())
        try:
            # One that is just killed is connected to, still.
            await _answered(other, {"do": "hello"})
        except ConnectionError:
            return False
        finally:
            other.close()
        return True

    def _start_task(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _start(self) -> None:
        """Returns when there is one that can be asked. Raises KeeperProblem."""
        command = (sys.executable, "-P", "-m", "ring.network.keeper")
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            process = await asyncio.create_subprocess_exec(
                *(*command, os.fspath(self._directory), self._options.to_text()),
                stdin=DEVNULL,
                stdout=DEVNULL,
                stderr=PIPE,
                cwd="/",
                env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                start_new_session=True,  # a signal from the terminal is for the server
            )
        except OSError as error:
            raise KeeperProblem(f"cannot start the network keeper: {error}") from error
        try:
            async with asyncio.timeout(START_S):
                _, said = await process.communicate()
        except TimeoutError as error:
            raise KeeperProblem(f"the network keeper did not start in {START_S:g} s") from error
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if process.returncode:
            why = said.decode(errors="replace").strip().rpartition("\n")[2]
            raise KeeperProblem(f"the network keeper does not start: {why or process.returncode}")


async def _answered(link: Link, request: Mapping[str, object]) -> Answer:
    """Raises ConnectionError, KeeperProblem."""
    try:
        async with asyncio.timeout(ANSWER_S):
            return await link.ask(request)
    except TimeoutError as error:
        link.close()
        raise KeeperProblem(f"no answer of the network keeper in {ANSWER_S:g} s") from error


def _understood(answer: Answer) -> Answer:
    """Raises PortTaken, KeeperProblem."""
    match answer:
        case {"taken": {"port": int() as port, "protocol": str() as protocol, **more}}:
            raise PortTaken(port, protocol, str(more.get("holder", "")))
        case {"problem": str() as problem}:
            raise KeeperProblem(problem)
        case _:
            return answer
