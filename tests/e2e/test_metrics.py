"""What real instances take, as the API and Prometheus are told."""

from __future__ import annotations

import http.client
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.polling import wait_until

if TYPE_CHECKING:
    from tests.e2e.conftest import Tell
    from tests.e2e.story import Story

pytestmark = pytest.mark.engine

LIMIT_BYTES = 64 * 1024 * 1024


def exposed(story: Story) -> dict[str, float]:
    """The series of the story's namespace, and those without one."""
    with closing(http.client.HTTPConnection("127.0.0.1", story.ring.port, timeout=10)) as asked:
        asked.request("GET", "/metrics")
        reply = asked.getresponse()
        assert reply.getheader("content-type") == "text/plain; version=0.0.4; charset=utf-8"
        text = reply.read().decode()
    return {
        sample.name: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.labels.get("namespace", story.namespace) == story.namespace
    }


def test_two_replicas_are_measured(tell: Tell) -> None:
    story = tell(interval_s=1)
    limits = {"limits": {"memory": "64Mi"}}
    story.applied(story.worker(replicas=2, resources=limits))
    story.wait_whole(2)

    status, shown = story.ring.ask("GET", f"/deployments/{story.row()['id']}/metrics")

    assert status == 200
    assert shown["instance_count"] == 2
    assert shown["total_memory"]["usage_bytes"] > 0
    assert shown["total_memory"]["limit_bytes"] == 2 * LIMIT_BYTES
    ids = {one["instance_id"] for one in shown["instances"]}
    assert {len(one) for one in ids} == {12}
    assert len(ids) == 2
    assert all(one["memory"]["limit_bytes"] == LIMIT_BYTES for one in shown["instances"])
    assert shown["total_pids"] >= 2

    wait_until(
        lambda: exposed(story).get("ring_deployment_instances") == 2, 15, "both are in the snapshot"
    )
    found = exposed(story)
    assert found["ring_deployment_memory_limit_bytes"] == 2 * LIMIT_BYTES
    assert found["ring_deployment_network_rx_bytes_total"] > 0
    assert found["ring_runtime_last_refresh_seconds"] > 0


def test_the_node(story: Story) -> None:
    status, shown = story.ring.ask("GET", "/node/get")

    assert status == 200
    assert 0 < shown["memory_available"] < shown["memory_total"]
    assert shown["cpu_count"] >= 1
    assert shown["uptime"].endswith("s")
