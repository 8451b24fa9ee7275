"""Jobs on a real engine: run once, judged by their exit, kept for their logs, never run twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.both import ON_ALL
from tests.e2e.polling import holds, wait_until
from tests.e2e.proxy import Fate
from tests.e2e.story import STEADY

if TYPE_CHECKING:
    from tests.e2e.conftest import Tell
    from tests.e2e.proxy import EngineProxy
    from tests.e2e.story import Story

pytestmark = pytest.mark.engine

QUIET_S = 3.0
"""Longer than two ticks: whatever a sweep would do has been done."""


@pytest.fixture
def story(tell: Tell) -> Story:
    return tell(interval_s=1)


CRASHED = "exec sleep 60"
"""Killed from outside: the first process of a container takes no SIGKILL from inside."""


GREEDY = "sleep 1; exec dd if=/dev/zero of=/dev/null bs=64M"
"""The engine begins to watch its memory a moment after the start."""


def job(story: Story, program: str, **fields: object) -> dict[str, object]:
    return story.worker("nightly", kind="job", command=["sh", "-c", program], **fields)


def settle(story: Story, status: str, created: int = 1) -> None:
    """It has this status and stays so, and no other container is ever made."""
    row = story.wait_for(status, "nightly", within_s=30)
    stays(story, status)
    assert story.row("nightly")["id"] == row["id"]
    assert story.created("nightly") == created
    assert story.row("nightly")["instances"] == []


def stays(story: Story, status: str) -> None:
    def is_so() -> bool:
        return story.status("nightly") == status

    holds(is_so, QUIET_S, f"the job is {status}", lambda: story.account("nightly"))


def logs(story: Story, *options: str) -> str:
    shown = story.ring.run("deployment", "logs", f"{story.namespace}/nightly", *options)
    assert (shown.code, shown.err) == (0, ""), shown
    return shown.out


@ON_ALL
def test_a_job_that_ends_well_is_completed_and_keeps_its_logs(story: Story) -> None:
    story.applied(job(story, "echo begin; sleep 2; echo done"))
    running = story.wait_for("running", "nightly")
    assert len(running["instances"]) == 1
    listed = story.ring.read("deployment", "list", "--type", "job", "-n", story.namespace)
    assert [one["name"] for one in listed] == ["nightly"]
    assert story.ring.read("deployment", "list", "--type", "worker", "-n", story.namespace) == []
    followed = logs(story, "--follow")
    assert "begin" in followed
    assert "done" in followed
    settle(story, "completed")
    assert story.row("nightly")["restart_count"] == 0
    assert [one.component for one in story.told("job_completed", "nightly")] == [story.runtime]
    assert "done" in logs(story)
    assert "done" in logs(story, "--follow")
    (kept,) = story.containers("nightly")
    assert kept.state == "exited"
    assert "unchanged" in story.applied(job(story, "echo begin; sleep 2; echo done")).out
    assert story.ring.run("deployment", "delete", f"{story.namespace}/nightly").code == 0
    story.wait_gone("nightly")


@ON_ALL
@pytest.mark.parametrize(
    ("program", "how"),
    [
        ("exit 3", "exited with code 3"),
        ("exec /no/such/program", "exited with code 127: the program cannot be found"),
        (CRASHED, "was ended by SIGKILL (exit code 137)"),
    ],
)
def test_a_job_that_ends_badly_has_failed_and_is_not_run_again(
    story: Story, program: str, how: str
) -> None:
    story.applied(job(story, program))
    if program == CRASHED:
        story.wait_for("running", "nightly")
        (one,) = story.containers("nightly")
        story.crash(one.id)
    settle(story, "failed")
    (failed,) = story.told("job_failed", "nightly")
    assert (failed.level, failed.component) == ("error", story.runtime)
    assert how in failed.message
    (kept,) = story.containers("nightly")
    assert kept.state == "exited"


def test_a_job_that_runs_out_of_memory_says_so(story: Story) -> None:
    story.applied(job(story, GREEDY, resources={"limits": {"memory": "16Mi"}}))
    settle(story, "failed")
    (failed,) = story.told("job_failed", "nightly")
    assert "ran out of memory" in failed.message


@ON_ALL
def test_a_command_that_cannot_be_started_is_tried_five_times(story: Story) -> None:
    story.applied(story.worker("nightly", kind="job", command=["/no/such/binary"]))
    story.wait_for("create_container_error", "nightly")
    story.wait_for("failed", "nightly", within_s=30)
    wait_until(lambda: not story.containers("nightly"), 15, "no container is left")
    assert story.row("nightly")["restart_count"] == 5
    assert len(story.told("instance_creation_failed", "nightly")) == 5
    assert len(story.told("job_failed", "nightly")) == 1
    assert story.told("scale_up", "nightly") == []
    assert story.created("nightly") == 5
    settle(story, "failed", created=5)


@ON_ALL
def test_a_job_that_somebody_stops_is_judged_by_its_code(story: Story) -> None:
    grace = "30s"  # without one Podman kills it at once
    story.applied(
        story.worker("nightly", kind="job", command=list(STEADY), stop_grace_period=grace)
    )
    story.wait_for("running", "nightly")
    (one,) = story.containers("nightly")
    story.docker.stop(one.id)
    settle(story, "completed")


@pytest.mark.parametrize("server", ["up", "down"])
def test_a_job_whose_container_is_removed_is_lost_and_not_run_again(
    story: Story, server: str
) -> None:
    story.applied(job(story, "sleep 60"))
    story.wait_for("running", "nightly")
    (one,) = story.containers("nightly")
    if server == "down":
        story.ring.kill()
    story.docker.remove(one.id)
    if server == "down":
        story.ring.start()
    settle(story, "failed")
    assert story.containers("nightly") == []
    # Whoever looks while the engine is at the removal sees a job that was killed.
    told = story.told("job_instance_lost", "nightly") + story.told("job_failed", "nightly")
    assert len(told) == 1
    if server == "down":
        assert told[0].reason == "job_instance_lost"


@pytest.mark.parametrize(("code", "status"), [(0, "completed"), (3, "failed")])
@pytest.mark.parametrize("ends", ["while it is down", "afterwards"])
def test_a_killed_server_neither_runs_a_job_again_nor_loses_its_end(
    story: Story, ends: str, code: int, status: str
) -> None:
    story.applied(job(story, f"trap 'exit {code}' TERM; while :; do sleep 1; done"))
    story.wait_for("running", "nightly")
    (one,) = story.containers("nightly")
    story.ring.stop() if code else story.ring.kill()
    if ends == "while it is down":
        story.docker.stop(one.id)
        story.ring.start()
    else:
        story.ring.start()
        wait_until(
            lambda: [of["id"] for of in story.row("nightly")["instances"]] == [one.id],
            10,
            "the next server has found it",
        )
        assert story.status("nightly") == "running"
        story.docker.stop(one.id)
    settle(story, status)
    assert story.ids("nightly") == {one.id}
    assert len(story.told("scale_up", "nightly")) == 1


@pytest.mark.parametrize("call", ["create", "start"])
@pytest.mark.parametrize("ends", [("exit 0", "completed"), ("sleep 60", "running")])
@pytest.mark.parametrize("fate", [Fate.MUTE, Fate.CUT_AFTER])
def test_a_start_whose_answer_is_lost_runs_the_job_once(
    proxy: EngineProxy, tell: Tell, call: str, ends: tuple[str, str], fate: Fate
) -> None:
    """The server is killed while it waits, or goes on without an answer."""
    story = tell(docker_host=proxy.host, interval_s=1)
    program, status = ends
    rule = proxy.rule(f"POST /containers/.*{call}", fate, times=1)
    story.applied(job(story, program))
    wait_until(lambda: story.watch.noted(call, "nightly"), 20, f"the engine has done the {call}")
    if fate is Fate.MUTE:
        story.ring.kill()
        proxy.lift(rule)
        story.ring.start()
    story.wait_for(status, "nightly", within_s=30)
    stays(story, status)
    assert story.created("nightly") == 1
    assert len(story.watch.noted("start", "nightly")) == 1


def test_a_job_that_is_applied_anew_waits_until_the_old_one_is_gone(story: Story) -> None:
    stubborn = "trap '' TERM; while :; do sleep 1; done"
    story.applied(job(story, stubborn))
    story.wait_for("running", "nightly")
    story.applied(job(story, "exit 0"))
    wait_until(lambda: len(story.rows("nightly")) == 1, 30, "the old job is gone")
    settle(story, "completed", created=2)
    (gone,) = [one.at for one in story.watch.noted("destroy", "nightly")]
    assert story.watch.noted("create", "nightly")[1].at > gone
    (replaced,) = story.told("force_replace", "nightly")
    assert replaced.message.endswith("job")


def test_sigterm_of_the_server_leaves_a_job_running(story: Story) -> None:
    story.applied(job(story, "sleep 60"))
    story.wait_for("running", "nightly")
    before = story.ids("nightly")
    assert story.ring.stop() == 0
    assert {one.id for one in story.docker.running(story.namespace)} == before
    story.ring.start()
    story.wait_for("running", "nightly")
    assert story.ids("nightly") == before
    assert len(story.told("scale_up", "nightly")) == 1
