"""An engine that takes a call and never answers it: one deployment waits, and no other does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.contract.outside import required
from tests.e2e.polling import wait_until
from tests.e2e.proxy import Fate
from tests.e2e.story import STUBBORN

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.conftest import Tell
    from tests.e2e.proxy import EngineProxy, Rule
    from tests.e2e.story import Story

pytestmark = pytest.mark.engine

APPLY_S = 4
HASTY = {"RING_APPLY_TIMEOUT": f"{APPLY_S}"}
ID = "[0-9a-f]{64}"


@pytest.fixture
def hasty(proxy: EngineProxy, tell: Tell) -> Story:
    """A server behind the proxy that gives a start four seconds."""
    return tell(docker_host=proxy.host, environment=HASTY)


def _wait_met(rule: Rule, times: int = 1) -> None:
    wait_until(lambda: len(rule.met) >= times, 20, f"{times} calls hang")


def _expect_no_delay(story: Story) -> None:
    """Another deployment comes up and goes while a call for the first one hangs."""
    story.applied(story.worker("other"))
    story.wait_whole(1, "other", within_s=15)
    assert story.told("apply_timeout", "other") == []
    assert story.row("other")["restart_count"] == 0
    assert story.ring.run("deployment", "delete", f"{story.namespace}/other").code == 0
    story.wait_gone("other")


def _counted(story: Story) -> int:
    """One failure, or none; it is forgiven once the program has stayed up."""
    count: int = story.row()["restart_count"]
    return count + len(story.told("restart_count_reset"))


def _expect_timeouts(story: Story, failures: int) -> None:
    told = story.told("apply_timeout")
    assert len(told) == failures
    assert all(one.level == "error" for one in told)
    assert all(f"did not come up within {APPLY_S} seconds" in one.message for one in told)
    assert story.repeated() == []


def test_a_create_that_hangs_is_given_up_and_made_once_it_can_be(
    hasty: Story, proxy: EngineProxy
) -> None:
    rule = proxy.rule(rf"POST /containers/create\?name={hasty.namespace}_web_", Fate.HANG)
    hasty.applied(hasty.worker())
    _wait_met(rule)
    _expect_no_delay(hasty)
    wait_until(lambda: hasty.told("apply_timeout"), 15, "it is given up", hasty.account)
    assert hasty.status() == "creating"
    _wait_met(rule, 2)
    proxy.lift(rule)
    hasty.wait_whole(1)
    assert hasty.created() == 1
    _expect_timeouts(hasty, hasty.row()["restart_count"])


@pytest.mark.parametrize(
    ("call", "fate"),
    [
        pytest.param("POST /containers/create", Fate.MUTE, id="create-done"),
        pytest.param(f"POST /containers/{ID}/start", Fate.HANG, id="start"),
        pytest.param(f"POST /containers/{ID}/start", Fate.MUTE, id="start-done"),
        pytest.param(f"GET /containers/{ID}/json", Fate.HANG, id="inspect"),
    ],
)
def test_one_answer_that_does_not_come_costs_one_failure(
    hasty: Story, proxy: EngineProxy, call: str, fate: Fate
) -> None:
    """What the engine made of it is removed, whether it heard of the call or not."""
    rule = proxy.rule(call, fate, times=1)
    hasty.applied(hasty.worker())
    _wait_met(rule)
    hasty.wait_whole(1, within_s=20)
    assert _counted(hasty) == 1
    _expect_timeouts(hasty, 1)
    assert hasty.created() == 2
    assert len(hasty.watch.noted("destroy")) == 1
    assert len(hasty.told("scale_up")) == 1


def test_a_create_that_is_carried_out_late_leaves_no_orphan(
    hasty: Story, proxy: EngineProxy
) -> None:
    """The engine does it when Ring has long looked, found nothing, and made another."""
    late = proxy.rule("POST /containers/create", Fate.LATE, times=1)
    hasty.applied(hasty.worker())
    _wait_met(late)
    (first,) = hasty.wait_whole(1, within_s=20)
    proxy.lift(late)
    wait_until(lambda: hasty.created() == 2, 10, "the engine has made it at last")
    hasty.wait_whole(1, within_s=20)
    assert hasty.ids() == {first.id}
    assert _counted(hasty) == 1
    assert len(hasty.told("scale_up")) == 1
    _expect_timeouts(hasty, 1)


def test_a_network_that_hangs_delays_its_namespace_alone(
    hasty: Story, neighbour_of: Callable[[Story], Story], proxy: EngineProxy
) -> None:
    rule = proxy.rule("POST /networks/create", Fate.HANG, times=1)
    hasty.applied(hasty.worker())
    _wait_met(rule)
    _expect_no_delay(neighbour_of(hasty))
    hasty.wait_whole(1, within_s=20)
    assert _counted(hasty) == 1
    assert hasty.created() == 1
    _expect_timeouts(hasty, 1)


def test_a_pull_that_hangs_delays_its_deployment_alone(hasty: Story, proxy: EngineProxy) -> None:
    registry = required("RING_TEST_REGISTRY", "a registry")
    image = f"{registry}/{hasty.namespace}/app:1"
    hasty.docker.push(hasty.image, image)
    rule = proxy.rule(r"POST /images/create", Fate.HANG)
    hasty.applied(hasty.worker(image=image))
    _wait_met(rule)
    _expect_no_delay(hasty)
    wait_until(lambda: hasty.told("apply_timeout"), 15, "it is given up", hasty.account)
    assert hasty.status() == "creating"
    proxy.lift(rule)
    hasty.wait_whole(1)
    assert hasty.created() == 1
    _expect_timeouts(hasty, hasty.row()["restart_count"])
    assert hasty.told("image_pull_back_off") == []


def test_a_list_that_hangs_changes_nothing(proxy: EngineProxy, tell: Tell) -> None:
    """It has 20 seconds; what is known by events is acted on in the meantime."""
    story = tell(docker_host=proxy.host, interval_s=1)
    story.applied(story.worker(replicas=2))
    before = {one.id for one in story.wait_whole(2)}
    rule = proxy.rule("GET /containers/json", Fate.HANG)
    _wait_met(rule)
    story.crash(min(before))
    wait_until(lambda: story.created() == 3, 10, "the dead one is replaced", story.account)
    assert story.row()["restart_count"] == 1
    healed = {one.id for one in story.wait_whole(2)}
    wait_until(lambda: story.told("runtime_unavailable"), 25, "it is told", story.account)
    assert story.status() == "running"
    assert story.ids() == healed
    story.applied(story.worker(replicas=3))
    proxy.lift(rule)
    story.wait_whole(3, within_s=40)
    assert healed < story.ids()
    assert len(story.told("runtime_unavailable")) == 1
    assert len(story.told("container_crashed")) == 1
    assert story.told("instances_recovered") == []


@pytest.mark.parametrize("call", [f"POST /containers/{ID}/stop", f"DELETE /containers/{ID}"])
def test_a_removal_that_hangs_delays_no_other_and_is_done_in_the_end(
    hasty: Story, proxy: EngineProxy, call: str
) -> None:
    hasty.applied(hasty.worker(replicas=2))
    hasty.wait_whole(2)
    rule = proxy.rule(call, Fate.HANG)
    hasty.applied(hasty.worker(replicas=1))
    _wait_met(rule)
    hasty.applied(hasty.worker("other"))
    hasty.wait_whole(1, "other", within_s=15)
    assert hasty.status() == "running"
    proxy.lift(rule)
    hasty.wait_whole(1)
    wait_until(lambda: hasty.told("scale_down"), 5, "the end of the removal is told")
    assert hasty.row()["restart_count"] == 0
    assert len(hasty.told("scale_down")) == 1
    assert hasty.told("teardown_failed") == []
    assert hasty.created() == 2


def test_a_stop_that_never_answers_is_given_up_told_and_tried_again(
    hasty: Story, proxy: EngineProxy
) -> None:
    """It has its grace and half a minute."""
    hasty.applied(hasty.worker(command=STUBBORN))
    hasty.wait_whole(1)
    rule = proxy.rule(f"POST /containers/{ID}/stop", Fate.HANG, times=1)
    assert hasty.ring.run("deployment", "delete", f"{hasty.namespace}/web").code == 0
    _wait_met(rule)

    def told() -> list[str]:
        _, events = hasty.ring.ask("GET", f"/deployments/{row_id}/events?limit=1000")
        return [one["message"] for one in events if one["reason"] == "teardown_failed"]

    (row,) = hasty.rows()
    row_id = row["id"]
    (message,) = wait_until(told, 50, "the deletion is told to have failed")
    assert "it is tried again" in message
    hasty.wait_gone(within_s=30)
    assert len(hasty.watch.noted("destroy")) == 1


def test_a_death_whose_cause_is_not_told_is_counted_once_it_is(
    hasty: Story, proxy: EngineProxy
) -> None:
    """Nobody knows how it ended before the engine has said so."""
    hasty.applied(hasty.worker())
    (one,) = hasty.wait_whole(1)
    rule = proxy.rule(f"GET /containers/{one.id}/json", Fate.HANG)
    hasty.crash(one.id)
    _wait_met(rule)
    _expect_no_delay(hasty)
    assert hasty.row()["restart_count"] == 0
    assert hasty.created() == 1
    proxy.lift(rule)
    wait_until(lambda: hasty.created() == 2, 15, "it is replaced", hasty.account)
    hasty.wait_whole(1)
    assert _counted(hasty) == 1
    assert len(hasty.told("container_crashed")) == 1
    assert hasty.repeated() == []
