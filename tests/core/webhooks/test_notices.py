"""What is told outside of what a plan changes."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from ring.core.model.events import EventDraft, Level
from ring.core.model.failures import TREATMENT, FailureClass
from ring.core.model.ids import DeploymentId, InstanceId
from ring.core.model.operations import StartInstance
from ring.core.model.status import Status
from ring.core.plan.view import Plan, RowChange
from ring.core.webhooks.kinds import Kind
from ring.core.webhooks.notices import CATEGORIES, Notice, of_plan, reason_of, status_changed
from tests.core.plan.builders import Scene, spec


def told(plan: Plan) -> list[Notice]:
    return of_plan(plan, plan.events)


def event(reason: str, message: str = "m", *, instances: int | None = None) -> EventDraft:
    return EventDraft(DeploymentId("row"), Level.ERROR, reason, message, "docker", instances)


def test_a_changed_status_is_told_with_exactly_these_keys() -> None:
    before = Scene().row(Status.CREATING, restart_count=2)
    after = replace(before, status=Status.RUNNING, restart_count=3)
    (one,) = told(Plan(rows=(RowChange(before, after),)))
    assert (one.kind, one.deployment_id, one.namespace) == (
        Kind.STATUS_CHANGED,
        before.id,
        "media",
    )
    assert one.payload == (
        '{"schema_version":1,"deployment_id":"row","namespace":"media","name":"web",'
        '"kind":"worker","old_status":"creating","new_status":"running","restart_count":3}'
    )


def test_a_row_that_keeps_its_status_tells_nothing() -> None:
    before = Scene().row(Status.RUNNING)
    assert told(Plan(rows=(RowChange(before, replace(before, restart_count=1)),))) == []


@pytest.mark.parametrize(
    ("reason", "instances", "direction"), [("scale_up", 2, "up"), ("scale_down", 0, "down")]
)
def test_an_instance_more_or_less_is_told(reason: str, instances: int, direction: str) -> None:
    row = Scene().row(replicas=3)
    (one,) = told(Plan(based_on=(row,), events=(event(reason, instances=instances),)))
    assert one.kind is Kind.SCALED
    assert one.payload == (
        '{"schema_version":1,"deployment_id":"row","namespace":"media","name":"web",'
        f'"kind":"worker","direction":"{direction}","instance_count":{instances},"replicas":3}}'
    )


def test_the_replicas_of_an_autoscaled_deployment_are_those_it_has_been_scaled_to() -> None:
    policy = {"min": 2, "max": 4, "target_cpu": 50.0}
    row = Scene().row(spec=spec(replicas=1, autoscale=policy))
    for desired, replicas in ((None, 2), (3, 3), (9, 4)):
        scaled = replace(row, desired_replicas=desired)
        (one,) = told(Plan(based_on=(scaled,), events=(event("scale_up", instances=2),)))
        assert json.loads(one.payload)["replicas"] == replicas


@pytest.mark.parametrize(
    ("reason", "action"),
    [
        ("health_check_instance_restart", "restart"),
        ("health_check_stop", "stop"),
        ("health_check_alert", "alert"),
    ],
)
def test_a_check_that_acts_is_told(reason: str, action: str) -> None:
    row = Scene().row()
    drafted = replace(event(reason, "it refuses"), instance_id=InstanceId("a1"))
    (one,) = told(Plan(based_on=(row,), events=(drafted,)))
    assert one.kind is Kind.HEALTH_CHECK_FAILED
    assert one.payload == (
        '{"schema_version":1,"deployment_id":"row","namespace":"media","name":"web",'
        f'"kind":"worker","instance_id":"a1","action":"{action}","message":"it refuses"}}'
    )


def test_a_decision_to_scale_alone_is_not_told() -> None:
    row = Scene().row()
    assert told(Plan(based_on=(row,), events=(event("scale_up"),))) == []


@pytest.mark.parametrize(
    ("reason", "as_told", "category"),
    [
        ("image_pull_back_off", "image_pull_back_off", "user"),
        ("config_error", "config_error", "user"),
        ("VolumeSourceInvalid", "volume_source_invalid", "user"),
        ("ImageNotFound", "image_pull_back_off", "user"),
        ("ImagePullFailed", "image_pull_back_off", "user"),
        ("ConfigError", "config_error", "user"),
        ("insufficient_resources", "insufficient_resources", "host"),
        ("instance_creation_failed", "instance_creation_failed", "transient"),
        ("InstanceCreationFailed", "instance_creation_failed", "transient"),
        ("NetworkCreationFailed", "network_creation_failed", "transient"),
        ("file_system_error", "file_system_error", "transient"),
        ("PortAllocationFailed", "port_allocation_failed", "transient"),
        ("VmStartFailed", "vm_start_failed", "transient"),
        ("FirmwareNotFound", "firmware_not_found", "transient"),
        ("stats_fetch_failed", "stats_fetch_failed", "transient"),
        ("runtime_error", "runtime_error", "transient"),
        ("VolumeInUse", "volume_in_use", "transient"),
    ],
)
def test_a_failed_create_is_told_with_its_category(
    reason: str, as_told: str, category: str
) -> None:
    row = Scene().row()
    (one,) = told(Plan(based_on=(row,), events=(event(reason, "no “web”"),)))
    assert one.kind is Kind.ERROR
    assert one.payload == (
        '{"schema_version":1,"deployment_id":"row","namespace":"media","name":"web",'
        f'"kind":"worker","reason":"{as_told}","category":"{category}","message":"no “web”"}}'
    )


@pytest.mark.parametrize(
    ("reason", "phase", "drained"),
    [
        ("rolling_update_step", "step", '"9b44"'),
        ("rolling_update_complete", "complete", "null"),
        ("rolling_update_failed", "failed", "null"),
    ],
)
def test_the_phases_of_a_rollout_are_told(reason: str, phase: str, drained: str) -> None:
    row = Scene().row()
    about = replace(event(reason), parent_id=DeploymentId("a71e"), instance_id=InstanceId("9b44"))
    (one,) = told(Plan(based_on=(row,), events=(about,)))
    assert one.kind is Kind.ROLLING_UPDATE
    assert one.payload == (
        '{"schema_version":1,"deployment_id":"row","namespace":"media","name":"web",'
        f'"kind":"worker","parent_id":"a71e","phase":"{phase}","drained_instance_id":{drained}}}'
    )


@pytest.mark.parametrize(
    "reason",
    [
        "apply_timeout",
        "runtime_unavailable",
        "container_crashed",
        "teardown_failed",
        "state_transition",
        "restart_limit_reached",
    ],
)
def test_no_other_reason_is_an_error(reason: str) -> None:
    row = Scene().row()
    assert told(Plan(based_on=(row,), events=(event(reason),))) == []


def test_every_class_of_failure_but_these_has_a_category() -> None:
    untold = {
        kind
        for kind, treatment in TREATMENT.items()
        if reason_of(treatment.reason) not in CATEGORIES
    }
    assert untold == {
        FailureClass.UNAVAILABLE,
        FailureClass.TIMEOUT,
        FailureClass.CANCELLED,
        # Nothing was asked of a runtime yet.
        FailureClass.CONFIG_UNREADABLE,
        FailureClass.SECRET_UNREADABLE,
        FailureClass.SECRET_UNRESOLVED,
        FailureClass.PULL_SECRET_UNRESOLVED,
        FailureClass.MOUNTED_CONFIG_MISSING,
        FailureClass.MOUNTED_SECRET_MISSING,
    }


def test_what_an_event_tells_comes_before_the_status_it_leads_to() -> None:
    before = Scene().row(Status.CREATING)
    after = replace(before, status=Status.IMAGE_PULL_BACK_OFF)
    change = RowChange(before, after)
    plan = Plan(based_on=(before,), rows=(change,), events=(event("image_pull_back_off"),))
    assert [one.kind for one in told(plan)] == [Kind.ERROR, Kind.STATUS_CHANGED]


def test_an_event_that_was_not_stored_is_not_told() -> None:
    row = Scene().row()
    assert of_plan(Plan(based_on=(row,), events=(event("config_error"),)), []) == []


def test_half_a_surrogate_pair_does_not_spoil_the_text() -> None:
    row = Scene().row()
    (one,) = told(Plan(based_on=(row,), events=(event("runtime_error", "a\ud800b"),)))
    assert json.loads(one.payload.encode())["message"] == "a?b"


def test_a_deletion_names_the_status_that_ended() -> None:
    row = Scene().row(Status.DELETED)
    body = json.loads(status_changed(row, Status.RUNNING).payload)
    assert (body["old_status"], body["new_status"]) == ("running", "deleted")


# the planner's own plans
def test_a_first_instance_is_told_as_one() -> None:
    scene = Scene()
    scene.row(Status.CREATING, replicas=2)
    scene.step()
    scene.started(scene.flying(StartInstance)[0])
    assert [json.loads(one.payload)["instance_count"] for one in told(scene.plan())] == [1]


def test_a_failed_create_is_told_once_with_its_message() -> None:
    scene = Scene()
    scene.row(Status.CREATING)
    scene.step()
    scene.refused(scene.flying(StartInstance)[0], FailureClass.INSTANCE_REJECTED, "no such program")
    error, status = (json.loads(one.payload) for one in told(scene.plan()))
    assert (error["reason"], error["category"]) == ("instance_creation_failed", "transient")
    assert error["message"].startswith("no such program")
    assert (status["old_status"], status["new_status"]) == ("creating", "create_container_error")
    assert status["restart_count"] == 1


def test_an_instance_that_was_removed_counts_no_more() -> None:
    scene = Scene()
    row = scene.row(replicas=1)
    scene.up(row)
    scene.up(row, born=1.0)
    assert told(scene.step()) == []
    scene.comes_away()
    (one,) = told(scene.plan())
    body = json.loads(one.payload)
    assert (body["direction"], body["instance_count"], body["replicas"]) == ("down", 1, 1)
