"""`ring deployment metrics|health-checks` and `ring node get`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from ring.cli.amounts import decimal, size
from tests.cli.catalogue import CHECK, METRICS, NODE
from tests.cli.stub import Answer, problem

if TYPE_CHECKING:
    from tests.cli.conftest import Ring
    from tests.cli.stub import Stub


def test_metrics(ring: Ring, stub: Stub) -> None:
    stub.on("GET /deployments/x/metrics", Answer(200, METRICS))
    ended = ring("deployment", "metrics", "x")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == (
        "DEPLOYMENT METRICS: gate\n"
        "===================\n"
        "Instances     : 2\n"
        "Total CPU     : 3.41%\n"
        "Total Memory  : 41.20 MiB / 128.00 MiB (32.2%)\n"
        "Total Net I/O : 1.02 KiB rx / 640 B tx\n"
        "Total Disk I/O: 0 B read / 3.00 GiB write\n"
        "Total PIDs    : 6\n"
        "\n"
        "  Instance: lab_gate_1c9e02aa (8d1f0a2b3c4d)\n"
        "    CPU       : 1.70%\n"
        "    Memory    : 41.20 MiB / 128.00 MiB (32.2%)\n"
        "    Net I/O   : 1.02 KiB rx / 640 B tx\n"
        "    Disk I/O  : 0 B read / 3.00 GiB write\n"
        "    PIDs      : 3 / 0\n"
        "    Restarts  : 0\n"
    )
    assert re.search("Instances *: *[1-9]", ended.out)


def test_metrics_of_a_name(ring: Ring, stub: Stub) -> None:
    row = {"id": "x", "namespace": "lab", "name": "gate", "status": "running"}
    stub.on("GET /deployments", Answer(200, [row]))
    stub.on("GET /deployments/x/metrics", Answer(200, METRICS))
    assert ring("deployment", "metrics", "lab/gate").code == 0


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.00 KiB"),
        (1 << 20, "1.00 MiB"),
        (3 << 40, "3072.00 GiB"),
        (-2048, "-2.00 KiB"),
        (1.6, "2 B"),
        (None, ""),
        ("1\n2", "1 2"),
        (True, "True"),
        (float("nan"), "nan"),
        (10**400, str(10**400)),
    ],
)
def test_bytes(amount: object, text: str) -> None:
    assert size(amount) == text


def test_decimals() -> None:
    assert [decimal(1), decimal(2.005, 1), decimal("x"), decimal(None)] == ["1.00", "2.0", "x", ""]


def test_health_checks(ring: Ring, stub: Stub) -> None:
    stub.on("GET /deployments/x/health-checks", Answer(200, [CHECK, {**CHECK, "message": None}]))
    ended = ring("deployment", "health-checks", "x", "--latest", "--limit", "3")
    assert (ended.code, ended.err) == (0, "")
    rule = "+------+--------+---------------------+---------------------+--------------+\n"
    assert ended.out == (
        f"{rule}"
        "| Type | Status | Started             | Finished            | Message      |\n"
        f"{rule}"
        "| http | failed | 2026-02-11 08:14:09 | 2026-02-11 08:14:09 | answered 503 |\n"
        f"{rule}"
        "| http | failed | 2026-02-11 08:14:09 | 2026-02-11 08:14:09 |              |\n"
        f"{rule}"
    )
    assert stub.requests[0].query == [("latest", "true"), ("limit", "3")]


def test_no_health_checks(ring: Ring, stub: Stub) -> None:
    stub.on("GET /deployments/x/health-checks", Answer(200, []))
    ended = ring("deployment", "health-checks", "x")
    assert (ended.code, ended.out) == (0, "No health check results for deployment x\n")
    assert stub.requests[0].query == []
    assert ring("deployment", "health-checks", "x", "-o", "json").out == "[]\n"


@pytest.mark.parametrize(
    ("status", "code", "line"),
    [
        (404, 4, "error: deployment 'x' not found"),
        (403, 2, "error: not authorized to act on deployment 'x'"),
        (500, 1, "error: deployment 'x': request failed (500)"),
    ],
)
def test_refusals(ring: Ring, stub: Stub, status: int, code: int, line: str) -> None:
    for verb in ("metrics", "health-checks"):
        stub.on(f"GET /deployments/x/{verb}", problem(status, "no"))
        ended = ring("deployment", verb, "x")
        assert (ended.code, ended.out, ended.err) == (code, "", line + "\n")


@pytest.mark.parametrize("words", [("node",), ("node", "get")])
def test_node(ring: Ring, stub: Stub, words: tuple[str, ...]) -> None:
    stub.on("GET /node/get", Answer(200, NODE))
    ended = ring(*words)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == (
        "Node Info\n"
        "=========\n"
        "Hostname         : edge-7\n"
        "OS               : linux\n"
        "Architecture     : x86_64\n"
        "Uptime           : 91234s\n"
        "CPU Cores        : 16\n"
        "Memory Total     : 31.20 GiB\n"
        "Memory Available : 22.90 GiB\n"
        "Load Average     : 0.40, 0.30, 0.20\n"
    )


@pytest.mark.parametrize(
    ("status", "code", "line"),
    [
        (
            401,
            2,
            "error: not authorized to read the node — run `ring login` or set RING_TOKEN",
        ),
        (403, 2, "error: not authorized to read the node"),
        (404, 4, "error: node: request failed (404)"),
        (500, 1, "error: node: request failed (500): disk full"),
    ],
)
def test_node_refused(ring: Ring, stub: Stub, status: int, code: int, line: str) -> None:
    stub.on("GET /node/get", problem(status, "no", "disk full"))
    ended = ring("node", "get")
    assert (ended.code, ended.out, ended.err) == (code, "", line + "\n")
