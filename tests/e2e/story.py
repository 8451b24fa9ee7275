"""One user with a server, an engine and a namespace nobody else uses."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scripts.lib.edge import SITE

from tests.e2e.polling import wait_until
from tests.e2e.ring import Event

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.e2e.outside import Container, Docker, Watch
    from tests.e2e.ring import Answer, Ring

STEADY = ("sh", "-c", "trap 'exit 0' TERM; while :; do sleep 3600 & wait; done")
"""Runs until it is asked to end, then exits with 0."""

STUBBORN = ("sh", "-c", "trap '' TERM; while :; do sleep 3600; done")
"""Ends by SIGKILL alone."""

WEB = (
    "sh",
    "-c",
    "mkdir /www; echo ${RING_INSTANCE} >/www/index.html; httpd -p 80 -h /www; "
    "trap 'exit 0' TERM; while :; do sleep 3600 & wait; done",
)
"""Answers every GET on port 80 with its instance's name, by a variable that Ring sets; in braces,
as `ring apply` leaves it alone."""

Row = dict[str, Any]


def probe(**fields: object) -> dict[str, object]:
    """A readiness check of port 80, as the fields say otherwise; None leaves one out."""
    check = {
        "type": "tcp",
        "port": 80,
        "interval": "500ms",
        "timeout": "2s",
        "on_failure": "alert",
        "readiness": True,
        "min_healthy_time": "1s",
        **fields,
    }
    return {key: value for key, value in check.items() if value is not None}


def alarm(**fields: object) -> dict[str, object]:
    """One that gates nothing."""
    return probe(**{"readiness": None, "min_healthy_time": None, **fields})


@dataclass(frozen=True, slots=True)
class Story:
    ring: Ring
    docker: Docker
    namespace: str
    image: str
    watch: Watch
    runtime: str = "docker"

    def worker(self, name: str = "web", **fields: object) -> dict[str, object]:
        """A deployment as a manifest has it."""
        return {
            "name": name,
            "namespace": self.namespace,
            "runtime": self.runtime,
            "image": self.image,
            "config": {"image_pull_policy": "IfNotPresent"},
            "command": list(STEADY),
            **fields,
        }

    def site(self, version: str, name: str = "web", **fields: object) -> dict[str, object]:
        """A worker that answers on port 80 and is ready after a second of doing so."""
        fields = {"health_checks": [probe()], **fields}
        return self.worker(name, command=list(SITE), environment={"VERSION": version}, **fields)

    def apply(self, *deployments: dict[str, object], flags: tuple[str, ...] = ()) -> Answer:
        """`ring apply` of a manifest with these deployments."""
        text = json.dumps({"deployments": {f"{d['name']}": d for d in deployments}})
        return self.ring.run("apply", "-f", "-", *flags, stdin=text)

    def applied(self, *deployments: dict[str, object], flags: tuple[str, ...] = ()) -> Answer:
        """An apply that must succeed."""
        answer = self.apply(*deployments, flags=flags)
        assert (answer.code, answer.err) == (0, ""), answer
        return answer

    # what deployments refer to
    def secret(self, name: str, value: str) -> str:
        """Makes it; its id. The namespace is made where it is missing."""
        self.ring.ask("POST", "/namespaces", {"name": self.namespace})
        body = {"namespace": self.namespace, "name": name, "value": value}
        return self._made("/secrets", body)

    def config(self, name: str, **entries: str) -> str:
        """Makes it; its id."""
        body = {"namespace": self.namespace, "name": name, "data": json.dumps(entries)}
        return self._made("/configs", body)

    def _made(self, path: str, body: Mapping[str, object]) -> str:
        status, made = self.ring.ask("POST", path, body)
        assert status == 201, made
        return str(made["id"])

    # what the server says
    def rows(self, name: str = "web") -> list[Row]:
        """Every row of the name, those being deleted included; oldest first."""
        status, rows = self.ring.ask(
            "GET", f"/deployments?namespace={self.namespace}&name={name}&instances=true"
        )
        assert status == 200, rows
        found: list[Row] = rows
        return found

    def row(self, name: str = "web") -> Row:
        """The only active row."""
        active = [row for row in self.rows(name) if row["status"] != "deleted"]
        assert len(active) == 1, active
        return active[0]

    def status(self, name: str = "web") -> str:
        return str(self.row(name)["status"])

    def events(self, name: str = "web") -> list[Event]:
        """Of the only active row, oldest first."""
        return self.told_of(self.row(name)["id"])

    def told(self, reason: str, name: str = "web") -> list[Event]:
        """The events with this reason."""
        return [event for event in self.events(name) if event.reason == reason]

    def told_of(self, row_id: str) -> list[Event]:
        """The events of one row, oldest first; of a purged one there are none."""
        status, told = self.ring.ask("GET", f"/deployments/{row_id}/events?limit=1000")
        if status == 404:
            return []
        return [
            Event(one["id"], one["level"], one["component"], one["reason"], one["message"])
            for one in reversed(told)
        ]

    def probes(self, name: str = "web") -> list[Row]:
        """Results of the health checks, oldest first."""
        path = f"/deployments/{self.row(name)['id']}/health-checks?limit=1000"
        status, told = self.ring.ask("GET", path)
        assert status == 200, told
        found: list[Row] = told
        return found[::-1]

    def reasons(self, name: str = "web") -> list[str | None]:
        return [event.reason for event in self.events(name)]

    def repeated(self, name: str = "web") -> list[tuple[str | None, str]]:
        """Reason and message of what was told more than once; scaling steps may be equal."""
        told = Counter((event.reason, event.message) for event in self.events(name))
        return [
            one
            for one, times in told.items()
            if times > 1 and one[0] not in {"scale_up", "scale_down"}
        ]

    def account(self, name: str = "web") -> str:
        """All there is to know about a name, for a failure's message."""
        rows = [
            (row["id"], row["status"], row["restart_count"], len(row["instances"]))
            for row in self.rows(name)
        ]
        try:
            containers: object = [(one.name, one.state) for one in self.containers(name)]
        except OSError as error:
            containers = f"the engine does not answer: {error}"
        told = []
        for row_id, *_ in rows:
            _, events = self.ring.ask("GET", f"/deployments/{row_id}/events?limit=30")
            told += [f"{one['timestamp']} {one['reason']}: {one['message']}" for one in events]
        return "\n".join([f"{rows}", f"{containers}", *told])

    # waiting
    def wait_for(self, status: str, name: str = "web", within_s: float = 20.0) -> Row:
        """The row, once it has this status."""
        wait_until(
            lambda: self.status(name) == status,
            within_s,
            f"{name} is {status}",
            lambda: self.account(name),
        )
        return self.row(name)

    def wait_whole(self, count: int, name: str = "web", within_s: float = 30.0) -> list[Container]:
        """Its containers, once it is running with so many of them and no other is left."""

        def is_whole() -> bool:
            rows = self.rows(name)
            states = [one.state for one in self.docker.containers(self.namespace, name)]
            return (
                len(rows) == 1
                and rows[0]["status"] == "running"
                and len(rows[0]["instances"]) == count
                and states == ["running"] * count
            )

        wait_until(
            is_whole,
            within_s,
            f"{name} runs with {count} instances",
            lambda: self.account(name),
        )
        return self.containers(name)

    def wait_gone(self, name: str = "web", within_s: float = 30.0) -> None:
        """Until neither a row nor a container of the name is left."""
        wait_until(
            lambda: not self.rows(name),
            within_s,
            f"no row of {name} is left",
            lambda: self.account(name),
        )
        assert self.containers(name) == []

    # what the engine says
    def containers(self, name: str | None = None) -> list[Container]:
        return self.docker.containers(self.namespace, name)

    def ids(self, name: str = "web") -> set[str]:
        return {one.id for one in self.containers(name)}

    def created(self, name: str = "web") -> int:
        """How many containers of the name were ever made.

        Events come a while after what they tell of (Podman's through a file), and in order.
        """
        wait_until(
            lambda: self.ids(name) <= {one.id for one in self.watch.noted("create", name)},
            10,
            "the engine has told of all that is there",
        )
        return len(self.watch.noted("create", name))

    def crash(self, container_id: str) -> None:
        """Kills a container's program from outside the engine."""
        os.kill(self.docker.pid(container_id), signal.SIGKILL)
