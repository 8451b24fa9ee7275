"""What doctor tells of orphans, beside a server's database."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ring.clock import SystemClock
from ring.store.known import peek
from ring.store.store import Store
from tests.doctor.test_containers import DOCKER, lines, with_engine
from tests.runtimes.docker.scripted import answer

if TYPE_CHECKING:
    from tests.doctor.world import Machine
    from tests.runtimes.docker.scripted import Script

WAY_OUT = "`ring node orphans` lists them, `ring node orphans --remove` removes what may go"


def served(machine: Machine) -> str:
    """A server has run here; its id."""

    async def life() -> str:
        store = Store.open(machine.base / "etc" / "ring.db", SystemClock())
        await store.close()
        return store.server_id

    return asyncio.run(life())


def holding(script: Script, server_id: str) -> None:
    labels = {"ring.managed": "true", "ring.namespace": "old", "ring.server": server_id}
    network = {"Id": "n1", "Name": "ring_old", "Labels": labels}
    script.say("GET /v1.43/containers/json", answer([]))
    script.say("GET /v1.43/networks", answer([network, {**network, "Id": "n2"}]))
    script.say("GET /v1.43/volumes", answer({"Volumes": None}))


def test_they_are_told_of_and_are_no_failure(machine: Machine) -> None:
    machine.write(DOCKER)
    server_id = served(machine)
    (machine.base / "etc/run/configs/gone").mkdir(parents=True)
    groups = with_engine(machine, lambda script: holding(script, server_id))
    assert lines(groups["Docker"])["orphans"] == (True, f"2 networks: {WAY_OUT}")
    assert lines(groups["Server"])["orphans"] == (True, f"1 directory: {WAY_OUT}")
    theirs = with_engine(machine, lambda script: holding(script, "another"))
    assert lines(theirs["Docker"])["orphans"] == (True, "none")


def test_an_engine_that_is_away_is_no_second_failure(machine: Machine) -> None:
    machine.write(DOCKER)
    served(machine)
    ok, detail = lines(machine.groups()["Docker"])["orphans"]
    assert ok
    assert detail.startswith("not looked for: ")


def test_a_database_that_somebody_has_open_is_read(machine: Machine) -> None:
    path = machine.base / "etc" / "ring.db"

    async def life() -> None:
        store = Store.open(path, SystemClock())
        known = peek(path)
        assert known == store.known()
        assert known is not None
        assert known.server_id == store.server_id
        await store.close()

    asyncio.run(life())
