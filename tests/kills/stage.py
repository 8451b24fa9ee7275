"""What a seed acts on: its place, and one deployment there."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from scripts import engines
from tests.e2e.polling import wait_until
from tests.kills.place import Place
from tests.kills.scenarios import Apply, Crash, Delete
from tests.kills.seeds import Meddling

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from tests.e2e.outside import Container
    from tests.kills.place import Ground, Row
    from tests.kills.records import Records
    from tests.kills.scenarios import Step
    from tests.kills.seeds import Chance

NAME = "web"


class Stage:
    """Made for one seed, and ended with `close`."""

    def __init__(self, ground: Ground, chance: Chance) -> None:
        self.chance = chance
        self.place = Place(ground)
        self.namespace = self.place.namespace
        self.docker = self.place.docker
        self.killer = self.place.killer
        self.ring = self.place.ring
        self.watch = self.place.watch
        self._ground = ground
        self._pulled: str | None = None
        self.image = self._image()
        self.victim: str | None = None
        """The instance whose program was made to end while the server ran."""

    def close(self) -> None:
        """Ends the server, and removes everything that was made."""
        self.place.close()
        if self._pulled is not None:
            self.docker.remove_images([self._pulled])

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
    def wal(self) -> Path:
        return self.place.wal

    def records(self) -> Records:
        return self.place.records()

    def left_behind(self) -> Records:
        return self.place.left_behind()

    def rows(self) -> list[Row]:
        return self.place.rows()

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
        return self.place.containers()

    def picked(self, containers: Iterable[Container]) -> Container:
        found = sorted(containers, key=lambda one: one.name)
        return found[self.chance.pick % len(found)]

    def inspected(self) -> Mapping[str, Any]:
        return self.place.inspected()

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
