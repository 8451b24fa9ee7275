"""What an engine tells about acts of others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ring.core.model.spec import Quantities, Resources
from ring.runtimes.base import CameUp, Died, OutOfMemory, Paused, Resync, Signalled

if TYPE_CHECKING:
    from tests.contract.engines import EngineOutside
    from tests.contract.outside import DockerOutside
    from tests.contract.space import Space

pytestmark = [pytest.mark.anyio, pytest.mark.engine]


async def test_a_kill_by_somebody_else(engine_space: Space, engine: EngineOutside) -> None:
    instance = await engine_space.running()
    await engine.kills(instance.id)

    _, *signals, died = await engine_space.told(instance.created_at, Died)
    assert [type(event) for event in signals] == [Signalled] * engine.tells_kills
    for signalled in signals:
        assert isinstance(signalled, Signalled)
        assert signalled.signal == ("SIGKILL" if engine.tells_signals else "?")
    assert isinstance(died, Died)
    assert died.code == 137


@pytest.mark.parametrize("length", [1, 5000])
async def test_labels_of_the_names_that_events_use(
    engine_space: Space, engine: EngineOutside, length: int
) -> None:
    names = ("exitCode", "signal", "name", "image", "execID", "execDuration")
    written = "9" * min(length, engine.most_label_bytes - max(map(len, names)))
    order = await engine_space.order(labels=dict.fromkeys(names, written))
    instance = await engine_space.running(order)
    await engine.ends(instance.id, 3)

    *_, died = await engine_space.told(instance.created_at, Died)
    assert isinstance(died, Died)
    assert (died.instance_id, died.name) == (instance.id, instance.name)
    assert died.certain is not engine.labels_hide_codes
    ended = await engine_space.ended(instance.id)
    assert ended.exit is not None
    assert ended.exit.code == 3


async def test_labels_that_make_an_event_huge_do_not_end_the_stream(
    docker_space: Space, docker: DockerOutside
) -> None:
    """Docker alone: Podman has one file of events for all, and once ended another test's stream
    while this ran on it, too; whether for this was not looked into."""
    # The engine tells each of these characters with six.
    order = await docker_space.order(labels={"big": "<" * 1_000_000})
    huge = await docker_space.running(order)
    await docker.ends(huge.id, 3)
    await docker_space.ended(huge.id)
    small = await docker_space.running()
    await docker.ends(small.id, 4)

    told = await docker_space.told(huge.created_at, Died)
    assert [type(event) for event in told] == [CameUp, Died]
    assert {event.instance_id for event in told if not isinstance(event, Resync)} == {small.id}


async def test_going_on_after_a_pause_counts_as_coming_up(
    engine_space: Space, engine: EngineOutside
) -> None:
    instance = await engine_space.running()
    (up,) = await engine_space.told(instance.created_at, CameUp)
    await engine.pauses(instance.id)
    await engine.unpauses(instance.id)
    await engine_space.runtime.stop(instance.id, 5.0)

    told = await engine_space.told(instance.created_at, Died)
    assert told[0] == up
    changes = [type(event) for event in told[1:]]
    assert changes[:2] == [Paused, CameUp]
    # Some engines tell of the pause, or of the going on, again when their runtime reports it, which
    # may be while the instance is stopped already: the last word is the one that counts.
    assert [change for change in changes if change in (Paused, CameUp)][-1] is CameUp
    ends = [Signalled, Died] if engine.tells_stops else [Died]
    assert [change for change in changes if change not in (Paused, CameUp)] == ends


async def test_memory_that_runs_out(but_podman_space: Space) -> None:
    """Podman tells no such thing by an event (docs/how-to/podman.md)."""
    # A child is killed: the engine may lose the event when the whole instance ends with it. What
    # starts an instance is within its limit too, and has more than 8 MiB in newer releases.
    greedy = 'while :; do sh -c "x=x; while :; do x=\\$x\\$x; done"; sleep 1; done'
    order = await but_podman_space.order(
        command=("sh", "-c", greedy), resources=Resources(limits=Quantities(memory="16Mi"))
    )
    instance = await but_podman_space.running(order)

    told = await but_podman_space.told(instance.created_at, OutOfMemory)
    assert [type(event) for event in told] == [CameUp, OutOfMemory]
    assert (await but_podman_space.runtime.inspect(instance.id)).is_live
