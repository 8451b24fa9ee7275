"""Three deployments, and the versions of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.e2e.polling import wait_until
from tests.e2e.story import probe
from tests.kills.place import Place
from tests.kills.rolling.seeds import PROGRAMS, Fault

if TYPE_CHECKING:
    from tests.kills.place import Ground, Row
    from tests.kills.records import Records
    from tests.kills.rolling.seeds import Chance

REPLICAS = {"good": 3, "broken": 1, "twice": 2}
DEADLINE_S = 6
"""Of the broken version. The others have a start period that no number of kills uses up."""
START_PERIOD = "5m"
OLD, NEW, NEWEST = "1", "2", "3"
MARK = "VERSION"
NONE_LIVE = "no instance is live"
"""Where one was not even up in time, as happens to a server that is killed again and again."""
ENDED = {"failed", "crash_loop_back_off", "create_container_error"}


@dataclass(frozen=True, slots=True)
class Apply:
    name: str
    mark: str


STEPS = (Apply("broken", NEW), Apply("good", NEW), Apply("twice", NEW), Apply("twice", NEWEST))
"""In this order: the broken one needs the most time."""
LAST = {"good": NEW, "broken": NEW, "twice": NEWEST}


class Stage:
    """Made for one seed, and ended with `close`."""

    def __init__(self, ground: Ground, chance: Chance) -> None:
        self.chance = chance
        self.place = Place(ground, {"RING_ROLLOUT_DEADLINE": f"{DEADLINE_S}"})
        self._image = ground.image
        self.old: dict[str, Row] = {}
        """The rows that are rolled away from, by name."""

    def prepare(self) -> None:
        """The first version of each runs."""
        ring = self.place.ring
        self.place.start()
        status, answer = ring.ask("POST", "/namespaces", {"name": self.place.namespace})
        assert status == 201, answer
        for name in REPLICAS:
            self.apply(Apply(name, OLD), if_changed=False)

        def all_run() -> bool:
            found = {row["name"]: row for row in self.place.rows()}
            self.old = found
            return {name: len(row["instances"]) for name, row in found.items()} == REPLICAS and {
                row["status"] for row in found.values()
            } == {"running"}

        wait_until(all_run, 120, "the first versions run", self.place.rows)

    def take(self, step: Apply, *, again: bool) -> None:
        """`again`: its answer got lost, and it may have been accepted.

        Raises OSError or HTTPException where the server ends meanwhile.
        """
        if step.mark == NEWEST and not again:
            wait_until(
                lambda: (
                    self.place.ring.is_gone()
                    or len(self.place.watch.noted("create", step.name))
                    >= REPLICAS[step.name] + self.chance.overtaken_at
                ),
                30,
                f"{self.chance.overtaken_at} of the version in between are made",
            )
        self.apply(step, if_changed=again)

    def apply(self, step: Apply, *, if_changed: bool) -> Row:
        query = "?if_changed=true" if if_changed else ""
        status, row = self.place.ring.ask("POST", f"/deployments{query}", self._body(step))
        assert status in {200, 201}, row
        found: Row = row
        return found

    def _body(self, step: Apply) -> dict[str, object]:
        is_broken = (step.name, step.mark) == ("broken", NEW)
        check = probe(
            interval="300ms",
            min_healthy_time=f"{self.chance.window_ms}ms",
            start_period=None if is_broken else START_PERIOD,
        )
        return {
            "name": step.name,
            "namespace": self.place.namespace,
            "runtime": "docker",
            "image": self._image,
            "config": {"image_pull_policy": "IfNotPresent"},
            "command": [*(PROGRAMS[self.chance.fault] if is_broken else self.chance.program)],
            "environment": {MARK: step.mark},
            "replicas": REPLICAS[step.name],
            "health_checks": [check],
        }

    def is_there(self) -> bool:
        """The good ones have rolled, the broken one has failed. Raises what a lost answer does."""
        by_name: dict[str, list[Row]] = {name: [] for name in REPLICAS}
        for row in self.place.rows():
            by_name[row["name"]].append(row)
        return (
            self._is_last("good", by_name["good"])
            and self._is_last("twice", by_name["twice"])
            and self._has_failed(by_name["broken"])
            and [one.state for one in self.place.containers()] == ["running"] * self._wanted()
        )

    def _wanted(self) -> int:
        """Containers in the end; one that is never ready is kept for inspection."""
        return sum(REPLICAS.values()) + self.is_kept(self.place.records())

    def is_kept(self, records: Records) -> bool:
        """Of the broken version there is one: it was up when the time for it was over."""
        (child,) = (row for row in records.rows if row["parent_id"] == self.old["broken"]["id"])
        told = [one["message"] for one in records.events if one["deployment_id"] == child["id"]]
        return self.chance.fault is Fault.NEVER_READY and not any(NONE_LIVE in one for one in told)

    def _is_last(self, name: str, rows: list[Row]) -> bool:
        if len(rows) != 1:
            return False
        (row,) = rows
        return (
            (row["status"], len(row["instances"])) == ("running", REPLICAS[name])
            and "parent_id" not in row
            and row["environment"] == {MARK: LAST[name]}
        )

    def _has_failed(self, rows: list[Row]) -> bool:
        """Its child has ended, and nothing is left of one before that."""
        if len(rows) != 2:
            return False
        parent, child = rows if rows[0]["id"] == self.old["broken"]["id"] else rows[::-1]
        return (
            (parent["id"], parent["status"]) == (self.old["broken"]["id"], "running")
            and len(parent["instances"]) == REPLICAS["broken"]
            and child["status"] in ENDED
        )
