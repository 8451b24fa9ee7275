"""An engine that goes away, comes back, or tells nonsense: nothing is lost, nothing is doubled."""

from __future__ import annotations

import json
import uuid
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.polling import wait_until
from tests.e2e.proxy import Answer, EngineProxy, Fate
from tests.e2e.story import STEADY

if TYPE_CHECKING:
    from tests.e2e.conftest import Tell
    from tests.e2e.engine import OwnEngine
    from tests.e2e.story import Story

pytestmark = pytest.mark.engine

WORKERS = {"api": 2, "db": 1, "web": 3}
FAILS_WHEN_STOPPED = ("sh", "-c", "trap 'exit 143' TERM; while :; do sleep 3600 & wait; done")
"""As programs do that know nothing of signals."""
EVENTS = "GET /events"
LIST = "GET /containers/json"
CREATE = "POST /containers/create"
START = "POST /containers/[0-9a-f]{64}/start"
INSPECT = "GET /containers/[0-9a-f]{64}/json"
CHANGES = ("POST /containers/", "DELETE /containers/", "POST /networks/", "DELETE /networks/")


def _apply_all(story: Story) -> dict[str, set[str]]:
    """Several workers, running; the ids of their containers."""
    commands = {"db": FAILS_WHEN_STOPPED}
    story.applied(
        *(
            story.worker(name, replicas=count, command=commands.get(name, STEADY))
            for name, count in WORKERS.items()
        )
    )
    return {name: {one.id for one in story.wait_whole(n, name)} for name, n in WORKERS.items()}


def _wait_told_away(story: Story, name: str = "web", within_s: float = 20.0) -> None:
    wait_until(
        lambda: story.told("runtime_unavailable", name),
        within_s,
        f"{name} is told that the engine is away",
        lambda: story.account(name),
    )


def _expect_one_outage(story: Story, name: str) -> None:
    (told,) = story.told("runtime_unavailable", name)
    assert told.level == "warning"
    assert "does not answer: nothing is changed until it does" in told.message
    assert story.repeated(name) == []


def _asked(proxy: EngineProxy, call: str) -> int:
    return sum(f"{one}".startswith(call) for one in list(proxy.calls))


def _is_asked(proxy: EngineProxy, call: str, times: int) -> bool:
    return _asked(proxy, call) == times


def _wait_told_started(story: Story, name: str, times: int) -> None:
    """A start is told once it is answered, and what it started may be seen before."""
    wait_until(
        lambda: len(story.told("scale_up", name)) == times,
        10,
        f"{times} starts of {name} are told",
        lambda: story.told("scale_up", name),
    )


@pytest.mark.parametrize("act", ["stop", "kill"])
def test_an_engine_that_ends_and_comes_back_costs_nothing(
    own_story: Story, own_engine: OwnEngine, act: str
) -> None:
    story = own_story
    before = _apply_all(story)
    if act == "stop":
        own_engine.stop()
    else:
        own_engine.kill()
    for name in WORKERS:
        _wait_told_away(story, name)
        assert story.status(name) == "running"
    own_engine.start()
    for name, count in WORKERS.items():
        after = {one.id for one in story.wait_whole(count, name, within_s=40)}
        assert not after & before[name], "an engine that ends ends its containers"
        assert story.row(name)["restart_count"] == 0

        (recovered,) = story.told("instances_recovered", name)
        assert f"{count} ended while Ring was not watching" in recovered.message
        _expect_one_outage(story, name)
        for reason in ("container_crashed", "container_completed", "container_stopped_externally"):
            assert story.told(reason, name) == []
        _wait_told_started(story, name, 2 * count)
    assert len(story.containers()) == sum(WORKERS.values())


