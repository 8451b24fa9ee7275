"""What is told of instances that lack something: once a cause."""

from __future__ import annotations

from ring.runtimes.shortcomings import NAMELESS, NO_ISOLATION, NO_NAMES, Shortcoming
from ring.store.records import Wanted
from tests.engine.bench import Bench
from tests.engine.plant import Plant

OPEN = Shortcoming(NO_ISOLATION, "ring_media may be reached from other networks")
OLD_BINDS = [
    {"type": "bind", "source": "files", "destination": "/files", "permission": "rw"},
    {"type": "bind", "source": "files", "destination": "/again", "permission": "ro"},
    {"type": "bind", "source": "/srv", "destination": "/srv", "permission": "ro"},
]


def test_what_a_network_lacks_is_told_once_for_a_namespace() -> None:
    bench = Bench()

    async def main() -> None:
        bench.runtime.lacks = (OPEN, NAMELESS)
        plant = Plant(bench)
        await plant.start()
        web = await plant.apply(replicas=3)
        later = await plant.apply(name="later")
        other = await plant.apply(name="web", namespace="other")
        await bench.wait(30)
        assert bench.messages(web, NO_ISOLATION) == [OPEN.message]
        assert bench.messages(web, NO_NAMES) == [NAMELESS.message]
        assert {NO_ISOLATION, NO_NAMES}.isdisjoint(bench.reasons(later))
        assert bench.messages(other, NO_NAMES) == [NAMELESS.message]
        (event,) = [
            one
            for one in bench.store.events(web.id, level=None, limit=100)
            if one.reason == NO_NAMES
        ]
        assert (event.level, event.component) == ("warning", "docker")

    bench.run(main())


def test_it_is_not_told_again_after_a_restart_of_the_server() -> None:
    bench = Bench()

    async def main() -> None:
        bench.runtime.lacks = (OPEN,)
        plant = Plant(bench)
        server = await plant.start()
        web = await plant.apply()
        await bench.wait(1)
        await plant.kill(server)
        bench.runtime.lacks = (OPEN, NAMELESS)
        await plant.start()
        later = await plant.apply(name="later")
        await bench.wait(1)
        assert bench.messages(web, NO_ISOLATION) == [OPEN.message]
        assert NO_ISOLATION not in bench.reasons(later)
        assert bench.messages(later, NO_NAMES) == [NAMELESS.message]

    bench.run(main())


def test_nothing_is_told_of_a_network_that_an_instance_is_not_on() -> None:
    bench = Bench()

    async def main() -> None:
        bench.runtime.lacks = (OPEN,)
        plant = Plant(bench)
        await plant.start()
        bench.engine.ensure_network("media")
        row = await plant.apply(network={"mode": "host"})
        await bench.wait(1)
        assert NO_ISOLATION not in bench.reasons(row)

    bench.run(main())


def test_a_bind_without_a_path_is_told_once_and_registered() -> None:
    bench = Bench()

    async def main() -> None:
        plant = Plant(bench)
        await plant.start()
        row = await plant.apply(volumes=OLD_BINDS, replicas=2)
        sound = await plant.apply(name="sound", volumes=OLD_BINDS[2:])
        await bench.wait(1)
        (message,) = bench.messages(row, "bind_as_volume")
        assert "'files' is taken for a named volume" in message
        assert "/srv" not in message
        assert "bind_as_volume" not in bench.reasons(sound)
        found = bench.store.volumes.listed(Wanted(frozenset({"media"})))
        assert [volume.name for volume in found] == ["files"]

    bench.run(main())
