"""What every plan obeys, whatever the group looks like."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from ring.core.model.ledger import Phase
from ring.core.model.observed import State, Unknown
from ring.core.model.operations import RemoveInstance, StartInstance
from ring.core.model.status import CREATING, FINAL, Status
from ring.core.plan.restart import budget
from ring.core.plan.scaling import PRESENT
from tests.core.plan.builders import Scene, actions, after, is_empty
from tests.properties.scenes import carry_out, live, scenes

LOOP = Status.CRASH_LOOP_BACK_OFF
ROUNDS = 60
EXAMPLES = settings(max_examples=100, deadline=None, derandomize=True)
LONG = settings(max_examples=80, deadline=None, derandomize=True)


@EXAMPLES
@given(scenes())
def test_the_same_view_gives_the_same_plan(scene: Scene) -> None:
    assert scene.plan() == scene.plan()


@EXAMPLES
@given(scenes(), st.booleans())
def test_an_unknown_listing_changes_nothing(scene: Scene, tried: bool) -> None:
    scene.unknown["docker"] = Unknown("connection refused", tried=tried)
    made = scene.plan()
    assert (made.rows, made.purge, made.put_entries, made.drop_entries) == ((), (), (), ())
    assert (made.actions, made.cancel, made.folded) == ((), (), ())
    assert made.refresh == frozenset()
    assert {event.reason for event in made.events} <= {"runtime_unavailable"}
    assert len(made.events) == (len(scene.rows) if tried else 0)


@EXAMPLES
@given(scenes())
def test_actions_are_about_what_is_in_the_view_or_fresh_names(scene: Scene) -> None:
    made = scene.plan()
    known = {*scene.ledger, *scene.held["docker"]}
    fresh = {e.name for e in made.put_entries if e.phase is Phase.CREATING and e.name not in known}
    starts = {one.name for one in actions(made, StartInstance) if not one.resume}
    assert starts == fresh
    assert {one.name for one in made.actions} <= known | fresh


@EXAMPLES
@given(scenes())
def test_there_is_one_action_for_an_instance_and_none_beside_one_in_flight(scene: Scene) -> None:
    made = scene.plan()
    names = [one.name for one in made.actions]
    assert len(names) == len(set(names))
    assert not set(names) & {operation.action.name for operation in scene.operations}


@EXAMPLES
@given(scenes())
def test_no_more_than_the_deficit_is_started(scene: Scene) -> None:
    made = scene.plan()
    scene.commit(made)
    for row in scene.rows.values():
        present = [
            e for e in scene.ledger.values() if e.deployment_id == row.id and e.phase in PRESENT
        ]
        starts = [one for one in actions(made, StartInstance) if one.deployment_id == row.id]
        assert not starts or len(present) <= row.target


@EXAMPLES
@given(scenes())
def test_nothing_is_started_for_a_row_that_creates_nothing_now(scene: Scene) -> None:
    made = scene.plan()
    for row in list(scene.rows.values()):
        final = after(made, row)
        starts = [one for one in actions(made, StartInstance) if one.deployment_id == row.id]
        if starts:
            assert not final.is_deleted
            assert final.halt_reason is None
            assert final.status not in FINAL - {Status.INSUFFICIENT_RESOURCES}
            assert final.status is not LOOP or len(starts) == 1


@EXAMPLES
@given(scenes())
def test_a_spent_budget_shows_in_the_pass_that_spends_it(scene: Scene) -> None:
    made = scene.plan()
    for row in scene.rows.values():
        final = after(made, row)
        if row.is_deleted or row.status in FINAL or final.halt_reason is not None:
            continue
        grown = final.restart_count > row.restart_count
        spent = grown and final.target > 0 and final.restart_count >= budget(final.target)
        assert not spent or final.status is LOOP or final.status in FINAL


@EXAMPLES
@given(scenes())
def test_a_deleted_row_is_only_torn_down(scene: Scene) -> None:
    made = scene.plan()
    deleted = {row.id for row in scene.rows.values() if row.is_deleted}
    assert all(
        isinstance(one, RemoveInstance) for one in made.actions if one.deployment_id in deleted
    )
    assert all(change.before.id not in deleted for change in made.rows)
    assert {e.phase for e in made.put_entries if e.deployment_id in deleted} <= {Phase.STOPPING}


@EXAMPLES
@given(scenes())
def test_a_plan_never_leads_back_to_creating_or_touches_what_the_user_wrote(scene: Scene) -> None:
    for change in scene.plan().rows:
        assert change.before.spec == change.after.spec
        if change.before.was_running and change.before.status not in CREATING:
            assert change.after.status not in CREATING


@EXAMPLES
@given(scenes())
def test_every_outcome_is_taken_in_once(scene: Scene) -> None:
    made = scene.plan()
    assert sorted(made.folded) == sorted(outcome.id for outcome in scene.outcomes)


@LONG
@given(scenes())
def test_a_working_engine_leads_to_an_empty_plan(scene: Scene) -> None:
    for _ in range(ROUNDS):
        made = scene.step()
        if is_empty(made) and not scene.operations:
            if made.wake_at is None:
                break
            scene.until(made)
        for operation in list(scene.operations):
            carry_out(scene, operation)
        scene.wait(0.01)
    else:
        raise AssertionError(f"no end after {ROUNDS} rounds: {scene.step()}")
    unknown = [i for i in scene.held["docker"].values() if i.state is State.UNKNOWN]
    for row in scene.rows.values():
        assert not row.is_deleted
        never = row.status is LOOP and scene.limits.crash_loop_retry_s is None
        if row.halt_reason is None and row.status not in FINAL and not never and not unknown:
            assert row.status is Status.RUNNING
            assert len(live(scene, row)) == row.target
            assert set(scene.ledger) == set(scene.held["docker"])