def test_an_engine_that_is_replaced_behind_its_socket_costs_nothing(
    own_engine: OwnEngine, tell: Tell, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """As a service manager does that holds the socket: calls wait for the new process, none fails.

    The new one knows nothing of the ends that the old one brought about.
    """
    path = tmp_path_factory.getbasetemp() / f"{uuid.uuid4().hex[:8]}.sock"
    engine = Path(own_engine.docker.host.removeprefix("unix://"))
    with closing(EngineProxy(engine, path)) as held:
        story = tell(docker=own_engine.docker, docker_host=held.host)
        before = _apply_all(story)
        waiting = held.rule("", Fate.LATE)
        held.cut("")
        own_engine.stop()
        own_engine.start()
        held.lift(waiting)
        for name, count in WORKERS.items():
            after = {one.id for one in story.wait_whole(count, name, within_s=40)}
            assert not after & before[name]
            assert story.row(name)["restart_count"] == 0
            for reason in ("container_crashed", "container_completed"):
                assert story.told(reason, name) == []
        assert len(story.containers()) == sum(WORKERS.values())
        story.ring.kill()


def test_what_is_asked_for_while_the_engine_is_away_is_done_when_it_is_back(
    own_story: Story, own_engine: OwnEngine
) -> None:
    story = own_story
    _apply_all(story)
    own_engine.kill()
    _wait_told_away(story)
    story.applied(story.worker("late", replicas=2), story.worker("web", replicas=4))
    assert story.ring.run("deployment", "delete", f"{story.namespace}/api").code == 0
    story.applied(story.worker("db", environment={"NEW": "1"}))
    assert story.status("late") == "creating"
    assert [row["status"] for row in story.rows("api")] == ["deleted"]

    own_engine.start()
    for name, count in {"late": 2, "db": 1, "web": 4}.items():
        story.wait_whole(count, name, within_s=40)
        assert story.row(name)["restart_count"] == 0
        assert story.repeated(name) == []
    story.wait_gone("api")
    assert len(story.containers()) == 7
    assert [one.deployment_id for one in story.containers("db")] == [story.row("db")["id"]]


def test_an_engine_that_freezes_loses_nothing(own_engine: OwnEngine, tell: Tell) -> None:
    """It is noticed by the listing, which has 20 seconds."""
    story = tell(docker=own_engine.docker, interval_s=1)
    before = _apply_all(story)
    with own_engine.frozen():
        story.applied(story.worker("late"))
        assert story.ring.run("deployment", "delete", f"{story.namespace}/api").code == 0
        _wait_told_away(story, within_s=25)
        assert {name: story.status(name) for name in ("db", "web")} == {
            "db": "running",
            "web": "running",
        }
    story.wait_whole(1, "late", within_s=40)
    story.wait_gone("api", within_s=40)
    for name in ("db", "web"):
        assert {one.id for one in story.wait_whole(WORKERS[name], name)} == before[name]
        assert story.row(name)["restart_count"] == 0
        assert story.told("instances_recovered", name) == []
        _expect_one_outage(story, name)
    assert story.row("late")["restart_count"] == 0
    assert len(story.containers()) == 5


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Answer(500, b'{"message": "out of order"}'), id="500"),
        pytest.param(Answer(200, b"null", "text/html"), id="null"),
        pytest.param(Answer(200, b"[]", missing=1000), id="cut"),
    ],
)
def test_a_list_that_cannot_be_read_is_no_empty_list(
    proxy: EngineProxy, tell: Tell, answer: Answer
) -> None:
    story = tell(docker_host=proxy.host, interval_s=1)
    story.applied(story.worker(replicas=2))
    before = {one.id for one in story.wait_whole(2)}
    rule = proxy.rule(LIST, answer)
    first = len(proxy.calls)
    _wait_told_away(story)
    wait_until(lambda: len(rule.met) >= 2, 15, "the list was asked for again")
    assert story.status() == "running"
    assert [call for call in proxy.calls[first:] if f"{call}".startswith(CHANGES)] == []

    proxy.lift(rule)
    story.crash(min(before))
    wait_until(lambda: story.created() == 3, 20, "the dead one is replaced", story.account)
    story.wait_whole(2)
    assert max(before) in story.ids()
    _expect_one_outage(story, "web")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (CREATE, "create is out of order"),
        (START, "start is out of order"),
        (INSPECT, "inspect is out of order"),
    ],
)
def test_an_engine_that_fails_twice_is_asked_a_third_time(
    proxy: EngineProxy, tell: Tell, call: str, message: str
) -> None:
    story = tell(docker_host=proxy.host)
    said = Answer(500, json.dumps({"message": message}).encode())
    rule = proxy.rule(call, said, times=2)
    story.applied(story.worker())
    story.wait_whole(1)
    row = story.row()
    assert (len(rule.met), row["restart_count"]) == (2, 2)
    failures = [one for one in story.events() if one.level == "error"]
    assert len(failures) == 2
    assert all(message in one.message for one in failures)
    assert story.created() == (1 if call == CREATE else 3)
    assert len(story.told("scale_up")) == 1


