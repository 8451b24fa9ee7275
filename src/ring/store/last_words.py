"""What instances wrote before they ended: of the last few of each deployment, within a total size.

They belong to the deployment and not to one of its rows: whoever reads the logs of a new version is
to see why the old one went. They are on disk alone, and compressed; the newest make the oldest go,
of whichever namespace has most.
"""

from __future__ import annotations

import json
import logging
import zlib
from typing import TYPE_CHECKING, Any

from ring.core.model.ids import InstanceId, InstanceName
from ring.core.model.logs import Ended, LogLine
from ring.store.decoding import json_value, moment, moment_text

if TYPE_CHECKING:
    from ring.core.model.ids import GroupKey
    from ring.core.model.logs import Allowance, LastWords, Stream
    from ring.store.database import Transaction
    from ring.store.door import Door

_STREAMS: dict[object, Stream] = {"stdout": "stdout", "stderr": "stderr"}
_QUICK = zlib.Z_BEST_SPEED

_log = logging.getLogger(__name__)


class Words:
    """Within the allowance: by every write, and by the start where it is less than before."""

    def __init__(self, door: Door, allowance: Allowance) -> None:
        self._door = door
        self._allowance = allowance

    @property
    def are_kept(self) -> bool:
        return not self._allowance.is_nothing

    async def keep(self, key: GroupKey, words: LastWords) -> None:
        """Of an instance that is about to go; the oldest make room.

        The first word counts, and there is none on a deployment that is gone.
        """
        if self.are_kept:
            await self._door.write(lambda tx: _keep(tx, key, words, self._allowance))

    def ended(self, key: GroupKey) -> tuple[Ended, ...]:
        """Those of a deployment, in the order they ended."""
        found = self._door.read("last_words", "of_group", _named(key))
        return tuple(
            Ended(InstanceId(row["instance_id"]), InstanceName(row["instance_name"]), row["seq"])
            for row in found
        )

    def lines(self, ended: Ended, tail: int | None = None) -> tuple[LogLine, ...]:
        """At most so many, the last ones. None where they had to make room, or are damaged."""
        found = self._door.read("last_words", "lines", {"seq": ended.number, "id": ended.id})
        if not found:
            return ()
        try:
            entries = _unpacked(found[0]["lines"])
            last = len(entries) if tail is None else min(tail, len(entries))
            return tuple(_line(*entry) for entry in entries[len(entries) - last :])
        except (TypeError, ValueError, zlib.error):
            _log.warning("the last words of %s cannot be read; they are taken as none", ended.name)
            return ()


def fit(tx: Transaction, allowance: Allowance) -> None:
    """Drops what is too much by this allowance: it may be another one than at the last start."""
    tx.run("last_words", "trim_groups", {"kept": allowance.instances})
    _fit_size(tx, allowance.size)


def drop_orphaned(tx: Transaction, key: GroupKey) -> None:
    """Unless a row of the group is left."""
    tx.run("last_words", "drop_orphaned", _named(key))


def drop_namespace(tx: Transaction, namespace: str) -> None:
    """A later one of this name is somebody else's."""
    tx.run("last_words", "drop_namespace", {"namespace": namespace})


def _keep(tx: Transaction, key: GroupKey, words: LastWords, allowance: Allowance) -> None:
    lines = _packed(words)
    if len(lines) > allowance.size:  # all others would make room in vain
        return
    instance = {"instance_id": words.id, "instance_name": words.name}
    content = {"lines": lines, "bytes": len(lines)}
    tx.run("last_words", "insert", {**_named(key), **instance, **content})
    tx.run("last_words", "trim", {**_named(key), "kept": allowance.instances})
    _fit_size(tx, allowance.size)


def _fit_size(tx: Transaction, size: int) -> None:
    total = tx.one("last_words", "total", {})
    if total is not None and total["bytes"] > size:
        tx.run("last_words", "trim_size", {"size": size})


def _packed(words: LastWords) -> bytes:
    lines = [[line.stream, line.message, moment_text(line.at)] for line in words.lines]
    text = json.dumps(lines, ensure_ascii=False, separators=(",", ":"))
    return zlib.compress(text.encode(errors="replace"), _QUICK)


def _unpacked(stored: object) -> list[Any]:
    """Raises ValueError, zlib.error."""
    # Those of an earlier Ring are plain text.
    entries = json_value(zlib.decompress(stored) if isinstance(stored, bytes) else stored)
    if not isinstance(entries, list):
        raise ValueError("they are no list")
    return entries


def _line(stream: object, message: object, at: str | None) -> LogLine:
    """Raises ValueError for a stream that there is not."""
    if stream not in _STREAMS:
        raise ValueError(f"{stream!r} is no stream")
    return LogLine(_STREAMS[stream], str(message), moment(at, of="a line's time"))


def _named(key: GroupKey) -> dict[str, object]:
    return {"namespace": key.namespace, "name": key.name}
