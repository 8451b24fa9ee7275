"""What must hold when a server was killed while it rolled, and when the next one is done."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from tests.e2e.lives import ended_early, lives, most_at_once
from tests.kills.rolling.seeds import listens_after_s
from tests.kills.rolling.stage import ENDED, REPLICAS
from tests.kills.verdict import known, noted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.kills.outcome import Past
    from tests.kills.records import Records, Row
    from tests.kills.rolling.stage import Stage

OF_TROUBLE = {
    "container_completed",
    "container_crashed",
    "container_died",
    "container_killed",
    "container_oom",
    "container_stopped_externally",
    "instance_creation_failed",
    "instances_recovered",
    "liveness_unconfirmed",
    "readiness_deadline_exceeded",
    "restart_limit_reached",
    "rolling_update_failed",
    "runtime_unavailable",
    "teardown_failed",
}


def durable(stage: Stage, past: Past, left: Records) -> None:
    """Nothing was asked of the engine that the database of the dead server does not know."""
    assert left.integrity == "ok", left.integrity
    strangers = [one.name for one in stage.place.containers() if not known(one, left)]
    assert not strangers, f"containers that the database does not know: {strangers}"
    for name in REPLICAS:
        roots = [one for one in left.active() if one["name"] == name and not one["parent_id"]]
        assert len(roots) == 1, f"{len(roots)} active rows of {name} that are no children"
    if (call := past.fell[-1].call) is not None:
        noted(call, left)


def final(stage: Stage, past: Past, shown: list[dict[str, Any]]) -> list[str]:
    """What is wrong after the last server was stopped in order; `shown` is what it said last."""
    records = stage.place.records()
    return [
        *_everywhere(stage, records),
        *_instances(stage, records, shown),
        *_good(stage, records, "good"),
        *_good(stage, records, "twice"),
        *_broken(stage, records),
        *_forgotten(past, records),
    ]


def _everywhere(stage: Stage, records: Records) -> Iterator[str]:
    if records.integrity != "ok":
        yield f"the database is damaged: {records.integrity}"
    for line in stage.place.ring.log.read_text().splitlines():
        if re.search(r"Traceback|\bERROR\b", line):
            yield f"the server's log: {line}"


def _forgotten(past: Past, records: Records) -> Iterator[str]:
    seen = {row["id"] for left in past.left for row in left.rows}
    if lost := seen - {row["id"] for row in records.rows} - records.tombstones:
        yield f"rows without a tombstone: {lost}"


def _instances(stage: Stage, records: Records, shown: list[dict[str, Any]]) -> Iterator[str]:
    """The engine, the ledger and the API name the same ones."""
    found = {one.id: one.deployment_id for one in stage.place.containers()}
    told = {one["id"]: row["id"] for row in shown for one in row["instances"]}
    if told != found:
        yield f"the API shows {told}, the engine has {found}"
    entries = {one["instance_id"]: one["deployment_id"] for one in records.ledger}
    if entries != found or len(records.ledger) != len(found):
        yield f"the ledger notes {records.ledger}, the engine has {found}"
    for one in records.ledger:
        if one["phase"] != "live":
            yield f"a ledger entry that is not live: {one}"


def _good(stage: Stage, records: Records, name: str) -> Iterator[str]:
    """One row is left, and no instance of the old one went before its turn."""
    rows = _rows(records, name)
    if len(rows) != 1:
        yield f"{len(rows)} rows of {name}"
        return
    (row,) = rows
    told = Counter(records.reasons(row["id"]))
    for reason in OF_TROUBLE & told.keys():
        yield f"{name}: {told[reason]} event(s) {reason}"
    if told["rolling_update_complete"] != 1:
        yield f"{name}: {told['rolling_update_complete']} event(s) rolling_update_complete"
    if told["rolling_update_step"] > REPLICAS[name]:
        yield f"{name}: {told['rolling_update_step']} event(s) rolling_update_step"
    if (row["restart_count"], row["parent_id"], row["drain_target"]) != (0, None, None):
        yield f"{name}: a row that still counts or rolls: {row}"
    yield from _ups(name, told)
    yield from _lives(stage, name, row["id"])


def _ups(name: str, told: Mapping[str, int]) -> Iterator[str]:
    if told["scale_up"] != REPLICAS[name]:
        yield f"{name}: {told['scale_up']} event(s) scale_up"


def _lives(stage: Stage, name: str, last: str) -> Iterator[str]:
    found = lives(stage.place.watch.all(), name)
    old, replicas = stage.old[name]["id"], REPLICAS[name]
    new = {one.deployment_id for one in found} - {old}
    yield from (
        f"{name}: {text}"
        for text in ended_early(
            found,
            old,
            new,
            least=replicas,
            window_s=stage.chance.window_ms / 1000,
            late_s=listens_after_s,
        )
    )
    for row_id in (old, *new):
        if (most := most_at_once(found, row_id)) > replicas:
            yield f"{name}: {most} instances of one row at once"
    of_last = [one for one in found if one.deployment_id == last]
    if len(of_last) != replicas:
        yield f"{name}: {len(of_last)} containers of the last version were started"


def _broken(stage: Stage, records: Records) -> Iterator[str]:
    """Two rows are left: the old one as it was, and the one that failed, once."""
    rows = _rows(records, "broken")
    old = stage.old["broken"]["id"]
    parents = [row for row in rows if row["id"] == old]
    children = [row for row in rows if row["id"] != old]
    if len(parents) != 1 or len(children) != 1:
        yield f"broken: the rows {[(row['id'], row['status']) for row in rows]}"
        return
    (parent,), (child,) = parents, children
    if parent["status"] != "running" or parent["restart_count"] or parent["drain_target"]:
        yield f"broken: the old version is {parent['status']}: {parent}"
    if child["status"] not in ENDED or child["parent_id"] != old:
        yield f"broken: the new version is {child['status']}: {child}"
    for reason in OF_TROUBLE & {*records.reasons(old)}:
        yield f"broken: the old version was told {reason}"
    told = Counter(records.reasons(child["id"]))
    if told["rolling_update_failed"] != 1:
        yield f"broken: {told['rolling_update_failed']} event(s) rolling_update_failed"
    if told["rolling_update_step"] or told["rolling_update_complete"]:
        yield "broken: it was rolled to"
    found = lives(stage.place.watch.all(), "broken")
    kept = [one for one in found if one.deployment_id == old]
    if len(kept) != REPLICAS["broken"] or any(one.ended_at < float("inf") for one in kept):
        yield f"broken: an instance of the old version was touched: {kept}"
    up = sum(one.is_up(float("1e300")) for one in found if one.deployment_id == child["id"])
    if up != stage.is_kept(records):
        yield f"broken: {up} instances of the new version are up"


def _rows(records: Records, name: str) -> list[Row]:
    return [row for row in records.rows if row["name"] == name]
