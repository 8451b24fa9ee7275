"""Names and addresses inside a namespace, and none of them outside."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.both import ON_ADAPTERS
from tests.e2e.polling import wait_until
from tests.e2e.story import WEB

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.story import Story

pytestmark = pytest.mark.engine

ASKED_AT_MOST = 60


def test_a_name_reaches_every_replica_and_no_other_namespace(
    own_story: Story, neighbour_of: Callable[[Story], Story]
) -> None:
    """On an engine of its own: while an engine makes a network for somebody else, it takes the
    rule that isolates all of them out for an instant, to put it first again."""
    story, neighbour = own_story, neighbour_of(own_story)
    story.applied(
        story.worker(command=WEB, replicas=3),
        story.worker("client"),
    )
    neighbour.applied(neighbour.worker("client"))
    replicas = story.wait_whole(3)
    (client,) = story.wait_whole(1, "client")
    (foreigner,) = neighbour.wait_whole(1, "client")
    wait_until(lambda: get(story, client.id, "http://web/"), 10, "the name answers")

    _answered_by_all(story, client.id, {one.name for one in replicas})

    code, output = story.docker.run(foreigner.id, "nslookup", "web")
    assert code != 0, output
    for replica in replicas:
        address = story.docker.address(replica.id, story.namespace)
        assert get(story, client.id, f"http://{address}/") == replica.name
        assert get(story, client.id, f"http://{replica.name}/") == replica.name
        assert get(neighbour, foreigner.id, f"http://{address}/") is None


@ON_ADAPTERS
def test_a_name_follows_what_runs(story: Story) -> None:
    story.applied(story.worker(command=WEB, replicas=2), story.worker("client"))
    story.wait_whole(2)
    (client,) = story.wait_whole(1, "client")
    story.applied(story.worker(command=WEB, replicas=1))
    (left,) = story.wait_whole(1)
    assert addresses(story, client.id) == {story.docker.address(left.id, story.namespace)}
    story.applied(story.worker(command=WEB, replicas=3))
    replicas = story.wait_whole(3)
    found = {story.docker.address(one.id, story.namespace) for one in replicas}
    assert addresses(story, client.id) == found


def _answered_by_all(story: Story, client: str, wanted: set[str]) -> None:
    """The name shows one replica after the other, in any order."""
    seen: set[str | None] = set()
    for _ in range(ASKED_AT_MOST):
        seen.add(get(story, client, "http://web/"))
        if seen == wanted:
            return
    raise AssertionError(f"{ASKED_AT_MOST} requests reached {seen}, not {wanted}")


def get(story: Story, client: str, url: str) -> str | None:
    """What a GET from inside a container answers; None when nobody does."""
    code, output = story.docker.run(client, "timeout", "2", "wget", "-q", "-O", "-", url)
    return output.strip() if code == 0 else None


def addresses(story: Story, client: str) -> set[str]:
    _, output = story.docker.run(client, "nslookup", "web.")
    answers = output.partition("Name:")[2]
    return {line.split()[-1] for line in answers.splitlines() if line.startswith("Address")}
