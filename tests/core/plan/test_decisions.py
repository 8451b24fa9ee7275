"""What an accepted manifest does to the rows that are there."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from ring.core.model.deployment import Deployment
from ring.core.model.ids import DeploymentId
from ring.core.model.spec import DeploymentSpec
from ring.core.model.status import Status
from ring.core.plan.decisions import Create, Decision, Replace, Roll, Scale, Unchanged, decide


def spec(**members: object) -> DeploymentSpec:
    base = {"name": "web", "namespace": "media", "runtime": "docker", "image": "nginx:1.25"}
    return DeploymentSpec.model_validate_json(json.dumps({**base, **members}))


CHECK = {"type": "tcp", "port": 80, "interval": "1s", "timeout": "1s", "on_failure": "alert"}
CHECKED: dict[str, Any] = {"health_checks": [CHECK]}


def row(
    status: Status = Status.RUNNING,
    *,
    row_id: str = "a",
    parent_id: str | None = None,
    halt_reason: str | None = None,
    **members: object,
) -> Deployment:
    return Deployment(
        id=DeploymentId(row_id),
        spec=spec(**members),
        status=status,
        created_at=datetime(2027, 3, 2, tzinfo=UTC),
        parent_id=None if parent_id is None else DeploymentId(parent_id),
        halt_reason=halt_reason,
    )


def decided(
    new: DeploymentSpec,
    *active: Deployment,
    force: bool = False,
    if_changed: bool = True,
    image_moved: bool = False,
    inputs_changed: bool = False,
    network_shared: bool = False,
) -> Decision:
    return decide(
        new,
        active,
        force=force,
        if_changed=if_changed,
        image_moved=image_moved,
        inputs_changed=inputs_changed,
        network_shared=network_shared,
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


@pytest.mark.parametrize("status", sorted(set(Status) - {Status.DELETED}))
def test_a_new_spec_with_a_health_check_rolls_from_any_status(status: Status) -> None:
    parent = row(status)
    assert decided(spec(image="nginx:1.26", **CHECKED), parent) == Roll(parent)


@pytest.mark.parametrize(
    ("new", "old", "reason"),
    [
        ({"kind": "job"}, {}, "job"),
        ({}, {"kind": "job"}, "job"),
        ({"health_checks": []}, CHECKED, "no health checks"),
        ({"ports": [{"published": 8080, "target": 80}]}, {}, "host port"),
        ({}, {"ports": [{"published": 8080, "target": 80}]}, "host port"),
        ({"network": {"mode": "host"}}, {}, "host network"),
        (
            {"volumes": [{"type": "volume", "source": "data", "destination": "/data"}]},
            {},
            "volume mounted read-write",
        ),
    ],
)
def test_what_two_generations_cannot_share_is_replaced_at_once(
    new: dict[str, Any], old: dict[str, Any], reason: str
) -> None:
    active = row(**old)
    wanted = spec(**{"image": "nginx:1.26", **CHECKED, **new})
    assert decided(wanted, active) == Replace((active,), reason)


@pytest.mark.parametrize(
    "volume",
    [
        {"type": "volume", "source": "data", "destination": "/data", "permission": "ro"},
        {"type": "bind", "source": "/srv", "destination": "/data"},
        {"type": "config", "source": "site", "key": "a", "destination": "/data"},
    ],
)
def test_other_mounts_roll(volume: dict[str, object]) -> None:
    active = row()
    assert decided(spec(volumes=[volume], **CHECKED), active) == Roll(active)


def test_a_writable_volume_of_the_old_spec_alone_rolls() -> None:
    volume = {"type": "volume", "source": "data", "destination": "/data"}
    active = row(volumes=[volume])
    assert decided(spec(**CHECKED), active) == Roll(active)


def test_a_shared_network_is_replaced_at_once() -> None:
    active = row()
    made = decided(spec(**CHECKED), active, network_shared=True)
    assert made == Replace((active,), "shared network")


def test_the_first_reason_that_fits_is_told() -> None:
    ports = [{"published": 8080, "target": 80}]
    bad = spec(kind="job", ports=ports, network={"mode": "host"})
    active, second = row(), row(row_id="b")
    assert decided(bad, active, force=True) == Replace((active,), "force=true")
    assert decided(bad, active) == Replace((active,), "job")
    assert decided(spec(ports=ports), active, second) == Replace(
        (active, second), "no health checks"
    )
    assert decided(spec(ports=ports, **CHECKED), active, second) == Replace(
        (active, second), "more than one active deployment"
    )
    assert decided(spec(ports=ports, network={"mode": "host"}, **CHECKED), active) == Replace(
        (active,), "host port"
    )


@pytest.mark.parametrize("status", [Status.CREATING, Status.RUNNING, Status.NETWORK_ERROR])
def test_a_child_on_its_way_is_superseded(status: Status) -> None:
    parent, child = row(), row(status, row_id="b", parent_id="a", **CHECKED)
    made = decided(spec(image="nginx:1.27", **CHECKED), parent, child)
    assert made == Roll(parent, superseded=(child,))


@pytest.mark.parametrize(
    ("status", "halted"),
    [
        (Status.FAILED, None),
        (Status.CRASH_LOOP_BACK_OFF, None),
        (Status.COMPLETED, None),
        (Status.IMAGE_PULL_BACK_OFF, "no such image"),
        (Status.INSUFFICIENT_RESOURCES, "too little memory"),
    ],
)
def test_children_that_ended_go_and_the_parent_rolls_again(
    status: Status, halted: str | None
) -> None:
    parent = row()
    ended = row(status, row_id="b", parent_id="a", halt_reason=halted, **CHECKED)
    other = row(status, row_id="c", parent_id="a", halt_reason=halted, **CHECKED)
    made = decided(spec(image="nginx:1.27", **CHECKED), parent, ended, other)
    assert made == Roll(parent, ended=(ended, other))


def test_a_child_without_its_parent_is_a_root() -> None:
    orphan = row(row_id="b", parent_id="a", **CHECKED)
    assert decided(spec(image="nginx:1.27", **CHECKED), orphan) == Roll(orphan)


def test_whatever_is_replaced_at_once_takes_the_children_along() -> None:
    parent, child = row(), row(row_id="b", parent_id="a", **CHECKED)
    assert decided(spec(), parent, child) == Replace((parent, child), "no health checks")


def test_the_newest_row_decides_whether_a_manifest_is_unchanged() -> None:
    parent = row(image="nginx:1.25")
    child = row(Status.CREATING, row_id="b", parent_id="a", image="nginx:1.26", **CHECKED)
    same = spec(image="nginx:1.26", **CHECKED)
    assert decided(same, parent, child) == Unchanged(child, manifest_differs=False)
    assert decided(spec(image="nginx:1.26", replicas=3, **CHECKED), parent, child) == Roll(
        parent, superseded=(child,)
    )
    failed = row(Status.FAILED, row_id="b", parent_id="a", image="nginx:1.26", **CHECKED)
    assert decided(same, parent, failed) == Roll(parent, ended=(failed,))


@pytest.mark.parametrize("status", [Status.PENDING, Status.CREATING, Status.RUNNING])
def test_a_stopped_row_that_says_the_same_is_started(status: Status) -> None:
    stopped = replace(row(status), stopped=True)
    assert decided(spec(), stopped) == Scale(stopped)
    assert decided(spec(replicas=3), stopped) == Scale(stopped)
    assert isinstance(decided(spec(image="nginx:2"), stopped), Replace)
    assert isinstance(decided(spec(), stopped, if_changed=False), Replace)


def test_a_stopped_rollout_that_says_the_same_is_started_as_it_is() -> None:
    parent = replace(row(**CHECKED), stopped=True)
    child = replace(row(Status.CREATING, row_id="b", parent_id="a", **CHECKED), stopped=True)
    assert decided(spec(**CHECKED), parent, child) == Scale(child)
    assert isinstance(decided(spec(replicas=2, **CHECKED), parent, child), Roll)


def test_a_stopped_row_that_had_completed_stays_so() -> None:
    stopped = replace(row(Status.COMPLETED), stopped=True)
    assert decided(spec(), stopped) == Unchanged(stopped, manifest_differs=False)


def test_a_child_that_completed_beside_its_parent_is_tried_again() -> None:
    parent = row(image="nginx:1.25")
    child = row(Status.COMPLETED, row_id="b", parent_id="a", image="nginx:1.26", **CHECKED)
    assert decided(spec(image="nginx:1.26", **CHECKED), parent, child) == Roll(
        parent, ended=(child,)
    )
