"""What instances wrote last, once they are gone: why a version, a replica or a restart went."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ring.core.model.ids import short_id
from tests.e2e.both import ON_ALL, ON_BOTH
from tests.e2e.polling import wait_until
from tests.e2e.proxy import Answer, Fate
from tests.e2e.story import probe

if TYPE_CHECKING:
    from tests.e2e.conftest import Tell
    from tests.e2e.proxy import EngineProxy
    from tests.e2e.story import Row, Story

pytestmark = pytest.mark.engine

NOISE = (
    "head -c 90000 /dev/urandom | base64 | tr -d '\\n' | fold -w 1000; echo; "
    "echo ${RING_INSTANCE}; exit 1"
)
"""Of the smallest size that may be set it takes more than a third, and less than a half, however
well it is packed."""


REFUSAL = Answer(500, b'{"message":"no"}')

HELD_UP_S = 20.0
"""Two seconds for the words, the rest for an engine that is busy with other tests."""


def talker(story: Story, version: str, **fields: object) -> dict[str, object]:
    """Says which version it is when it begins, and when it is asked to end."""
    program = (
        f"trap 'echo {version}: bye; exit 0' TERM; echo {version}: up; "
        "mkdir /www; httpd -p 80 -h /www; while :; do sleep 3600 & wait; done"
    )
    return story.worker("web", **{"command": ["sh", "-c", program], **fields})


def shown(story: Story, *words: str) -> list[tuple[str, str]]:
    """Instance and message of every line, in the order they are printed."""
    answer = story.ring.run("deployment", "logs", f"{story.namespace}/web", *words)
    assert (answer.code, answer.err) == (0, ""), answer
    if answer.out == "No logs available for this deployment\n":
        return []
    lines = (line.partition("] ")[2].partition(" ") for line in answer.out.splitlines())
    return [(name, message) for name, _, message in lines]


def await_shown(story: Story, count: int) -> list[tuple[str, str]]:
    """An engine may have a line a moment after it was written."""
    wait_until(lambda: len(shown(story)) == count, 10, f"{count} lines", lambda: shown(story))
    return shown(story)


def await_successor(story: Story, row: Row) -> Row:
    def is_over() -> bool:
        rows = story.rows()
        return [one["status"] for one in rows] == ["running"] and rows[0]["id"] != row["id"]

    wait_until(is_over, 40, "the new version stands alone", story.account)
    return story.row()


@ON_ALL
def test_after_a_rolling_update_the_old_version_tells_why_it_went(story: Story) -> None:
    checks = [probe()]
    story.applied(talker(story, "one", health_checks=checks))
    (old,) = story.wait_whole(1)
    before = story.row()
    story.applied(talker(story, "two", health_checks=checks))
    after = await_successor(story, before)
    (new,) = story.wait_whole(1)
    assert story.docker.containers(story.namespace) == [new]

    told = [(old.name, "one: up"), (old.name, "one: bye"), (new.name, "two: up")]
    assert await_shown(story, 3) == told
    assert shown(story, "--tail", "1") == told[1:]
    assert shown(story, "-c", short_id(old.id)) == told[:2]
    assert shown(story, "-c", new.name) == told[2:]
    entries = story.ring.read("deployment", "logs", f"{story.namespace}/web")
    bye, up = entries[1:]
    assert (bye["instance"], bye["stream"]) == (old.name, "stdout")
    assert shown(story, "--since", bye["timestamp"], "-c", old.name) == [told[1]]
    assert bye["timestamp"] >= up["timestamp"][:19]

    status, of_row = story.ring.ask("GET", f"/deployments/{after['id']}/logs?tail=1")
    assert (status, of_row) == (200, [bye, up])
    assert story.ring.ask("GET", f"/deployments/{before['id']}/logs") == (200, [])

    story.ring.kill()
    story.ring.start()
    assert shown(story) == told

    assert story.ring.run("deployment", "delete", f"{story.namespace}/web").code == 0
    story.wait_gone()
    story.applied(talker(story, "three"))
    (third,) = story.wait_whole(1)
    assert await_shown(story, 1) == [(third.name, "three: up")]


@ON_BOTH
def test_what_is_scaled_down_or_restarted_leaves_its_words_while_they_fit(tell: Tell) -> None:
    story = tell(environment={"RING_LOGS_ENDED_INSTANCES": "2"})
    story.applied(talker(story, "one", replicas=2))
    before = story.wait_whole(2)
    assert story.ring.run("deployment", "scale", f"{story.namespace}/web", "1").code == 0
    (left,) = story.wait_whole(1)
    (scaled,) = (one for one in before if one.id != left.id)
    first = [(scaled.name, "one: up"), (scaled.name, "one: bye")]
    assert await_shown(story, 3) == [*first, (left.name, "one: up")]

    restarted = left
    ended = [first]
    for _ in range(2):
        row = story.row()
        assert story.ring.run("deployment", "restart", f"{story.namespace}/web").code == 0
        await_successor(story, row)
        (now,) = story.wait_whole(1)
        ended.append([(restarted.name, "one: up"), (restarted.name, "one: bye")])
        restarted = now
    last = (restarted.name, "one: up")
    assert await_shown(story, 5) == [*ended[1], *ended[2], last]


@ON_BOTH
def test_the_total_size_holds_and_the_last_to_end_is_kept(tell: Tell) -> None:
    settings = {"RING_LOGS_ENDED_SIZE": "256Ki", "RING_CRASH_LOOP_RETRY": "never"}
    story = tell(environment=settings)
    story.applied(story.worker(command=["sh", "-c", NOISE]))
    story.wait_for("crash_loop_back_off", within_s=60)
    wait_until(lambda: not story.containers(), 15, "no container is left")
    entries = story.ring.read("deployment", "logs", f"{story.namespace}/web", "--tail", "1")
    wait_until(lambda: len(story.watch.noted("create")) == 5, 30, "all five creations are told")
    made = [one.instance for one in story.watch.noted("create")]
    assert [entry["message"] for entry in entries] == made[-2:]


@ON_BOTH
def test_turned_off_nothing_is_left_not_even_from_before(tell: Tell) -> None:
    story = tell(environment={"RING_CRASH_LOOP_RETRY": "never"})
    story.applied(story.worker(command=["sh", "-c", "echo last; exit 1"]))
    story.wait_for("crash_loop_back_off", within_s=60)
    assert {message for _, message in shown(story)} == {"last"}
    assert story.ring.stop() == 0
    story.ring.environment["RING_LOGS_ENDED_SIZE"] = "0"
    story.ring.start()
    assert story.ring.run("deployment", "restart", f"{story.namespace}/web").code == 0
    story.wait_for("crash_loop_back_off", within_s=30)
    wait_until(lambda: not story.containers(), 15, "no container is left")
    answer = story.ring.run("deployment", "logs", f"{story.namespace}/web")
    assert answer.out == "No logs available for this deployment\n"


@ON_BOTH
@pytest.mark.parametrize("fate", [Fate.HANG, REFUSAL], ids=["hangs", "refused"])
def test_words_that_cannot_be_had_hold_no_removal_up(
    tell: Tell, proxy: EngineProxy, fate: Fate | Answer
) -> None:
    story = tell(docker_host=proxy.host)
    story.applied(talker(story, "one", replicas=2))
    before = story.wait_whole(2)
    rule = proxy.rule("GET /containers/[0-9a-f]{64}/logs", fate)
    assert story.ring.run("deployment", "scale", f"{story.namespace}/web", "1").code == 0
    (left,) = story.wait_whole(1, within_s=HELD_UP_S)
    (scaled,) = (one for one in before if one.id != left.id)
    assert {call.path.split("/")[2] for call in rule.met} == {scaled.id}
    wait_until(lambda: story.told("scale_down"), HELD_UP_S, "the end of the removal is told")
    lost = f"what instance {scaled.name} wrote last is lost"
    wait_until(lambda: lost in story.ring.log.read_text(), 10, "that is said")
    proxy.lift(rule)
    assert {name for name, _ in await_shown(story, 1)} == {left.name}


@ON_BOTH
def test_a_deployment_that_goes_as_a_whole_is_not_asked_for_its_words(
    tell: Tell, proxy: EngineProxy
) -> None:
    story = tell(docker_host=proxy.host)
    story.applied(talker(story, "one", replicas=2))
    story.wait_whole(2)
    assert story.ring.run("deployment", "delete", f"{story.namespace}/web").code == 0
    story.wait_gone()
    assert len({call.path for call in proxy.calls if call.method == "DELETE"}) == 2
    assert [call for call in proxy.calls if "/logs" in call.path] == []
