"""The machine that Ring runs on."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tests.api.measured import Measured

if TYPE_CHECKING:
    from pathlib import Path

    from tests.api.world import World


def test_what_the_kernel_says(world: World, tmp_path: Path) -> None:
    measured = Measured(world, tmp_path)
    measured.files.write("proc/uptime", "91234.56 1234567.89\n")
    measured.files.write("proc/loadavg", "0.40 0.30 0.20 2/345 6789\n")

    shown = world.call("GET", "/node/get").json

    assert list(shown) == [
        "hostname",
        "os",
        "arch",
        "uptime",
        "cpu_count",
        "memory_total",
        "memory_available",
        "load_average",
    ]
    assert (shown["hostname"], shown["os"]) == (os.uname().nodename, "linux")
    assert shown["arch"] == os.uname().machine
    assert shown["uptime"] == "91234s"
    assert shown["cpu_count"] == os.cpu_count()
    assert shown["memory_total"] == 16_303_428 * 1024 / 1024**3
    assert shown["memory_available"] == 11_992_736 * 1024 / 1024**3
    assert shown["load_average"] == [0.4, 0.3, 0.2]


def test_a_kernel_that_says_little_leaves_no_null(world: World) -> None:
    shown = world.call("GET", "/node/get").json

    assert (shown["uptime"], shown["load_average"]) == ("0s", [0.0, 0.0, 0.0])
    assert (shown["memory_total"], shown["memory_available"]) == (0.0, 0.0)


def test_who_may_ask(world: World) -> None:
    assert world.call("GET", "/node/get", token=None).status == 401
    assert world.call("GET", "/node/get", token=world.token(scopes=["users:read"])).status == 403
    reader = world.token(scopes=["deployments:read"])
    assert world.call("GET", "/node/get", token=reader).status == 200
