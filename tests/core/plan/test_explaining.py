"""Where a group stands, by its rows, its ledger and what was last said of it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from ring.core.model.deployment import Deployment
from ring.core.model.health import CheckState
from ring.core.model.ids import DeploymentId, GroupKey, InstanceId, InstanceName
from ring.core.model.ledger import Entry, Phase
from ring.core.model.observed import Listing
from ring.core.model.spec import DeploymentSpec
from ring.core.model.status import Status
from ring.core.plan.explaining import NOT_YET, Decided, State, explain
from ring.core.plan.view import Memory, RuntimeView, View

AT = datetime(2027, 3, 2, tzinfo=UTC)
CHECK = {
    "type": "tcp", "port": 80, "interval": "5s", "timeout": "1s", "on_failure": "alert",
    "readiness": True,
}  # fmt: skip


def row(status: Status = Status.RUNNING, row_id: str = "a", **fields: Any) -> Deployment:
    members = {"name": "web", "namespace": "shop", "runtime": "docker", "image": "web:1"}
    members |= fields.pop("spec", {})
    spec = DeploymentSpec.model_validate_json(json.dumps(members))
    return Deployment(DeploymentId(row_id), spec, status, AT, **fields)


def entries(of: Deployment, count: int = 1, phase: Phase = Phase.LIVE) -> dict[InstanceName, Entry]:
    names = [InstanceName(f"{of.id}-{phase}-{number}") for number in range(count)]
    return {name: Entry(name, of.id, InstanceId(f"id-{name}"), phase, AT) for name in names}


def view(*rows: Deployment, ledger: dict[InstanceName, Entry] | None = None, **more: Any) -> View:
    runtimes = {"docker": RuntimeView(Listing({}, 0.0))}
    return View(
        GroupKey("shop", "web"), rows, ledger or {}, (), (), **{"runtimes": runtimes, **more}
    )


UP = row()
CHILD = row(Status.CREATING, "b", parent_id=DeploymentId("a"))
CHECKED = row(spec={"health_checks": [CHECK]})
GREEN = {InstanceId(f"id-{name}"): {0: CheckState("success")} for name in entries(CHECKED)}
JOB = {"kind": "job"}
LACKING = Memory(lacking={UP.id: (4, 9.0)})


@pytest.mark.parametrize(
    ("seen", "state"),
    [
        (view(UP, ledger=entries(UP)), State.READY),
        (view(UP), State.PROGRESSING),
        (view(UP, ledger=entries(UP, 2)), State.PROGRESSING),
        (view(CHECKED, ledger=entries(CHECKED)), State.PROGRESSING),
        (view(CHECKED, ledger=entries(CHECKED), checks=GREEN), State.READY),
        (view(row(drain_target=0)), State.PROGRESSING),
        (view(UP, ledger=entries(UP) | entries(UP, phase=Phase.STOPPING)), State.PROGRESSING),
        (view(row(spec={"replicas": 0})), State.READY),
        (view(row(Status.CREATING)), State.PROGRESSING),
        (view(row(Status.IMAGE_PULL_BACK_OFF)), State.PROGRESSING),
        (view(row(Status.CONFIG_ERROR)), State.WAITING),
        (view(UP, memory=LACKING, inputs=4), State.WAITING),
        (view(UP, memory=LACKING, inputs=5), State.PROGRESSING),
        (view(UP, memory=LACKING, inputs=4, ledger=entries(UP)), State.READY),
        (view(row(Status.CREATING), runtimes={}), State.WAITING),
        (view(row(Status.FAILED)), State.FAILED),
        (view(row(Status.CRASH_LOOP_BACK_OFF)), State.FAILED),
        (view(row(Status.INSUFFICIENT_RESOURCES)), State.FAILED),
        (view(row(Status.IMAGE_PULL_BACK_OFF, halt_reason="no such image")), State.FAILED),
        (view(row(Status.COMPLETED, halt_reason="completed")), State.COMPLETED),
        (view(row(spec=JOB), ledger=entries(UP)), State.PROGRESSING),
        (view(replace(UP, stopped=True)), State.STOPPED),
        (view(replace(UP, stopped=True), ledger=entries(UP)), State.PROGRESSING),
        (view(UP, CHILD, ledger=entries(UP)), State.PROGRESSING),
        (view(UP, CHILD, ledger=entries(UP) | entries(CHILD)), State.PROGRESSING),
        (view(UP, replace(CHILD, status=Status.FAILED), ledger=entries(UP)), State.FAILED),
        (view(replace(UP, stopped=True), replace(CHILD, stopped=True)), State.STOPPED),
        (view(replace(UP, stopped=True), CHILD), State.PROGRESSING),
        (view(UP, row(Status.DELETED, "b"), ledger=entries(UP)), State.READY),
        (view(row(Status.DELETED)), State.PROGRESSING),
    ],
)
def test_the_state(seen: View, state: State) -> None:
    assert explain(seen, None).state is state


def test_each_row_has_its_part_its_counts_and_its_reason() -> None:
    checked = row(Status.CREATING, "b", parent_id=UP.id, spec={"health_checks": [CHECK]})
    ledger = entries(UP) | entries(checked, 2)
    green = next(entry for entry in ledger.values() if entry.deployment_id == checked.id)
    assert green.instance_id is not None
    seen = view(
        UP, checked, row(Status.DELETED, "c"), ledger=ledger,
        checks={green.instance_id: {0: CheckState("success")}},
    )  # fmt: skip
    decided = Decided(AT, {checked.id: "waits for 1 of 2 instances"})
    found = explain(seen, decided)
    assert (found.summary, found.decided_at) == ("waits for 1 of 2 instances", AT)
    assert [(r.row.id, r.role, r.live, r.ready, r.reason) for r in found.rows] == [
        ("a", "parent", 1, 1, NOT_YET),
        ("b", "child", 2, 1, "waits for 1 of 2 instances"),
        ("c", "current", 0, 0, NOT_YET),
    ]


def test_without_a_pass_the_reason_to_halt_is_told() -> None:
    found = explain(view(row(Status.FAILED, halt_reason="it never became ready")), None)
    assert (found.summary, found.decided_at) == ("it never became ready", None)
