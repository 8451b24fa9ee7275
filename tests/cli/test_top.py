"""`ring top`: all instances in one table, at a terminal in one place."""

from __future__ import annotations

import io
import json
import sys
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest

from ring.cli.main import run
from ring.cli.session import Session
from ring.cli.terminal import Terminal
from tests.cli.catalogue import METRICS
from tests.cli.conftest import Clock
from tests.cli.stub import Answer, problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.conftest import Ring
    from tests.cli.stub import Stub

ROWS = [
    {"id": "a", "namespace": "shop", "name": "idle", "instances": [{"id": "1"}]},
    {"id": "b", "namespace": "shop", "name": "busy", "instances": [{"id": "2"}, {"id": "3"}]},
    {"id": "c", "namespace": "shop", "name": "off", "instances": []},
]


def usage(*cpu: float) -> dict[str, Any]:
    found: dict[str, Any] = deepcopy(METRICS)
    (one,) = found["instances"]
    found["instances"] = [
        {**one, "cpu_usage_percent": each, "instance_name": f"at_{each:g}"} for each in cpu
    ]
    found["total_cpu_usage_percent"] = sum(cpu)
    return found


@pytest.fixture(autouse=True)
def running(ring: Ring, stub: Stub) -> None:
    ring.point_at(stub)
    ring.environ["RING_TOKEN"] = "ring_pat_0f0f"
    stub.on("GET /deployments", Answer(200, ROWS))
    stub.on("GET /deployments/a/metrics", Answer(200, usage(0.5)))
    stub.on("GET /deployments/b/metrics", Answer(200, usage(12.0, 80.0)))


def looked(ring: Ring, *then: Callable[[], None]) -> None:
    """What happens while it waits, look by look; at last somebody stops it."""

    def stop() -> None:
        raise KeyboardInterrupt

    clock = Clock()
    clock.events = dict(enumerate((*then, stop), 1))
    ring.pause = clock.pause


def column(out: str, number: int) -> list[str]:
    lines = [line for line in out.splitlines() if line.startswith("| ")]
    return [line.split("|")[number].strip() for line in lines]


def test_most_cpu_comes_first(ring: Ring, stub: Stub) -> None:
    ended = ring("top", "--once", "-n", "shop", "-n", "lab")
    assert (ended.code, ended.err) == (0, "")
    assert column(ended.out, 3) == ["Instance", "at_80", "at_12", "at_0.5"]
    assert column(ended.out, 4) == ["CPU %", "80.0", "12.0", "0.5"]
    assert column(ended.out, 5)[1:] == ["41.20 MiB"] * 3
    assert "\x1b" not in ended.out
    assert stub.requests[0].query == [("namespace[]", "shop"), ("namespace[]", "lab")]
    assert stub.seen()[1:] == ["GET /deployments/a/metrics", "GET /deployments/b/metrics"]


def test_deployments_in_sum(ring: Ring) -> None:
    ended = ring("top", "--once", "--by", "deployment")
    assert column(ended.out, 2) == ["Deployment", "busy", "idle"]
    assert column(ended.out, 3) == ["Instances", "2", "1"]
    assert column(ended.out, 4) == ["CPU %", "92.0", "0.5"]
    assert column(ended.out, 11) == ["PIDs", "6", "6"]


def test_json_is_one_object_for_each_look(ring: Ring) -> None:
    looked(ring, lambda: None)
    ended = ring("top", "-o", "json")
    assert (ended.code, ended.err) == (130, "")
    first, second = map(json.loads, ended.out.splitlines())
    assert set(first) == {"at", "samples"}
    assert first["samples"] == second["samples"]
    sample = first["samples"][0]
    assert (sample["namespace"], sample["deployment"], sample["instance"]) == (
        "shop",
        "busy",
        "at_80",
    )
    assert sample["memory"] == METRICS["total_memory"]


def test_it_outlasts_a_look_that_fails(ring: Ring, stub: Stub) -> None:
    def fails() -> None:
        stub.on("GET /deployments/b/metrics", problem(500, "x", "no engine"))

    def gone() -> None:
        stub.on("GET /deployments/b/metrics", problem(404, "Not Found", "Deployment not found"))

    looked(ring, fails, lambda: None, gone)
    ended = ring("top", "--interval", "500ms")
    assert ended.code == 130
    assert ended.err == "error: deployment 'shop/busy': request failed (500): no engine\n"
    assert column(ended.out, 3) == ["Instance", "at_80", "at_12", "at_0.5", "Instance", "at_0.5"]


def test_a_first_look_that_fails_is_the_last(ring: Ring, stub: Stub) -> None:
    stub.on("GET /deployments", problem(403, "Forbidden", "x"))
    ended = ring("top", "-n", "shop")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == "error: cannot list deployments in namespace 'shop': not authorized\n"


@pytest.mark.parametrize("interval", ["2", "fast", "499ms", "0s"])
def test_an_interval_that_is_none(ring: Ring, stub: Stub, interval: str) -> None:
    ended = ring("top", "--interval", interval)
    assert ended.code == 2
    assert "Invalid value for '--interval'" in ended.err
    assert stub.requests == []


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("lines", "rows"), [(40, 3), (9, 2), (4, 1)])
def test_at_a_terminal_it_stays_in_one_place(
    ring: Ring, monkeypatch: pytest.MonkeyPatch, lines: int, rows: int
) -> None:
    monkeypatch.setenv("LINES", str(lines))
    monkeypatch.setenv("COLUMNS", "80")
    looked(ring, lambda: None)
    screen = Screen()
    out, err = Terminal(screen, {"NO_COLOR": "1"}), Terminal(sys.stderr, {})
    assert run(("top",), Session(ring.environ, out, err, pause=ring.pause)) == 130
    before, *looks = screen.getvalue().split("\x1b[H\x1b[J")
    assert before == "\x1b[?7l"
    assert len(looks) == 2
    assert looks[1].endswith("\x1b[?7h")
    for look in looks:
        first, *rest = look.splitlines()
        assert first == "3 instances, 92.5 % CPU, 123.60 MiB memory (every 2s; Ctrl-C ends)"
        assert len(column(look, 3)) == rows + 1
        if rows < 3:
            assert f"{3 - rows} more" in rest
