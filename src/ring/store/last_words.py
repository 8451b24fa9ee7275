"""What instances wrote before they ended by themselves, of the last few of each deployment."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

from ring.core.model.ids import InstanceId, InstanceName
from ring.core.model.logs import LastWords, LogLine
from ring.store.decoding import json_value, moment, moment_text

if TYPE_CHECKING:
    import sqlite3

    from ring.core.model.ids import DeploymentId
    from ring.core.model.logs import Stream
    from ring.store.database import Transaction

KEPT = 3
"""Instances of a deployment."""

_STREAMS: dict[object, Stream] = {"stdout": "stdout", "stderr": "stderr"}

_log = logging.getLogger(__name__)


def keep(tx: Transaction, deployment_id: DeploymentId, words: LastWords) -> None:
    """Those of a row that is gone are dropped, and so are the oldest. The first word counts."""
    lines = [[line.stream, line.message, moment_text(line.at)] for line in words.lines]
    tx.run(
        "last_words",
        "insert",
        {
            "deployment_id": deployment_id,
            "instance_id": words.id,
            "instance_name": words.name,
            "lines": json.dumps(lines, ensure_ascii=False),
        },
    )
    tx.run("last_words", "trim", {"deployment_id": deployment_id, "kept": KEPT})


def decode(row: sqlite3.Row) -> LastWords:
    name = InstanceName(row["instance_name"])
    try:
        lines = tuple(_line(*entry) for entry in json_value(row["lines"]))
    except (TypeError, ValueError):
        _log.warning("the last words of %s cannot be read; they are taken as none", name)
        lines = ()
    return LastWords(InstanceId(row["instance_id"]), name, lines)


def _line(stream: object, message: object, at: str | None) -> LogLine:
    """Raises ValueError for a stream that there is not."""
    if stream not in _STREAMS:
        raise ValueError(f"{stream!r} is no stream")
    return LogLine(_STREAMS[stream], str(message), moment(at, of="a line's time"))
