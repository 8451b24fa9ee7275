"""Where checks stand: read back from an earlier server, fired, acted on, dropped."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ring.core.model.health import CheckState, Health, SavedState
from ring.core.model.ids import DeploymentId, GroupKey, InstanceId, InstanceName
from ring.engine.probing.states import Pair, States
from tests.store.builders import START, ManualClock

WEB = GroupKey("media", "web")
ROW, ONE = DeploymentId("d"), InstanceId("i-1")


def pair(index: int = 0, instance: InstanceId = ONE) -> Pair:
    return Pair(WEB, ROW, instance, InstanceName(f"media_web_{instance}"), index)


@pytest.mark.parametrize(
    ("ago_s", "elapsed_s"), [(0, 0), (7.5, 7.5), (3600, 3600), (-5, 0), (-86400, 0)]
)
def test_green_goes_on_from_when_it_began_but_not_from_the_future(
    ago_s: float, elapsed_s: float
) -> None:
    clock = ManualClock()
    clock.advance(100)
    states = States(clock)
    since = clock.wall() - timedelta(seconds=ago_s)
    states.load(WEB, SavedState(ROW, ONE, 0, "success", 0, since))
    assert states.of(WEB) == {ONE: {0: CheckState("success", 0, 100 - elapsed_s)}}
    before, after = states.take(pair(), "success", counts=True)
    assert before == after


def test_a_green_state_without_a_time_begins_now() -> None:
    clock = ManualClock()
    clock.advance(100)
    states = States(clock)
    states.load(WEB, SavedState(ROW, ONE, 0, "success", 0, None))
    assert states.of(WEB)[ONE][0].ready_since == 100


def test_a_counter_goes_on_where_it_was() -> None:
    states = States(ManualClock())
    states.load(WEB, SavedState(ROW, ONE, 0, "timeout", 2, START))
    assert states.of(WEB) == {ONE: {0: CheckState("timeout", 2)}}
    assert states.take(pair(), "failed", counts=True)[1] == CheckState("failed", 3)


def test_a_state_is_saved_with_the_time_of_day() -> None:
    clock = ManualClock()
    states = States(clock)
    states.take(pair(), "success", counts=True)
    clock.advance(30)
    _, after = states.take(pair(), "success", counts=True)
    assert states.saved(pair(), after) == SavedState(ROW, ONE, 0, "success", 0, START)
    _, after = states.take(pair(), "failed", counts=True)
    assert states.saved(pair(), after) == SavedState(ROW, ONE, 0, "failed", 1, None)


def test_health_goes_on_where_it_was() -> None:
    states = States(ManualClock())
    saved = SavedState(ROW, ONE, 0, "failed", 0, None, Health.HEALTHY, 1)
    states.load(WEB, saved)
    assert states.saved(pair(), states.of(WEB)[ONE][0]) == saved
    states.take(pair(), "failed", counts=False)
    after = states.judge(pair(), 2, is_spared=True)  # it has been healthy
    assert after == CheckState("failed", 0, None, Health.UNHEALTHY, 2)
    assert states.of(WEB) == {ONE: {0: after}}


def test_what_was_handed_out_does_not_change() -> None:
    states = States(ManualClock())
    states.take(pair(), "success", counts=True)
    seen = states.of(WEB)
    states.take(pair(), "failed", counts=True)
    states.take(pair(1), "failed", counts=True)
    assert seen == {ONE: {0: CheckState("success", 0, 0.0)}}


def test_what_fired_stays_in_order_until_it_is_acted_on() -> None:
    states = States(ManualClock())
    for index in (2, 0, 1):
        states.take(pair(index), "failed", counts=True)
        assert states.fire(pair(index), f"number {index}") == CheckState("failed", 0)
    assert [(one.check_index, one.message) for one in states.fired(WEB)] == [
        (2, "number 2"),
        (0, "number 0"),
        (1, "number 1"),
    ]
    first, second, third = states.fired(WEB)
    assert (first.deployment_id, first.instance_id, first.name) == (ROW, ONE, "media_web_i-1")
    states.acted(WEB, (second.id,))
    assert states.fired(WEB) == (first, third)
    states.acted(WEB, (first.id, third.id))
    states.acted(GroupKey("media", "other"), (first.id,))
    assert states.fired(WEB) == ()


def test_one_that_fires_again_is_not_taken_for_the_one_acted_on() -> None:
    states = States(ManualClock())
    states.take(pair(), "failed", counts=True)
    states.fire(pair(), "first")
    (first,) = states.fired(WEB)
    states.fire(pair(), "second")
    (second,) = states.fired(WEB)
    assert second.message == "second"
    states.acted(WEB, (first.id,))
    assert states.fired(WEB) == (second,)


def test_an_instance_that_is_gone_takes_everything_along() -> None:
    states = States(ManualClock())
    other = InstanceId("i-2")
    for one in (ONE, other):
        states.take(pair(instance=one), "failed", counts=True)
        states.fire(pair(instance=one), "no")
    assert states.keep_only(WEB, {other}) == [ONE]
    assert set(states.of(WEB)) == {other}
    assert [one.instance_id for one in states.fired(WEB)] == [other]
    assert states.keep_only(WEB, set()) == [other]
    assert not states.groups()
    assert states.keep_only(WEB, set()) == []
