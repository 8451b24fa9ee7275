"""Live instances that lost their network are connected again, and stay the same instances."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ring.core.model.events import Level
from ring.core.model.failures import Failure, FailureClass
from ring.core.model.ledger import Phase
from ring.core.model.observed import State
from ring.core.model.operations import (
    Attached,
    AttachInstance,
    OperationFailed,
    RemoveInstance,
    StartInstance,
)
from ring.core.model.status import Status
from tests.core.plan.builders import Scene, actions, is_empty, reasons, the_event, told

if TYPE_CHECKING:
    from ring.core.model.deployment import Deployment
    from ring.core.model.ids import InstanceName
    from ring.core.model.observed import Instance


def cut_off(scene: Scene, state: State = State.RUNNING) -> tuple[Deployment, Instance]:
    """A running row whose only instance is off its network."""
    row = scene.row()
    instance = scene.up(row)
    lost = replace(instance, is_attached=False, state=state)
    scene.held["docker"][instance.name] = lost
    return row, lost


def mended(scene: Scene, name: InstanceName) -> None:
    (operation,) = scene.flying(AttachInstance)
    scene.held["docker"][name] = replace(scene.held["docker"][name], is_attached=True)
    scene.comes_of(operation, Attached())


def test_it_is_connected_again_and_nothing_is_replaced_or_counted() -> None:
    scene = Scene()
    row, instance = cut_off(scene)
    made = scene.step()
    assert actions(made, AttachInstance) == [AttachInstance(row.id, instance.name, instance.id)]
    assert actions(made, StartInstance) == []
    assert told(made) == [(Level.WARNING, "instance_detached", "docker")]
    message = the_event(made, "instance_detached").message
    assert instance.name in message
    assert "'media'" in message
    assert is_empty(scene.step()), "one attempt at a time"
    mended(scene, instance.name)
    made = scene.step()
    assert reasons(made) == ["instance_attached"]
    assert scene.now(row) == row
    assert is_empty(scene.step())


def test_a_paused_one_is_connected_too() -> None:
    scene = Scene()
    cut_off(scene, state=State.PAUSED)
    assert len(actions(scene.step(), AttachInstance)) == 1


def test_a_dead_one_is_not() -> None:
    scene = Scene()
    cut_off(scene, state=State.UNKNOWN)
    assert actions(scene.step(), AttachInstance) == []


def test_a_failure_is_told_and_tried_again_less_and_less_often() -> None:
    scene = Scene()
    _, instance = cut_off(scene)
    scene.step()
    waits = []
    for _ in range(9):
        (operation,) = scene.flying(AttachInstance)
        failure = Failure(FailureClass.NETWORK_FAILED, "no address is left")
        scene.comes_of(operation, OperationFailed(failure))
        made = scene.step()
        message = the_event(made, "instance_detached").message
        assert instance.name in message
        assert "no address is left" in message
        assert actions(made, AttachInstance) == []
        before = scene.mono
        scene.until(made)
        waits.append(scene.mono - before)
        made = scene.step()
        assert len(actions(made, AttachInstance)) == 1
        assert reasons(made) == [], "told when it failed, not when it is tried"
    assert [round(wait) for wait in waits] == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_success_begins_anew() -> None:
    scene = Scene()
    _, instance = cut_off(scene)
    scene.step()
    (operation,) = scene.flying(AttachInstance)
    scene.comes_of(operation, OperationFailed(Failure(FailureClass.OTHER, "no")))
    scene.until(scene.step())
    scene.step()
    mended(scene, instance.name)
    scene.step()
    assert dict(scene.memory.retry_at) == {}


def loses_it(scene: Scene, name: InstanceName) -> None:
    scene.held["docker"][name] = replace(scene.held["docker"][name], is_attached=False)


def test_one_that_loses_it_again_and_again_is_connected_less_and_less_often() -> None:
    scene = Scene()
    _, instance = cut_off(scene)
    heard = reasons(scene.step())
    waits = []
    for _ in range(9):
        mended(scene, instance.name)
        heard += reasons(scene.step())
        loses_it(scene, instance.name)
        made = scene.step()
        assert actions(made, AttachInstance) == []
        before = scene.mono
        scene.until(made)
        waits.append(scene.mono - before)
        made = scene.step()
        assert len(actions(made, AttachInstance)) == 1
        heard += reasons(made)
    assert [round(wait) for wait in waits] == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert heard == ["instance_detached", "instance_attached", "instance_detached"]


def test_one_that_fails_meanwhile_is_tried_again_in_its_own_time() -> None:
    scene = Scene()
    _, instance = cut_off(scene)
    scene.step()
    mended(scene, instance.name)
    scene.step()
    loses_it(scene, instance.name)
    scene.until(scene.step())
    scene.step()
    (operation,) = scene.flying(AttachInstance)
    scene.comes_of(operation, OperationFailed(Failure(FailureClass.OTHER, "no")))
    before = scene.mono
    scene.until(scene.step())
    assert round(scene.mono - before) == 1
    assert len(actions(scene.step(), AttachInstance)) == 1


def test_one_that_stays_for_a_while_begins_anew() -> None:
    scene = Scene()
    _, instance = cut_off(scene)
    for _ in range(3):
        scene.step()
        mended(scene, instance.name)
        scene.step()
        loses_it(scene, instance.name)
        scene.until(scene.step())
    scene.step()
    mended(scene, instance.name)
    before = scene.mono
    scene.until(scene.step())
    assert round(scene.mono - before) == 60
    assert reasons(scene.step()) == ["instance_attached"]
    loses_it(scene, instance.name)
    made = scene.step()
    assert len(actions(made, AttachInstance)) == 1
    assert reasons(made) == ["instance_detached"]


def test_a_new_name_makes_it_no_other() -> None:
    scene = Scene()
    _, instance = cut_off(scene)
    scene.step()
    mended(scene, instance.name)
    scene.step()
    renamed = replace(scene.held["docker"].pop(instance.name), name=type(instance.name)("other"))
    scene.held["docker"][renamed.name] = replace(renamed, is_attached=False)
    made = scene.step()
    assert reasons(made) == ["container_renamed"]
    assert actions(made, AttachInstance) == []
    assert list(scene.memory.put_back) == [renamed.name]


def test_a_single_loss_is_forgotten_without_a_word() -> None:
    scene = Scene()
    _, instance = cut_off(scene)
    scene.step()
    mended(scene, instance.name)
    scene.until(scene.step())
    assert is_empty(scene.step())
    assert scene.memory.put_back == {}


def test_one_that_is_to_go_is_removed_instead() -> None:
    scene = Scene()
    row, _ = cut_off(scene)
    scene.rows[row.id] = replace(row, status=Status.DELETED)
    made = scene.step()
    assert actions(made, AttachInstance) == []
    assert len(actions(made, RemoveInstance)) == 1


def test_a_deletion_does_not_wait_for_the_next_attempt() -> None:
    scene = Scene()
    row, _ = cut_off(scene)
    for _ in range(6):
        scene.step()
        (operation,) = scene.flying(AttachInstance)
        scene.comes_of(operation, OperationFailed(Failure(FailureClass.OTHER, "no")))
        scene.until(scene.step())
    scene.rows[row.id] = replace(scene.now(row), status=Status.DELETED)
    assert len(actions(scene.step(), RemoveInstance)) == 1


def test_one_that_is_being_confirmed_is_connected_afterwards() -> None:
    """One operation on an instance at a time."""
    scene = Scene()
    row = scene.row(Status.CREATING)
    instance = scene.up(row, Phase.SETTLING)
    scene.held["docker"][instance.name] = replace(instance, is_attached=False)
    made = scene.step()
    assert len(made.actions) == 1


def test_one_that_is_gone_meanwhile_is_no_news() -> None:
    scene = Scene()
    _, instance = cut_off(scene)
    scene.step()
    (operation,) = scene.flying(AttachInstance)
    del scene.held["docker"][instance.name]
    scene.comes_of(operation, OperationFailed(Failure(FailureClass.CANCELLED, "gone")))
    assert "instance_detached" not in reasons(scene.step())


def test_what_came_of_it_means_nothing_once_the_instance_is_gone() -> None:
    scene = Scene()
    row, instance = cut_off(scene)
    scene.step()
    (operation,) = scene.flying(AttachInstance)
    scene.comes_of(operation, Attached())
    del scene.ledger[instance.name]
    del scene.held["docker"][instance.name]
    assert "instance_attached" not in reasons(scene.step())
    assert scene.now(row).restart_count == 0
