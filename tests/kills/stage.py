"""What a seed acts on: one server, its engine behind a proxy, and a namespace of its own."""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import sqlite3
import tempfile
import uuid
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts import engines
from tests.e2e.outside import Docker
from tests.e2e.polling import wait_until
from tests.e2e.ring import Ring
from tests.kills import records
from tests.kills.moments import Killer
from tests.kills.scenarios import Apply, Crash, Delete
from tests.kills.seeds import Meddling

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tests.e2e.outside import Container
    from tests.kills.records import Records
    from tests.kills.scenarios import Step
    from tests.kills.seeds import Chance

NAME = "web"
DATABASE = "ring.db"
LOGIN = "auth.json"
INTERVAL_S = 1
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ground:
    """What all runs share."""

    docker_host: str
    image: str
    registry: str
    seed_home: Path
    """A config directory with a database and a login that each server begins with a copy of.

    Its database has no server id: each server draws its own.
    """


@contextmanager
def ground(environment: Mapping[str, str]) -> Iterator[Ground]:
    """What `scripts/kills` and `scripts/test` say about their engine."""
    host = environment["RING_TEST_DOCKER_HOST"]
    with tempfile.TemporaryDirectory(prefix="ring-kills.") as folder:
        ring = Ring(Path(folder) / "ring", host)
        ring.start()
        try:
            ring.login()
        finally:
            ring.stop()
        with closing(sqlite3.connect(ring.home / DATABASE)) as connection, connection:
            connection.execute("DELETE FROM meta WHERE key = 'server_id'")
        yield Ground(
            host, environment["RING_TEST_IMAGE"], environment["RING_TEST_REGISTRY"], ring.home
        )


class Stage:
    """Made for one seed, and ended with `close`."""

    def __init__(self, ground: Ground, chance: Chance) -> None:
        self.chance = chance
        self.namespace = f"k{uuid.uuid4().hex[:10]}"
        self.docker = Docker(ground.docker_host)
        self._folder = Path(tempfile.mkdtemp(prefix="ring-kills."))
        self._ground = ground
        self._pulled: str | None = None
        socket = Path(ground.docker_host.removeprefix("unix://"))
        self.killer = Killer(socket, self._folder / "engine.sock")
        self.ring = Ring(self._folder / "ring", self.killer.proxy.host, interval_s=INTERVAL_S)
        for name in (DATABASE, LOGIN):
            shutil.copy(ground.seed_home / name, self.ring.home)
        self.watch = self.docker.watch(self.namespace)
        self.image = self._image()
        self.victim: str | None = None
        """The instance whose program was made to end while the server ran."""

    def close(self) -> None:
        """Ends the server, and removes everything that was made."""
        self.killer.disarm()
        self.ring.kill()
        self.killer.proxy.close()
        self.watch.close()
        self.docker.clean(self.namespace)
        if self._pulled is not None:
            self.docker.remove_images([self._pulled])
        shutil.rmtree(self._folder)

    def _image(self) -> str:
        if not self.chance.scenario.pulled:
            return self._ground.image
        local = f"{self.namespace}/app"
        made = self.docker.variant(self._ground.image, local, self.namespace)
        self._pulled = f"{self._ground.registry}/{local}:1"
        engines.push(self._ground.docker_host, f"{local}:1", self._pulled)
        self.docker.remove_images([made])
        return self._pulled

    # the server
    @property
    def database(self) -> Path:
        return self.ring.home / DATABASE

    @property
    def wal(self) -> Path:
        return self.ring.home / f"{DATABASE}-wal"

    def records(self) -> Records:
        return records.read(self.database)

    def left_behind(self) -> Records:
        return records.left_behind(self.database)

    def rows(self) -> list[Row]:
        """Every row, those being deleted included. Raises what a server that ends raises."""
        status, rows = self.ring.ask(
            "GET", f"/deployments?namespace={self.namespace}&name={NAME}&instances=true"
        )
        assert status == 200, rows
        found: list[Row] = rows
        return found

    # what is asked of it
    def take(self, step: Step, *, again: bool = False) -> None:
        """`again`: its answer got lost, and it may have been accepted.

        Raises OSError or HTTPException where the server ends meanwhile.
        """
        match step:
            case Apply():
                self.apply(step, if_changed=step.if_changed or again)
            case Delete():
                wait_until(
                    lambda: self.ring.is_gone() or len(self.watch.noted("create")) >= step.made,
                    10,
                    f"{step.made} containers were made",
                )
                self._delete()
            case Crash():
                self._crash()

    def apply(self, step: Apply, *, if_changed: bool) -> Row:
        query = "?if_changed=true" if if_changed else ""
        status, row = self.ring.ask("POST", f"/deployments{query}", self._body(step))
        assert status in {200, 201}, row
        found: Row = row
        return found

    def _body(self, step: Apply) -> dict[str, object]:
        return {
            "name": NAME,
            "namespace": self.namespace,
            "runtime": "docker",
            "image": self.image,
            "config": {"image_pull_policy": "IfNotPresent"},
            "command": list(self.chance.program),
            "environment": {"MARK": step.mark},
            "replicas": step.replicas,
        }

    def _delete(self) -> None:
        for row in self.rows():
            if row["status"] != "deleted":
                status, answer = self.ring.ask("DELETE", f"/deployments/{row['id']}")
                assert status in {200, 204}, answer

    def _crash(self) -> None:
        self.victim = self.picked(self.containers()).id
        os.kill(self.docker.pid(self.victim), signal.SIGKILL)

    # the engine
    def containers(self) -> list[Container]:
        return self.docker.containers(self.namespace)

    def picked(self, containers: Iterable[Container]) -> Container:
        found = sorted(containers, key=lambda one: one.name)
        return found[self.chance.pick % len(found)]

    def inspected(self) -> Mapping[str, Any]:
        """What the engine says of every container, by id."""
        return {one.id: self.docker.inspect(one.id) for one in self.containers()}

    def networks(self) -> int:
        listed = self.docker.told("GET", "/networks")
        return sum(1 for one in listed if one["Name"] == f"ring_{self.namespace}")

    def meddle(self) -> str | None:
        """What the seed wants done while no server runs; the container it was done to."""
        wanted = self.chance.meddling
        if wanted is Meddling.NETWORK:
            if not self.containers():
                self.docker.ask("DELETE", f"/networks/ring_{self.namespace}")
            return None
        running = self.docker.running(self.namespace)
        if wanted is Meddling.NONE or not running:
            return None
        one = self.picked(running).id
        if wanted is Meddling.REMOVE:
            self.docker.remove(one)
        else:
            self._end(one, wanted)
        return one

    def _end(self, one: str, how: Meddling) -> None:
        """Returns once the engine knows. It may be ending already, of what was asked before."""
        if how is Meddling.STOP:
            self.docker.ask("POST", f"/containers/{one}/stop")
        else:
            # The engine may take the dying one, whose process it says is 0, for running still.
            with suppress(ProcessLookupError):
                if (pid := self.docker.inspect(one)["State"]["Pid"]) > 0:
                    os.kill(pid, signal.SIGKILL)
        wait_until(
            lambda: one not in {c.id for c in self.docker.running(self.namespace)},
            15,
            f"{one[:12]} has ended",
        )


LOST = (OSError, http.client.HTTPException)
"""What a caller gets whose server ends."""
