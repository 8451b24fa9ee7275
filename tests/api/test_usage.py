"""What a deployment's instances take, measured as somebody asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ring.api import wire
from ring.core.model.ids import DeploymentId, InstanceId, InstanceName
from ring.core.model.usage import Measured as One
from ring.core.model.usage import Usage
from tests.api.measured import Measured

if TYPE_CHECKING:
    from pathlib import Path

    from tests.api.world import World


@pytest.fixture
def measured(world: World, tmp_path: Path) -> Measured:
    return Measured(world, tmp_path)


def test_two_replicas(measured: Measured) -> None:
    deployment = measured.running("one", "two", replicas=2)

    reply = measured.world.call("GET", f"/deployments/{deployment}/metrics")

    assert reply.status == 200
    memory = 102_400 - 12_288
    percent = memory / 67_108_864 * 100
    assert reply.json == {
        "deployment_id": deployment,
        "deployment_name": "web",
        "instance_count": 2,
        "total_cpu_usage_percent": 0.0,
        "total_memory": {
            "usage_bytes": 2 * memory,
            "limit_bytes": 2 * 67_108_864,
            "usage_percent": percent,
        },
        "total_network": {"rx_bytes": 3012, "tx_bytes": 352, "rx_packets": 38, "tx_packets": 8},
        "total_disk_io": {"read_bytes": 8392, "write_bytes": 16386},
        "total_pids": 6,
        "instances": [
            {
                "instance_id": f"0{number}-{name}",
                "instance_name": f"shop_web_{name}",
                "cpu_usage_percent": 0.0,
                "memory": {
                    "usage_bytes": memory,
                    "limit_bytes": 67_108_864,
                    "usage_percent": percent,
                },
                "network": {"rx_bytes": 1506, "tx_bytes": 176, "rx_packets": 19, "tx_packets": 4},
                "disk_io": {"read_bytes": 4196, "write_bytes": 8193},
                "pids": {"current": 3, "limit": 100},
                "restart_count": 0,
            }
            for number, name in enumerate(("one", "two"))
        ],
    }


def test_the_last_look_at_all_is_what_it_is_compared_with(measured: Measured) -> None:
    deployment = measured.running("one")
    measured.files.cpu("00-one", 0.0)
    measured.refresh()
    measured.world.clock.advance(10.0)
    measured.files.cpu("00-one", 1.25)

    shown = measured.world.call("GET", f"/deployments/{deployment}/metrics").json

    assert shown["total_cpu_usage_percent"] == shown["instances"][0]["cpu_usage_percent"] == 12.5


def test_nothing_runs(measured: Measured) -> None:
    deployment = measured.running()

    shown = measured.world.call("GET", f"/deployments/{deployment}/metrics").json

    assert (shown["instance_count"], shown["instances"]) == (0, [])
    assert shown["total_memory"] == {"usage_bytes": 0, "limit_bytes": 0, "usage_percent": 0.0}


def test_an_unknown_deployment_and_a_runtime_that_is_not_driven(measured: Measured) -> None:
    world = measured.world
    reply = world.call("GET", "/deployments/nope/metrics")
    assert (reply.status, reply.json["message"]) == (404, "Deployment not found")

    deployment = measured.running("one")
    measured.world.engine.statistics._runtimes = {}
    reply = world.call("GET", f"/deployments/{deployment}/metrics")
    assert reply.status == 404
    assert "docker" in reply.json["message"]


def test_the_boundary_and_the_scope(measured: Measured) -> None:
    world = measured.world
    deployment = measured.running()
    path = f"/deployments/{deployment}/metrics"

    elsewhere = world.token(scopes=["deployments:read"], namespaces=["lab"])
    assert world.call("GET", path, token=elsewhere).status == 403
    assert world.call("GET", path, token=world.token(scopes=["deployments:write"])).status == 403
    assert world.call("GET", path, token=world.token(scopes=["deployments:read"])).status == 200


def test_an_id_that_is_a_hash_is_told_by_its_beginning(measured: Measured) -> None:
    row = measured.world.store.deployment(DeploymentId(measured.running()))
    assert row is not None
    ids = ("0f3c9a1b2d4e" + "0" * 52, "shop_web_one-and-more-of-it")
    found = wire.usage(row, [One(InstanceId(one), InstanceName("n"), Usage()) for one in ids])

    assert [one["instance_id"] for one in found["instances"]] == ["0f3c9a1b2d4e", ids[1]]