@pytest.mark.parametrize(
    ("call", "fate"),
    [
        pytest.param(CREATE, Fate.CUT, id="create-cut"),
        pytest.param(CREATE, Fate.CUT_AFTER, id="create-done-and-cut"),
        pytest.param(START, Fate.CUT_AFTER, id="start-done-and-cut"),
        pytest.param(INSPECT, Answer(200, b"<html>hello</html>"), id="inspect-html"),
    ],
)
def test_a_start_that_is_not_answered_costs_nothing_and_leaves_nothing(
    proxy: EngineProxy, tell: Tell, call: str, fate: Fate | Answer
) -> None:
    """Nobody can know what the engine did: whatever it made is removed, and made anew.

    Once is not told: the engine answers its listings, and a second later the attempt succeeds.
    """
    story = tell(docker_host=proxy.host)
    rule = proxy.rule(call, fate, times=1)
    story.applied(story.worker())
    story.wait_whole(1)
    assert len(rule.met) == 1
    assert story.row()["restart_count"] == 0
    assert [event for event in story.events() if event.level == "error"] == []
    assert story.told("runtime_unavailable") == []
    assert len(story.told("scale_up")) == 1
    assert story.created() <= 2
    assert len(story.watch.noted("destroy")) == story.created() - 1


def test_a_death_while_the_event_stream_is_cut_is_counted_once(
    proxy: EngineProxy, tell: Tell
) -> None:
    """The engine is told how far it had been heard, and repeats the rest: that comes first.

    A listing that came before it would say that the death was missed, which counts for nothing.
    """
    story = tell(docker_host=proxy.host, interval_s=1)
    story.applied(story.worker(replicas=2))
    before = {one.id for one in story.wait_whole(2)}
    wait_until(lambda: _asked(proxy, LIST) >= 8, 20, "the connection has lived for a while")
    stream, listing = proxy.rule(EVENTS, Fate.LATE), proxy.rule(LIST, Fate.LATE)
    assert proxy.cut(EVENTS) == 1
    wait_until(lambda: stream.met and listing.met, 10, "it connects again")
    story.crash(min(before))
    wait_until(lambda: story.watch.noted("die"), 10, "the engine knows of the death")
    proxy.lift(stream)
    wait_until(lambda: story.told("container_died"), 10, "it is repeated")
    proxy.lift(listing)
    wait_until(lambda: story.created() == 3, 10, "the dead one is replaced", story.account)
    story.wait_whole(2)
    (again,) = stream.met
    assert "since=" in again.path
    assert len(story.told("container_crashed")) == 1
    assert len(story.told("container_died")) == 1
    assert story.row()["restart_count"] == 1
    assert story.repeated() == []
    assert max(before) in story.ids()


def test_an_event_stream_that_is_cut_again_and_again_is_told_once(
    proxy: EngineProxy, tell: Tell
) -> None:
    story = tell(docker_host=proxy.host)
    story.applied(story.worker(replicas=2))
    before = {one.id for one in story.wait_whole(2)}
    for times in (1, 2, 3):
        wait_until(partial(_is_asked, proxy, EVENTS, times), 15, f"connected {times} times")
        wait_until(lambda: proxy.cut(EVENTS), 5, "the stream is cut")
    wait_until(lambda: _asked(proxy, EVENTS) == 4, 15, "it connects for the fourth time")
    assert story.status() == "running"
    assert story.ids() == before
    story.applied(story.worker(replicas=3))
    story.wait_whole(3)
    story.crash(min(before))
    wait_until(lambda: story.created() == 4, 10, "the dead one is replaced", story.account)
    story.wait_whole(3)
    assert story.row()["restart_count"] == 1
    assert len(story.told("container_crashed")) == 1
    assert story.told("instances_recovered") == []
    _expect_one_outage(story, "web")


def test_events_that_cannot_be_read_change_nothing(proxy: EngineProxy, tell: Tell) -> None:
    story = tell(docker_host=proxy.host)
    story.applied(story.worker(replicas=2))
    before = {one.id for one in story.wait_whole(2)}
    lines = [
        b"\xff\xfe\x00",
        b"<html>hello</html>",
        b"null",
        b"[]",
        b'{"Type": "container", "Action": "die"}',
        json.dumps({"Action": "die", "Actor": {"ID": min(before), "Attributes": {}}}).encode(),
        b'{"Action": "destroy", "Actor": {"ID": 7, "Attributes": null}, "timeNano": 1}',
    ]
    garbage = proxy.rule(EVENTS, Answer(200, b"\n".join(lines)), times=1)
    first = len(proxy.calls)
    proxy.cut(EVENTS)
    wait_until(lambda: _asked(proxy, EVENTS) == 3, 15, "it connects again after the garbage")
    assert len(garbage.met) == 1
    assert [call for call in proxy.calls[first:] if f"{call}".startswith(CHANGES)] == []
    assert story.status() == "running"
    assert story.ids() == before
    story.crash(min(before))
    wait_until(lambda: story.created() == 3, 10, "the dead one is replaced", story.account)
    story.wait_whole(2)
    assert story.row()["restart_count"] == 1
    assert len(story.told("container_crashed")) == 1
