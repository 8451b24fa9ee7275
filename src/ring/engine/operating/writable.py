"""Whether what is bound to be written to can be: by whom instances are on this machine.

An id inside is another one outside wherever there is a user namespace, so a directory that belongs
to its user by its number may not be that user's at all. The kernel tells who a process really is.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import stat
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ring.core.model.events import EventDraft, Level
from ring.runtimes.base import Gone, RuntimeFailure, Samples

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ring.core.model.deployment import Deployment
    from ring.core.model.ids import DeploymentId
    from ring.core.model.observed import Instance
    from ring.core.model.spec import Volume
    from ring.engine.journal import Journal
    from ring.engine.operating.files import Run
    from ring.runtimes.base import Runtime

_OVERRIDES: Final = 1 << 1
"""CAP_DAC_OVERRIDE: capabilities(7)"""
_EFFECTIVE: Final = 1
"""Of real, effective, saved and file system id: proc(5)."""
_PLAIN: Final = frozenset(range(0x20, 0x7F)) - frozenset(b"'\\")
"""Bytes that mean themselves in `$'…'`."""

Ids = tuple[tuple[int, int, int], ...]
"""Ranges: the first inside, the first outside, how many."""


@dataclass(frozen=True, slots=True)
class Who:
    """A process, as this machine has it."""

    uid: int
    gid: int
    groups: frozenset[int]
    overrides: bool
    """It may pass over what is written of those whose ids it knows."""
    uids: Ids = ((0, 0, 2**32 - 1),)
    gids: Ids = ((0, 0, 2**32 - 1),)

    def may_write(self, path: os.stat_result) -> bool:
        """In a directory: make something there."""
        if (
            self.overrides
            and _is_known(path.st_uid, self.uids)
            and _is_known(path.st_gid, self.gids)
        ):
            return True
        bits = 0o3 if stat.S_ISDIR(path.st_mode) else 0o2
        if path.st_uid == self.uid:
            bits <<= 6
        elif path.st_gid == self.gid or path.st_gid in self.groups:
            bits <<= 3
        return path.st_mode & bits == bits


def _is_known(one: int, ids: Ids) -> bool:
    return any(outside <= one < outside + count for _, outside, count in ids)


def who(pid: int, proc: Path = Path("/proc")) -> Who | None:
    """None: there is no such process any more."""
    folder = proc / str(pid)
    try:
        # Bytes, in lines as the kernel ends them: a process chooses its name, and may have any but
        # a line feed in it.
        lines = (folder / "status").read_bytes().split(b"\n")
        uids, gids = (_ids((folder / name).read_text()) for name in ("uid_map", "gid_map"))
        told = {name: words.split() for name, _, words in (line.partition(b":") for line in lines)}
        return Who(
            int(told[b"Uid"][_EFFECTIVE]),
            int(told[b"Gid"][_EFFECTIVE]),
            frozenset(int(word) for word in told[b"Groups"]),
            bool(int(told[b"CapEff"][0], 16) & _OVERRIDES),
            uids,
            gids,
        )
    except (OSError, LookupError, ValueError):
        return None


def _ids(text: str) -> Ids:
    rows = (line.split() for line in text.splitlines())
    return tuple((int(inside), int(outside), int(count)) for inside, outside, count in rows)


class Binds:
    """Looks once for each row, when its first instance has started."""

    def __init__(
        self,
        journal: Journal,
        who: Callable[[int], Who | None] = who,
        run: Run = asyncio.to_thread,
    ) -> None:
        """run: has a function done that may wait for a disk."""
        self._journal = journal
        self._who = who
        self._run = run
        self._seen: set[DeploymentId] = set()

    def gone(self, deployment_id: DeploymentId) -> None:
        self._seen.discard(deployment_id)

    async def look(self, row: Deployment, runtime: Runtime, instance: Instance) -> None:
        """Tells of binds that cannot be written to. Raises nothing."""
        written = [each for each in row.spec.volumes if _is_to_be_written(each)]
        if not written or row.id in self._seen or runtime.is_remote:
            return
        if not isinstance(runtime, Samples):
            return
        try:
            process = await runtime.process(instance.id)
        except (Gone, RuntimeFailure):
            return
        if process is None:
            return
        one = self._who(process.pid)
        if one is None:
            return
        self._seen.add(row.id)
        for message in await self._run(partial(_refused, one, written)):
            self._journal.put(
                EventDraft(row.id, Level.WARNING, "bind_not_writable", message, runtime.name)
            )


def _is_to_be_written(volume: Volume) -> bool:
    is_bind = volume.type == "bind" and not volume.is_misnamed_bind
    return is_bind and volume.permission != "ro"


def _refused(one: Who, volumes: Iterable[Volume]) -> list[str]:
    """What is to be told."""
    sources = {f"{each.source}": each.destination for each in volumes}
    return [_told(source, at, one) for source, at in sources.items() if not _may(one, source)]


def _may(one: Who, source: str) -> bool:
    """Also where it cannot be told: lists of who may do what say more than the mode does, and what
    is read-only as a whole has nothing to do with anybody's id."""
    try:
        path = Path(source).stat()
        if os.statvfs(source).f_flag & os.ST_RDONLY or "system.posix_acl_access" in os.listxattr(
            source
        ):
            return True
    except OSError:
        return True
    return one.may_write(path)


def _told(source: str, destination: str, one: Who) -> str:
    """A link is followed for whoever is to run that: an instance may have made it."""
    owner = f"{one.uid}:{one.gid}"
    return (
        f"'{source}' cannot be written to at {destination}: to this host the instances are "
        f"{owner}; `sudo chown {owner} {_quoted(os.path.realpath(source))}` lets them"
    )


def _quoted(path: str) -> str:
    """For a shell, and for an event, which is text: a link may lead to any bytes."""
    if path.isprintable():
        return shlex.quote(path)
    written = (chr(byte) if byte in _PLAIN else f"\\x{byte:02x}" for byte in os.fsencode(path))
    return f"$'{''.join(written)}'"
