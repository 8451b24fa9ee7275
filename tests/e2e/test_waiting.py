"""Whoever waits for a change learns how it ends, whatever happens to the server meanwhile."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.e2e.polling import wait_until
from tests.e2e.story import WEB, probe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.ring import Ring
    from tests.e2e.story import Story

pytestmark = pytest.mark.engine

SLOWLY = ("sh", "-c", "sleep 8; exit 0")


class Waiter:
    """A `ring deployment wait` that runs beside the test."""

    def __init__(self, ring: Ring, *words: str) -> None:
        self._process = ring.spawn_command("deployment", "wait", *words)
        self._said = ""

    def says(self, text: str) -> bool:
        assert self._process.stdout is not None
        while text not in self._said:
            line = self._process.stdout.readline()
            if not line:
                return False
            self._said += line
        return True

    def interrupt(self) -> None:
        self._process.send_signal(signal.SIGINT)

    def end(self) -> tuple[int, str, str]:
        out, err = self._process.communicate(timeout=60)
        return self._process.returncode, self._said + out, err

    def leave(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()


@pytest.fixture
def waiter(story: Story) -> Iterator[Waiter]:
    """Waits for a job that takes its time."""
    story.applied(story.worker(kind="job", command=SLOWLY))
    made = Waiter(story.ring, f"{story.namespace}/web")
    yield made
    made.leave()


def test_an_apply_that_gets_ready(story: Story) -> None:
    def site(version: str) -> dict[str, object]:
        checks, environment = [probe()], {"VERSION": version}
        return story.worker(
            command=list(WEB), replicas=2, health_checks=checks, environment=environment
        )

    answer = story.applied(site("1"), flags=("--wait", "--timeout", "40s"))
    assert answer.out.endswith(f"Deployment '{story.namespace}/web' ready, 2/2\n")
    assert len(story.wait_whole(2, within_s=0.1)) == 2
    first = story.row()["id"]
    rolled = story.applied(site("2"), flags=("--wait", "--timeout", "40s"))
    assert f"rolling update of {first}\n" in rolled.out
    assert rolled.out.endswith("ready, 2/2\n")
    assert (
        {one["id"] for one in story.rows() if one["status"] != "deleted"}
        == {story.row()["id"]}
        != {first}
    )


def test_an_apply_that_fails_shows_why(story: Story) -> None:
    story.applied(story.worker(), flags=("--wait", "--timeout", "40s"))
    broken = story.worker(command=["/no/such/binary"])
    answer = story.apply(broken, flags=("--wait", "--timeout", "40s"))
    assert answer.code == 1
    assert f"error: Deployment '{story.namespace}/web' failed: " in answer.err
    assert "  error  " in answer.err
    why = story.ring.run("deployment", "why", f"{story.namespace}/web")
    assert "State     : failed\n" in why.out


def test_what_somebody_must_supply_is_waited_for_until_time_is_up(story: Story) -> None:
    lacking = story.worker(environment={"A": {"secretRef": "absent"}})
    answer = story.apply(lacking, flags=("--wait", "--timeout", "2s"))
    assert answer.code == 124
    assert "not there after 2 s: waiting, 0/1 ready" in answer.err
    story.secret("absent", "x")
    waited = story.ring.run("deployment", "wait", f"{story.namespace}/web", "--timeout", "40s")
    assert (waited.code, waited.err) == (0, "")


def test_a_server_that_is_killed_and_started_again(story: Story, waiter: Waiter) -> None:
    assert waiter.says("progressing")
    story.ring.kill()
    story.ring.start()
    code, out, err = waiter.end()
    assert code == 0
    assert out.endswith(f"Deployment '{story.namespace}/web' completed\n")
    assert len(err.splitlines()) <= 1


def test_an_interruption_leaves_the_deployment_alone(story: Story, waiter: Waiter) -> None:
    assert waiter.says("progressing")
    waiter.interrupt()
    code, _, err = waiter.end()
    assert code == 130
    assert err == "Interrupted: what was asked for goes on without this command\n"
    wait_until(lambda: story.status() == "completed", 30, "the job completes")


def test_a_deletion_is_waited_for(story: Story) -> None:
    story.applied(story.worker(replicas=2), flags=("--wait",))
    row = story.row()["id"]
    assert story.ring.run("deployment", "delete", row).code == 0
    waited = story.ring.run("deployment", "wait", row, "--for", "deleted", "--timeout", "40s")
    assert (waited.code, waited.err) == (0, "")
    assert story.containers() == []
    again = story.ring.run("deployment", "wait", f"{story.namespace}/web", "--for", "deleted")
    assert (again.code, again.err) == (0, "")
