"""How instances are asked to end, and for how long they are waited for."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.e2e.both import ON_ALL
from tests.e2e.polling import wait_until
from tests.e2e.story import STUBBORN

if TYPE_CHECKING:
    from tests.e2e.story import Story

pytestmark = pytest.mark.engine

SLACK_S = 8.0
"""What the engine and a busy machine add."""


def delete(story: Story) -> None:
    status, _ = story.ring.ask("DELETE", f"/deployments/{story.row()['id']}")
    assert status == 204


@ON_ALL
def test_what_ignores_the_signal_is_gone_after_ten_seconds(story: Story) -> None:
    story.applied(story.worker(command=STUBBORN))
    story.wait_whole(1)
    begun = time.monotonic()
    delete(story)
    wait_until(lambda: not story.ids(), 10 + SLACK_S, "it is gone")
    assert time.monotonic() - begun >= 9.5


@ON_ALL
def test_a_grace_of_its_own_counts_wherever_it_is_stopped(story: Story) -> None:
    story.applied(story.worker(command=STUBBORN, replicas=2, stop_grace_period="2s"))
    story.wait_whole(2)
    begun = time.monotonic()
    story.applied(story.worker(command=STUBBORN, replicas=1, stop_grace_period="2s"))
    story.wait_whole(1)
    scaled = time.monotonic()
    assert 1.5 <= scaled - begun < 9.5
    delete(story)
    wait_until(lambda: not story.ids(), 9.5, "it is gone")
    assert time.monotonic() - scaled >= 1.5


def test_a_program_is_asked_to_end_by_the_signal_it_wants(story: Story) -> None:
    command = ["sh", "-c", "trap '' TERM; trap 'exit 0' INT; while :; do sleep 0.1; done"]
    worker = story.worker(command=command, stop_signal="SIGINT", stop_grace_period="10m")
    story.applied(worker)
    story.wait_whole(1)
    delete(story)
    wait_until(lambda: not story.ids(), SLACK_S, "it is gone")
