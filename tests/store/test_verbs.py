"""Restart, scale, stop, start and roll back, each on the rows as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ring.core.errors import Conflict, Invalid, NotFound
from ring.core.model.ids import DeploymentId
from ring.core.model.revision import Cause
from ring.core.model.status import Status
from ring.core.plan.view import Plan
from ring.store.verbs import Ask
from tests.core.bodies import CAPABILITIES
from tests.store.builders import (
    MIRA,
    WEB,
    accepted,
    audit,
    changed,
    contents,
    current,
    done,
    reasons,
    spec,
    sql,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from ring.core.model.deployment import Deployment
    from ring.store.store import Store

CHECK = {"type": "tcp", "port": 80, "interval": "5s", "timeout": "1s", "on_failure": "alert"}
ROLLING: dict[str, Any] = {"health_checks": [CHECK]}
JOB: dict[str, Any] = {"kind": "job"}
SECRET = "hunter2-canary"


def ask(row: Deployment | str, reason: str | None = None, *, runtimes: str = "docker") -> Ask:
    row_id = DeploymentId(row) if isinstance(row, str) else row.id
    capabilities = {name: CAPABILITIES[name] for name in runtimes.split()}
    return Ask(row_id, MIRA, "mira", reason, capabilities)


def put(store: Store, row: Deployment, **fields: Any) -> Deployment:
    assert done(store.commit(changed(current(store, row), **fields)))
    return current(store, row)


def running(store: Store, row: Deployment) -> Deployment:
    return put(store, row, status=Status.RUNNING, was_running=True)


def told(store: Store, row: Deployment, reason: str) -> list[str]:
    found = store.events(row.id, level=None, limit=100)
    return [event.message for event in found if event.reason == reason]


def actions(store: Store) -> list[object]:
    return [entry[0] for entry in audit(store) if entry[1] == "deployment"]


def rollout(store: Store, **child: Any) -> tuple[Deployment, Deployment]:
    """A running parent and the child that is replacing it."""
    parent = running(store, accepted(store, **ROLLING))
    made = accepted(store, image="nginx:2", **ROLLING, **child)
    assert made.parent_id == parent.id
    return current(store, parent), made


VERBS: dict[str, Callable[[Store, Ask], Any]] = {
    "restart": lambda store, asked: store.restart(asked),
    "scale": lambda store, asked: store.scale(asked, 4),
    "stop": lambda store, asked: store.stop(asked),
    "start": lambda store, asked: store.start(asked),
    "rollback": lambda store, asked: store.roll_back(asked, None),
}


@pytest.mark.parametrize("verb", VERBS)
def test_nothing_is_done_with_what_is_not_there(store: Store, verb: str) -> None:
    accepted(store)
    before = contents(store)
    with pytest.raises(NotFound, match="Deployment not found"):
        done(VERBS[verb](store, ask("nonsense")))
    assert contents(store) == before


@pytest.mark.parametrize("verb", VERBS)
def test_nothing_is_done_with_a_row_on_its_way_out(store: Store, verb: str) -> None:
    first = accepted(store)
    second = accepted(store, image="nginx:2")
    before = contents(store), audit(store)
    with pytest.raises(Conflict, match=f"is being deleted; {second.id} has taken its place"):
        done(VERBS[verb](store, ask(first)))
    done(store.delete(second.id, MIRA))
    with pytest.raises(Conflict, match=r"is being deleted$"):
        done(VERBS[verb](store, ask(second)))
    assert before[1] == audit(store)[:-1]


def test_a_restart_is_a_new_row_of_the_same_spec(store: Store) -> None:
    login = {"username": "mira", "password": SECRET}
    row = running(store, accepted(store, replicas=2, config=login))
    result = done(store.restart(ask(row, "it leaks")))

    made = result.deployment
    assert result.change == "created"
    assert (made.spec, made.status, made.cause) == (row.spec, Status.CREATING, Cause.RESTART)
    assert (made.revision, made.author, store.password(made)) == (2, MIRA.user_id, SECRET)
    assert current(store, row).is_deleted
    assert told(store, made, "restarted") == ["Restarted by mira: it leaks"]
    assert set(reasons(store, made)) == {"restarted", "force_replace", "deployment_created"}
    assert actions(store) == ["create", "restart"]


def test_a_restart_rolls_where_an_apply_would(store: Store) -> None:
    row = running(store, accepted(store, **ROLLING))
    made = done(store.restart(ask(row))).deployment
    assert made.parent_id == row.id
    assert not current(store, row).is_deleted
    assert told(store, made, "restarted") == ["Restarted by mira"]


def test_a_job_runs_again(store: Store) -> None:
    row = put(store, accepted(store, **JOB), status=Status.COMPLETED)
    assert done(store.restart(ask(row))).deployment.spec == row.spec


@pytest.mark.parametrize("verb", ["restart", "scale"])
def test_a_row_that_is_being_replaced_is_not_the_one_to_act_on(store: Store, verb: str) -> None:
    parent, child = rollout(store)
    with pytest.raises(Conflict, match=f"replacing this row by {child.id}"):
        done(VERBS[verb](store, ask(parent)))
    put(store, child, status=Status.FAILED, halt_reason="never ready")
    assert done(VERBS[verb](store, ask(parent))).deployment.parent_id == parent.id
    assert current(store, child).is_deleted


@pytest.mark.parametrize("verb", ["restart", "scale"])
def test_what_damage_has_left_of_a_spec_is_not_made_anew(store: Store, verb: str) -> None:
    row = running(store, accepted(store, environment={"MODE": "safe"}))
    sql(store, "UPDATE deployment SET spec = '{'")
    with pytest.raises(Conflict, match="cannot be read; apply the manifest again"):
        done(VERBS[verb](store.reopen(), ask(row)))
    assert sql(store, "SELECT count(*) AS n FROM deployment")[0]["n"] == 1


@pytest.mark.parametrize("verb", ["restart", "rollback"])
def test_what_runs_is_not_given_up_for_what_cannot_run(store: Store, verb: str) -> None:
    running(store, accepted(store))
    row = running(store, accepted(store, image="nginx:2"))
    with pytest.raises(Conflict, match="the docker runtime is not enabled on this server"):
        done(VERBS[verb](store, ask(row, runtimes="podman")))
    assert current(store, row) == row


def test_a_healthy_row_is_scaled_in_place(store: Store) -> None:
    row = put(store, running(store, accepted(store)), retired_count=1)
    result = done(store.scale(ask(row, "the sale"), 4))

    scaled = result.deployment
    assert (result.change, result.scaled_from, result.scaled_to) == ("scaled", 1, 4)
    assert (scaled.id, scaled.spec.replicas, scaled.revision) == (row.id, 4, 2)
    assert scaled.retired_count == 0
    assert told(store, row, "scaled") == ["Scaled from 1 to 4 replicas by mira: the sale"]
    assert actions(store) == ["create", "scale"]


PUBLISHING: dict[str, Any] = {"ports": [{"published": 8080, "target": 80}]}


@pytest.mark.parametrize("status", [Status.RUNNING, Status.CRASH_LOOP_BACK_OFF])
def test_a_count_that_an_apply_may_not_have_is_refused(store: Store, status: Status) -> None:
    row = put(store, accepted(store, **PUBLISHING), status=status)
    before = contents(store), audit(store)
    with pytest.raises(Invalid, match="replicas: must be at most 1 when ports are published") as e:
        done(store.scale(ask(row), 2))
    assert [each.path for each in e.value.violations] == ["ports", "replicas"]
    assert (contents(store), audit(store)) == before


def test_fewer_are_taken_whatever_the_rules_have_become(store: Store) -> None:
    row = running(store, accepted(store, **PUBLISHING, replicas=3))
    assert done(store.scale(ask(row), 2)).deployment.spec.replicas == 2


def test_a_spec_that_the_rules_refuse_by_now_is_not_made_anew(store: Store) -> None:
    old = running(store, accepted(store, **PUBLISHING, replicas=3))
    before = contents(store), audit(store)
    with pytest.raises(Invalid, match="when ports are published"):
        done(store.restart(ask(old)))
    assert (contents(store), audit(store)) == before

    row = running(store, accepted(store, image="nginx:2"))
    before = contents(store), audit(store)
    for to in (None, 1):
        with pytest.raises(Invalid, match="when ports are published"):
            done(store.roll_back(ask(row), to))
    assert (contents(store), audit(store)) == before


@pytest.mark.parametrize("status", [Status.RUNNING, Status.CRASH_LOOP_BACK_OFF, Status.FAILED])
def test_the_same_count_is_no_change(store: Store, status: Status) -> None:
    row = put(store, accepted(store), status=status)
    before = contents(store), audit(store)
    assert done(store.scale(ask(row), 1)).change == "unchanged"
    assert (contents(store), audit(store)) == before


def test_a_row_that_is_not_healthy_is_scaled_as_a_new_one(store: Store) -> None:
    row = put(store, accepted(store), status=Status.CRASH_LOOP_BACK_OFF)
    result = done(store.scale(ask(row), 4))
    made = result.deployment
    assert (result.change, made.spec.replicas, made.cause) == ("created", 4, Cause.SCALE)
    assert made.id != row.id
    assert told(store, made, "scaled") == ["Scaled from 1 to 4 replicas by mira"]
    assert actions(store) == ["create", "scale"]


def test_a_rollout_in_flight_goes_on_with_another_count(store: Store) -> None:
    parent, child = rollout(store)
    made = done(store.scale(ask(child), 3)).deployment
    assert (made.parent_id, made.spec.image, made.spec.replicas) == (parent.id, "nginx:2", 3)
    assert current(store, child).is_deleted
    assert not current(store, parent).is_deleted


@pytest.mark.parametrize(
    ("members", "message"),
    [
        (JOB, "a job runs once"),
        ({"autoscale": {"min": 1, "max": 3, "target_cpu": 50}}, "autoscale policy"),
    ],
)
def test_what_is_not_scaled_by_hand(store: Store, members: dict[str, Any], message: str) -> None:
    row = accepted(store, **members)
    with pytest.raises(Conflict, match=message):
        done(store.scale(ask(row), 2))


def test_a_stopped_row_keeps_what_it_declares(store: Store) -> None:
    row = put(store, running(store, accepted(store, replicas=3)), retired_count=1)
    result = done(store.stop(ask(row, "over the weekend")))

    stopped = result.deployment
    assert result.change == "switched"
    assert (stopped.id, stopped.status, stopped.stopped) == (row.id, Status.RUNNING, True)
    assert (stopped.target, stopped.spec.replicas, stopped.retired_count) == (0, 3, 0)
    assert told(store, row, "stopped") == ["Stopped by mira: over the weekend"]
    assert actions(store) == ["create", "stop"]
    assert current(store, row) == stopped


def test_stopping_and_starting_are_repeatable(store: Store) -> None:
    row = running(store, accepted(store, replicas=3))
    assert done(store.start(ask(row))).change == "unchanged"
    done(store.stop(ask(row)))
    before = contents(store), audit(store)
    assert done(store.stop(ask(row))).change == "unchanged"
    assert (contents(store), audit(store)) == before

    result = done(store.start(ask(row, "monday")))
    assert (result.change, result.deployment.target) == ("switched", 3)
    assert told(store, row, "started") == ["Started by mira: monday"]
    assert actions(store) == ["create", "stop", "start"]
    assert row.revision == current(store, row).revision


def test_an_autoscaled_one_comes_back_with_what_it_had_reached(store: Store) -> None:
    policy = {"min": 1, "max": 5, "target_cpu": 50}
    row = put(store, running(store, accepted(store, autoscale=policy)), desired_replicas=4)
    assert done(store.stop(ask(row))).deployment.target == 0
    assert done(store.start(ask(row))).deployment.target == 4


def test_both_rows_of_a_rollout_stop_and_start(store: Store) -> None:
    parent, child = rollout(store)
    assert done(store.stop(ask(parent))).deployment.id == parent.id
    assert [row.target for row in store.rows(WEB)] == [0, 0]
    assert told(store, parent, "stopped") == told(store, child, "stopped") == ["Stopped by mira"]
    done(store.start(ask(child)))
    assert [row.stopped for row in store.rows(WEB)] == [False, False]


def test_a_job_is_not_stopped(store: Store) -> None:
    row = accepted(store, **JOB)
    with pytest.raises(Conflict, match="delete it"):
        done(store.stop(ask(row)))


def test_scaling_starts_what_is_stopped(store: Store) -> None:
    row = running(store, accepted(store))
    done(store.stop(ask(row)))
    result = done(store.scale(ask(row), 1))
    assert (result.change, result.scaled_from, result.scaled_to) == ("scaled", 0, 1)
    assert not result.deployment.stopped


def test_a_new_row_is_not_stopped(store: Store) -> None:
    row = running(store, accepted(store, **ROLLING))
    done(store.stop(ask(row)))
    assert not accepted(store, image="nginx:2", **ROLLING).stopped
    assert current(store, row).stopped


def test_it_goes_back_to_the_last_that_was_ready_and_differs(store: Store) -> None:
    login = {"username": "mira", "password": SECRET}
    good = running(store, accepted(store, image="nginx:1", config=login, manifest="old"))
    accepted(store, image="nginx:2")
    running(store, accepted(store, image="nginx:3"))
    row = running(store, accepted(store, image="nginx:3", replicas=2, manifest="new"))

    result = done(store.roll_back(ask(row, "it is slow"), None))

    made = result.deployment
    assert (result.change, made.spec.image, made.revision) == ("created", "nginx:1", 5)
    assert (made.cause, made.spec.manifest) == (Cause.ROLLBACK, "new")
    assert store.password(made) == SECRET
    assert told(store, made, "rolled_back") == ["Rolled back to revision 1 by mira: it is slow"]
    assert actions(store)[-1] == "rollback"
    assert good.id != made.id


def test_it_goes_back_to_the_one_that_is_named(store: Store) -> None:
    accepted(store, image="nginx:1")
    row = accepted(store, image="nginx:2")
    assert done(store.roll_back(ask(row), 1)).deployment.spec.image == "nginx:1"


def test_it_rolls_where_it_can(store: Store) -> None:
    running(store, accepted(store, image="nginx:1", **ROLLING))
    child = accepted(store, image="nginx:2", **ROLLING)
    parent = store.rows(WEB)[0]
    done(store.delete(parent.id, MIRA))
    assert done(store.commit(Plan(purge=(current(store, parent),))))
    row = running(store, put(store, child, parent_id=None))
    assert done(store.roll_back(ask(row), None)).deployment.parent_id == row.id


def test_what_is_not_kept_and_what_is_there_already(store: Store) -> None:
    row = accepted(store)
    with pytest.raises(NotFound, match="revision 7 of 'web' is not kept"):
        done(store.roll_back(ask(row), 7))
    with pytest.raises(Conflict, match="revision 1 is the current one"):
        done(store.roll_back(ask(row), 1))
    with pytest.raises(Conflict, match="there is nothing to go back to"):
        done(store.roll_back(ask(row), None))


@pytest.mark.parametrize("ended", [True, False])
@pytest.mark.parametrize("to", [None, 1])
@pytest.mark.parametrize("named", [0, 1], ids=["parent", "child"])
def test_a_rollout_is_given_up_for_the_row_it_replaces(
    store: Store, named: int, to: int | None, *, ended: bool
) -> None:
    parent, child = rollout(store)
    if ended:
        put(store, child, status=Status.FAILED, halt_reason="never ready")
    result = done(store.roll_back(ask((parent, child)[named]), to))
    assert (result.change, result.deployment.id) == ("switched", parent.id)
    assert current(store, child).is_deleted
    assert not current(store, parent).is_deleted
    assert told(store, parent, "rolled_back") == ["Rolled back to revision 1 by mira"]
    assert sql(store, "SELECT count(*) AS n FROM deployment")[0]["n"] == 2


def test_a_restart_in_flight_is_given_up_too(store: Store) -> None:
    parent = running(store, accepted(store, **ROLLING))
    child = done(store.restart(ask(parent))).deployment
    assert done(store.roll_back(ask(child), None)).deployment.id == parent.id


def test_an_apply_compares_with_what_was_gone_back_to(store: Store) -> None:
    running(store, accepted(store, image="nginx:1"))
    row = accepted(store, image="nginx:2")
    made = done(store.roll_back(ask(row), None)).deployment
    same = done(store.accept(spec(image="nginx:1"), MIRA, if_changed=True))
    assert (same.change, same.deployment.id) == ("unchanged", made.id)
