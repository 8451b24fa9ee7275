from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ring.core.model import labels
from ring.core.model.health import Health
from ring.core.model.observed import State
from ring.runtimes.containerd import mapping
from ring.runtimes.containerd.api import containers_pb2 as containers
from ring.runtimes.containerd.api import task_pb2 as task_types
from ring.runtimes.containerd.networking.networks import Joined

NAME = "shop_web_0123abcd"


def container(container_id: str = NAME, **changes: str) -> containers.Container:
    written = {
        labels.DEPLOYMENT: "d1",
        labels.SERVER: "s1",
        labels.INSTANCE: NAME,
        labels.IMAGE: "sha256:" + "a" * 64,
        **changes,
    }
    found = containers.Container(id=container_id, labels=written)
    found.created_at.FromDatetime(datetime(2026, 1, 2, tzinfo=UTC))
    return found


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (task_types.CREATED, State.CREATED),
        (task_types.RUNNING, State.RUNNING),
        (task_types.PAUSED, State.PAUSED),
        (task_types.PAUSING, State.PAUSED),
        (task_types.STOPPED, State.EXITED),
        (task_types.UNKNOWN, State.UNKNOWN),
    ],
)
def test_a_task_says_what_state_it_is_in(status: task_types.Status, state: State) -> None:
    task = task_types.Process(id=NAME, status=status)
    seen = mapping.instance(container(), task, None, was_started=True)
    assert seen.state is state
    assert (seen.id, seen.name, seen.deployment_id, seen.server_id) == (NAME, NAME, "d1", "s1")
    assert seen.image_digest == "sha256:" + "a" * 64
    assert seen.created_at == datetime(2026, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ({}, None),
        ({labels.HEALTH: "starting"}, Health.STARTING),
        ({labels.HEALTH: "unhealthy"}, Health.UNHEALTHY),
        ({labels.HEALTH: "fine"}, None),
    ],
)
def test_a_label_says_what_it_shows_of_its_health(
    written: dict[str, str], shown: Health | None
) -> None:
    seen = mapping.instance(container(**written), None, None, was_started=False)
    assert seen.health is shown


@pytest.mark.parametrize(("was_started", "state"), [(False, State.CREATED), (True, State.EXITED)])
@pytest.mark.parametrize("task", [None, task_types.Process(id=NAME, status=task_types.STOPPED)])
def test_without_a_live_task_it_never_ran_or_has_ended(
    task: task_types.Process | None, *, was_started: bool, state: State
) -> None:
    assert mapping.instance(container(), task, None, was_started=was_started).state is state


def test_it_has_an_address_while_it_is_on_its_network() -> None:
    on = Joined("ring_shop", ("10.46.0.2", "fd00::2"), is_attached=True)
    off = Joined("ring_shop", ("10.46.0.2",), is_attached=False)
    task = task_types.Process(id=NAME, status=task_types.RUNNING)
    seen = [mapping.instance(container(), task, one, was_started=True) for one in (on, off, None)]
    assert [(one.address, one.is_attached) for one in seen] == [
        ("10.46.0.2", True),
        (None, False),
        (None, True),
    ]


@pytest.mark.parametrize("status", [task_types.CREATED, task_types.STOPPED])
def test_what_does_not_run_misses_no_network_while_it_joins_or_leaves(
    status: task_types.Status,
) -> None:
    task = task_types.Process(id=NAME, status=status)
    half = Joined("ring_shop", ("10.46.0.2",), is_attached=False)
    one = container(**{labels.NETWORK: "ring_shop"})
    assert mapping.instance(one, task, half, was_started=True).is_attached


def test_a_copy_goes_by_its_own_id() -> None:
    seen = mapping.instance(container("somebodys"), None, None, was_started=True)
    assert (seen.name, seen.made_as, seen.has_other_name) == ("somebodys", NAME, True)


def test_a_name_that_did_not_fit_is_told_whole() -> None:
    long = f"{'n' * 63}_{'d' * 63}_0123abcd"
    cut = f"{'n' * 33}_{'d' * 33}_0123abcd"
    seen = mapping.instance(
        container(cut, **{labels.INSTANCE: long}), None, None, was_started=False
    )
    assert (seen.id, seen.name, seen.has_other_name) == (cut, long, False)


def test_how_it_ended() -> None:
    task = task_types.Process(id=NAME, status=task_types.STOPPED, exit_status=137)
    task.exited_at.FromDatetime(datetime(2026, 1, 3, tzinfo=UTC))
    end = mapping.end(task, ran_out=True)
    assert (end.code, end.finished_at, end.oom) == (137, datetime(2026, 1, 3, tzinfo=UTC), True)
    lost = mapping.end(None, ran_out=False)
    assert (lost.code, lost.finished_at) == (None, None)


@pytest.mark.parametrize(
    ("network", "status", "is_attached"),
    [
        ("ring_shop", task_types.RUNNING, False),
        ("ring_shop", task_types.STOPPED, True),
        ("host", task_types.RUNNING, True),
    ],
)
def test_what_runs_and_is_on_no_network_is_told(
    network: str, status: task_types.Status, *, is_attached: bool
) -> None:
    task = task_types.Process(id=NAME, status=status)
    one = container(**{labels.NETWORK: network})
    assert mapping.instance(one, task, None, was_started=True).is_attached is is_attached
