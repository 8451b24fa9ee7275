"""A deployment on the host's network: reached and probed there, and nowhere else."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from tests.e2e.both import ON_ALL
from tests.e2e.ring import free_port
from tests.e2e.story import WEB, probe

if TYPE_CHECKING:
    from tests.e2e.story import Story

pytestmark = pytest.mark.engine


@ON_ALL
def test_it_listens_on_the_host_and_is_probed_there(story: Story) -> None:
    port = free_port()
    deployment = story.worker(
        command=[*WEB[:2], WEB[2].replace("-p 80", f"-p 127.0.0.1:{port}")],
        network={"mode": "host"},
        health_checks=[
            probe(port=port),
            probe(type="http", url=f"http://localhost:{port}/", port=None),
        ],
    )
    story.applied(deployment)
    (container,) = story.wait_whole(1)
    with socket.create_connection(("127.0.0.1", port), 5):
        pass
    assert story.docker.is_on_host_network(container.id)
    assert not story.docker.has_network(story.namespace)
    row = story.row()
    assert row["network"] == {"mode": "host"}
    assert row["instances"] == [{"id": container.id}]
    assert {one["status"] for one in story.probes()[-2:]} == {"success"}

    # Two of them would want one port: the old one ends before the new one begins.
    story.applied({**deployment, "environment": {"NEW": "1"}})
    (after,) = story.wait_whole(1)
    assert after.id != container.id
    assert "host network" in story.told("force_replace")[0].message

    impossible = {
        "ports": [{"published": port, "target": port}],
        "replicas": 2,
        "autoscale": {"min": 1, "max": 2, "target_cpu": 50},
    }
    status, told = story.ring.ask("POST", "/deployments", {**deployment, **impossible})
    assert status == 422
    assert {(one["code"], one["property_path"]) for one in told["violations"]} == {
        ("deployment.ports.host_network_conflict", "ports"),
        ("deployment.replicas.host_network_conflict", "replicas"),
        ("deployment.autoscale.host_network_conflict", "autoscale.max"),
    }
    assert story.ids() == {after.id}
