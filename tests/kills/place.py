"""Where a run takes place: one server, its engine behind a proxy, and a namespace of its own."""

from __future__ import annotations

import http.client
import shutil
import tempfile
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.e2e import homes
from tests.e2e.homes import DATABASE, READY_S
from tests.e2e.outside import Docker
from tests.e2e.polling import wait_until
from tests.e2e.ring import Ring
from tests.kills import records
from tests.kills.moments import Killer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.e2e.outside import Container
    from tests.kills.records import Records

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
        home = homes.lived_in(Path(folder) / "ring", host)
        yield Ground(host, environment["RING_TEST_IMAGE"], environment["RING_TEST_REGISTRY"], home)


class Place:
    """Made for one seed, and ended with `close`."""

    def __init__(self, ground: Ground, environment: Mapping[str, str] | None = None) -> None:
        self.namespace = f"k{uuid.uuid4().hex[:10]}"
        self.docker = Docker(ground.docker_host)
        self._folder = Path(tempfile.mkdtemp(prefix="ring-kills."))
        socket = Path(ground.docker_host.removeprefix("unix://"))
        self.killer = Killer(socket, self._folder / "engine.sock")
        self.ring = Ring(
            self._folder / "ring",
            self.killer.proxy.host,
            interval_s=INTERVAL_S,
            environment=dict(environment or {}),
        )
        homes.move_in(self.ring, ground.seed_home)
        self.watch = self.docker.watch(self.namespace)

    def start(self) -> None:
        """The first server. However busy the machine is: it is not what is looked at."""
        self.ring.start(READY_S)

    def await_ready(self) -> None:
        """Or until it is gone."""
        wait_until(self.ring.is_ready_or_gone, READY_S, "the server is ready")

    def close(self) -> None:
        """Ends the server, and removes everything that was made."""
        self.killer.disarm()
        self.ring.kill()
        self.killer.proxy.close()
        self.watch.close()
        self.docker.clean(self.namespace)
        shutil.rmtree(self._folder)

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
            "GET", f"/deployments?namespace={self.namespace}&instances=true"
        )
        assert status == 200, rows
        found: list[Row] = rows
        return found

    def containers(self) -> list[Container]:
        return self.docker.containers(self.namespace)

    def inspected(self) -> Mapping[str, Any]:
        """What the engine says of every container, by id."""
        return {one.id: self.docker.inspect(one.id) for one in self.containers()}


LOST = (OSError, http.client.HTTPException)
"""What a caller gets whose server ends."""
