"""What must hold when a server was killed, and when the next one is done."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from tests.kills.scenarios import Kept

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.e2e.outside import Container
    from tests.e2e.proxy import Call
    from tests.kills.outcome import Past
    from tests.kills.records import Records
    from tests.kills.stage import Stage

ENDING = {"stopping", "counted"}
OF_A_CRASH = {"container_crashed", "container_died", "liveness_unconfirmed", "instances_recovered"}
ALWAYS_WRONG = {
    "container_completed",
    "container_killed",
    "container_oom",
    "container_stopped_externally",
    "non_retryable_exit",
    "restart_limit_reached",
    "runtime_unavailable",
    "teardown_failed",
    "apply_timeout",
}
_CREATE = re.compile(r"^POST /containers/create")
_END = re.compile(r"^(?:POST /containers/(\w+)/stop|DELETE /containers/(\w+))")


def durable(stage: Stage, past: Past, left: Records) -> None:
    """Nothing was asked of the engine that the database of the dead server does not know."""
    assert left.integrity == "ok", left.integrity
    strangers = [one.name for one in stage.containers() if not known(one, left)]
    assert not strangers, f"containers that the database does not know: {strangers}"
    active = left.active()
    assert len(active) <= 1, f"{len(active)} active rows"
    if (call := past.fell[-1].call) is not None:
        noted(call, left)


def noted(call: Call, left: Records) -> None:
    """What the call was to do is in the ledger."""
    if _CREATE.match(f"{call}"):
        (name,) = parse_qs(urlsplit(call.path).query)["name"]
        names = {entry["name"] for entry in left.ledger}
        assert name in names, f"{call}: the ledger does not know {name}"
    if found := _END.match(f"{call}"):
        wanted = found[1] or found[2]
        phases = {e["phase"] for e in left.ledger if e["instance_id"] in {wanted, None}}
        assert phases & ENDING, f"{call}: its entry is not one of an end: {left.ledger}"


def known(one: Container, left: Records) -> bool:
    """By its entry; or by its row, where the engine made it after its create was given up.

    The second is removed when it is listed, and has never run.
    """
    names = {entry["name"] for entry in left.ledger}
    rows = {row["id"] for row in left.rows} | left.tombstones
    return one.name in names or (one.state == "created" and one.deployment_id in rows)


def final(stage: Stage, past: Past, shown: list[dict[str, Any]]) -> list[str]:
    """What is wrong after the last server was stopped in order; `shown` is what it said last."""
    records = stage.records()
    return [
        *_everywhere(stage, records),
        *_counts(stage, past),
        *_rows(stage, past, records, shown),
    ]


def _everywhere(stage: Stage, records: Records) -> Iterator[str]:
    if records.integrity != "ok":
        yield f"the database is damaged: {records.integrity}"
    for line in stage.ring.log.read_text().splitlines():
        if re.search(r"Traceback|\bERROR\b", line):
            yield f"the server's log: {line}"
    if (networks := stage.networks()) > 1:
        yield f"{networks} networks of the namespace"
    if volumes := stage.docker.volumes(stage.namespace):
        yield f"volumes are left: {volumes}"


def _counts(stage: Stage, past: Past) -> Iterator[str]:
    made, wanted = len(stage.watch.noted("create")), stage.chance.scenario.creates
    # Which of those that come up are cut short is chance, and so is what a loss costs.
    least = wanted if stage.chance.scenario.target else 0
    if not least <= made <= wanted + past.disturbances:
        yield f"{made} containers were ever made, not {wanted} (+{past.disturbances})"


def _rows(stage: Stage, past: Past, records: Records, shown: list[dict[str, Any]]) -> Iterator[str]:
    if not stage.chance.scenario.target:
        yield from _all_gone(stage, past, records)
        return
    if len(records.rows) != 1:
        yield f"{len(records.rows)} rows, not 1"
    else:
        yield from _row(stage, past, records, records.rows[0])
        yield from _instances(stage, past, records, shown[0])
    known = {row["id"] for left in past.left for row in left.rows}
    if lost := known - {row["id"] for row in records.rows} - records.tombstones:
        yield f"rows without a tombstone: {lost}"


def _all_gone(stage: Stage, past: Past, records: Records) -> Iterator[str]:
    if records.rows or records.ledger or records.events:
        yield f"left of what was deleted: {records.rows} {records.ledger} {records.events}"
    if containers := stage.containers():
        yield f"containers are left: {containers}"
    known = {row["id"] for left in past.left for row in left.rows}
    if lost := known - records.tombstones:
        yield f"rows without a tombstone: {lost}"


def _row(stage: Stage, past: Past, records: Records, row: dict[str, Any]) -> Iterator[str]:
    scenario = stage.chance.scenario
    if row["status"] != "running" or row["replicas"] != scenario.target:
        yield f"the row is {row['status']} with {row['replicas']} replicas"
    if row["revision"] not in scenario.revisions:
        yield f"revision {row['revision']}, not {set(scenario.revisions)}"
    counted = _counted(stage, past)
    forgiven = "restart_count_reset" in records.reasons(row["id"])
    if row["restart_count"] != (0 if forgiven else counted):
        yield f"restart_count {row['restart_count']}, but {counted} were counted at the kill"
    if forgiven and not counted:
        yield "forgiven what was not counted"
    yield from _events(stage, past, records, row)


def _counted(stage: Stage, past: Past) -> int:
    """How many crashes had been counted when the first kill fell; later there was none.

    One that was not counted by then ended unwatched, which costs nothing.
    """
    if not past.left:
        return int(stage.victim is not None)
    return max((row["restart_count"] for row in past.left[0].active()), default=0)


def _events(stage: Stage, past: Past, records: Records, row: dict[str, Any]) -> Iterator[str]:
    scenario = stage.chance.scenario
    told = Counter(records.reasons(row["id"]))
    for reason in ALWAYS_WRONG & told.keys():
        yield f"{told[reason]} event(s) {reason}"
    crashed = stage.victim is not None
    if not crashed and not past.disturbances:
        for reason in OF_A_CRASH & told.keys():
            yield f"{told[reason]} event(s) {reason}, and nothing crashed"
    counted = _counted(stage, past)
    if told["container_crashed"] != counted:
        yield f"{told['container_crashed']} event(s) container_crashed, counted: {counted}"
    if told["container_died"] > crashed:
        yield f"{told['container_died']} event(s) container_died"
    if told["instances_recovered"] > crashed + past.disturbances:
        yield f"{told['instances_recovered']} event(s) instances_recovered"
    most = scenario.ups + past.disturbances
    if not scenario.ups <= told["scale_up"] <= most:
        yield f"{told['scale_up']} event(s) scale_up, not {scenario.ups} (to {most})"
    if not scenario.downs - past.disturbances <= told["scale_down"] <= scenario.downs:
        yield f"{told['scale_down']} event(s) scale_down, not {scenario.downs}"


def _instances(stage: Stage, past: Past, records: Records, shown: dict[str, Any]) -> Iterator[str]:
    row = records.rows[0]
    found = stage.inspected()
    if {one["id"] for one in shown["instances"]} != found.keys():
        yield f"the API shows {shown['instances']}, the engine has {sorted(found)}"
    noted = {entry["instance_id"] for entry in records.ledger}
    if noted != found.keys() or len(records.ledger) != len(found):
        yield f"the ledger notes {records.ledger}, the engine has {sorted(found)}"
    for entry in records.ledger:
        if entry["phase"] != "live" or entry["deployment_id"] != row["id"]:
            yield f"a ledger entry that is not live, or of another row: {entry}"
    for id_, one in found.items():
        labels = one["Config"]["Labels"]
        if labels["ring_deployment"] != row["id"]:
            yield f"container {id_[:12]} is of row {labels['ring_deployment']}"
        if not one["State"]["Running"]:
            yield f"container {id_[:12]} is {one['State']['Status']}"
        if f"MARK={stage.chance.scenario.mark}" not in one["Config"]["Env"]:
            yield f"container {id_[:12]} is of another version: {one['Config']['Env']}"
        networks = [*one["NetworkSettings"]["Networks"]]
        if networks != [f"ring_{stage.namespace}"]:
            yield f"container {id_[:12]} is on the networks {networks}"
    yield from _untouched(stage, past, found)


def _untouched(stage: Stage, past: Past, found: Mapping[str, Any]) -> Iterator[str]:
    for id_ in _kept(stage, past):
        began = past.before[id_]["State"]["StartedAt"]
        if id_ not in found:
            yield f"container {id_[:12]} was there before and is gone"
        elif found[id_]["State"]["StartedAt"] != began:
            yield f"container {id_[:12]} was started again"


def _kept(stage: Stage, past: Past) -> set[str]:
    """Those that the operation had no reason to touch."""
    ages = sorted(past.before, key=lambda id_: str(past.before[id_]["Created"]))
    match stage.chance.scenario.kept:
        case Kept.ALL:
            kept = set(ages)
        case Kept.OLDEST:
            kept = set(ages[: stage.chance.scenario.target])
        case Kept.NONE:
            kept = set()
    return kept - {stage.victim, past.meddled}
