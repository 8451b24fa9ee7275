"""What an accepted manifest does to the rows that are there."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from ring.core.model.deployment import Deployment
from ring.core.model.ids import DeploymentId
from ring.core.model.spec import DeploymentSpec
from ring.core.model.status import Status
from ring.core.plan.decisions import Create, Decision, Replace, Scale, Unchanged, decide


def spec(**members: object) -> DeploymentSpec:
    base = {"name": "web", "namespace": "media", "runtime": "docker", "image": "nginx:1.25"}
    return DeploymentSpec.model_validate_json(json.dumps({**base, **members}))


def row(
    status: Status = Status.RUNNING,
    *,
    row_id: str = "a",
    halt_reason: str | None = None,
    **members: object,
) -> Deployment:
    return Deployment(
        id=DeploymentId(row_id),
        spec=spec(**members),
        status=status,
        created_at=datetime(2027, 3, 2, tzinfo=UTC),
        halt_reason=halt_reason,
    )


def decided(
    new: DeploymentSpec,
    *active: Deployment,
    force: bool = False,
    if_changed: bool = True,
    image_moved: bool = False,
    inputs_changed: bool = False,
) -> Decision:
    return decide(
        new,
        active,
        force=force,
        if_changed=if_changed,
        image_moved=image_moved,
        inputs_changed=inputs_changed,
    )


@pytest.mark.parametrize("force", [True, False])
@pytest.mark.parametrize("if_changed", [True, False])
def test_the_first_of_a_group_is_created(force: bool, if_changed: bool) -> None:
    assert decided(spec(), force=force, if_changed=if_changed) == Create()


@pytest.mark.parametrize(
    "status", [Status.PENDING, Status.CREATING, Status.RUNNING, Status.COMPLETED]
)
def test_a_healthy_row_that_says_the_same_stays(status: Status) -> None:
    active = row(status)
    assert decided(spec(), active) == Unchanged(active, manifest_differs=False)


def test_members_written_out_at_their_defaults_are_the_same() -> None:
    active = row(environment={"A": "1", "B": "2"})
    new = spec(environment={"B": "2", "A": "1"}, replicas=1, kind="worker", labels={})
    assert isinstance(decided(new, active), Unchanged)


@pytest.mark.parametrize(
    "status",
    sorted(set(Status) - {Status.PENDING, Status.CREATING, Status.RUNNING, Status.COMPLETED}),
)
def test_a_row_that_is_not_healthy_is_replaced(status: Status) -> None:
    active = row(status)
    assert decided(spec(), active) == Replace((active,), "no health checks")
    assert decided(spec(replicas=3), active) == Replace((active,), "no health checks")


def test_a_halted_row_that_has_not_completed_is_replaced() -> None:
    halted = row(Status.RUNNING, halt_reason="its stored spec cannot be read")
    finished = row(Status.COMPLETED, halt_reason="completed")
    assert isinstance(decided(spec(), halted), Replace)
    assert decided(spec(), finished) == Unchanged(finished, manifest_differs=False)


def test_another_manifest_name_alone_is_no_change() -> None:
    active = row(manifest="shop")
    assert decided(spec(manifest="store"), active) == Unchanged(active, manifest_differs=True)
    assert decided(spec(manifest="shop"), active) == Unchanged(active, manifest_differs=False)


@pytest.mark.parametrize("status", [Status.PENDING, Status.CREATING, Status.RUNNING])
def test_another_count_alone_scales_the_row(status: Status) -> None:
    active = row(status)
    assert decided(spec(replicas=5), active) == Scale(active)
    assert decided(spec(replicas=0, manifest="shop"), active) == Scale(active)


def test_a_completed_row_is_not_scaled() -> None:
    assert isinstance(decided(spec(replicas=5), row(Status.COMPLETED)), Replace)


def test_several_active_rows_are_not_scaled() -> None:
    older, newest = row(row_id="a", image="nginx:1.24"), row(row_id="b")
    assert decided(spec(replicas=5), older, newest) == Replace((older, newest), "no health checks")
    assert decided(spec(), older, newest) == Unchanged(newest, manifest_differs=False)


@pytest.mark.parametrize("replicas", [1, 5])
def test_nothing_is_compared_unless_asked_or_when_forced(replicas: int) -> None:
    active = row()
    new = spec(replicas=replicas)
    assert decided(new, active, if_changed=False) == Replace((active,), "no health checks")
    assert decided(new, active, force=True) == Replace((active,), "force=true")
    assert decided(new, active, image_moved=True) == Replace((active,), "no health checks")
    assert decided(new, active, inputs_changed=True) == Replace((active,), "no health checks")


@pytest.mark.parametrize(
    "status", [Status.PENDING, Status.CREATING, Status.RUNNING, Status.COMPLETED]
)
def test_a_changed_secret_or_config_replaces_whatever_the_status(status: Status) -> None:
    active = row(status)
    assert decided(spec(), active, inputs_changed=True) == Replace((active,), "no health checks")


@pytest.mark.parametrize(
    "member",
    [
        {"image": "nginx:1.26"},
        {"labels": {"tier": "front"}},
        {"environment": {"A": {"secretRef": "a"}}},
        {"config": {"username": "u", "password": "p"}},
        {"runtime": "podman"},
        {"command": ["nginx"]},
    ],
)
def test_any_other_member_replaces(member: dict[str, object]) -> None:
    active = row()
    assert decided(spec(**member), active) == Replace((active,), "no health checks")


def test_the_reason_names_a_job_unless_forced() -> None:
    worker, job = row(), row(kind="job")
    assert decided(spec(kind="job"), worker) == Replace((worker,), "job")
    assert decided(spec(), job) == Replace((job,), "job")
    assert decided(spec(kind="job"), job, force=True) == Replace((job,), "force=true")
