"""Names of new containers that somebody else has given to theirs."""

from __future__ import annotations

import re
import uuid
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.both import ON_BOTH
from tests.e2e.proxy import EngineProxy, Fate
from tests.e2e.story import STEADY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.conftest import Tell
    from tests.e2e.outside import Docker
    from tests.e2e.proxy import Call

pytestmark = pytest.mark.engine

CREATE = re.compile(r"/containers/create\?name=([^&]+)")


@dataclass(slots=True)
class Rival:
    """Makes a container of the name that Ring has drawn, just before Ring does."""

    engine: Docker
    image: str
    left: int = 0
    """How many more names it takes."""
    ids: list[str] = field(default_factory=list)

    def decide(self, call: Call) -> Fate:
        drawn = CREATE.search(call.path)
        if drawn is not None and self.left:
            self.left -= 1
            self.ids.append(self.engine.create(self.image, STEADY, {}, name=drawn[1]))
        return Fate.PASS


@pytest.fixture
def rival(engine: Docker, image: str) -> Iterator[Rival]:
    one = Rival(engine, image)
    yield one
    for container in one.ids:
        engine.remove(container)


@pytest.fixture
def way(
    engine: Docker, rival: Rival, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EngineProxy]:
    """To the engine, past the rival."""
    path = tmp_path_factory.getbasetemp() / f"{uuid.uuid4().hex[:8]}.sock"
    socket = Path(engine.host.removeprefix("unix://"))
    with closing(EngineProxy(socket, path, rival.decide)) as one:
        yield one


@ON_BOTH
@pytest.mark.parametrize(("taken", "failures"), [(3, 0), (4, 1)])
def test_three_names_that_are_taken_cost_nothing(
    tell: Tell, way: EngineProxy, rival: Rival, taken: int, failures: int
) -> None:
    story = tell(docker_host=way.host)
    rival.left = taken
    story.applied(story.worker())
    (own,) = story.wait_whole(1)
    assert rival.left == 0
    told = story.told("instance_creation_failed")
    assert len(told) == failures
    assert all("already (failure 1 of 5; next attempt at once)" in one.message for one in told)
    assert story.created() == 1
    assert own.labels["ring.instance"] == own.name
    assert [story.docker.inspect(one)["State"]["Status"] for one in rival.ids] == [
        "created"
    ] * taken
