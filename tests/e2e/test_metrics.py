"""What real instances take, as the API and Prometheus are told."""

from __future__ import annotations

import http.client
import os
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ring.core.model.ids import short_id
from tests.e2e.both import ON_ALL, ON_BOTH
from tests.e2e.polling import wait_until
from tests.e2e.proxy import Answer

if TYPE_CHECKING:
    from tests.e2e.conftest import Tell
    from tests.e2e.proxy import EngineProxy
    from tests.e2e.story import Story

pytestmark = pytest.mark.engine

LIMIT_BYTES = 64 * 1024 * 1024
BUSY = ["sh", "-c", "while :; do :; done"]
WORKED_S = 1.0
"""Of processor time: far more than the kernel's ticks are wide."""


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


def metrics(story: Story, name: str = "web") -> dict[str, Any]:
    status, shown = story.ring.ask("GET", f"/deployments/{story.row(name)['id']}/metrics")
    assert status == 200, shown
    found: dict[str, Any] = shown
    return found


@ON_ALL
def test_two_replicas_are_measured(tell: Tell) -> None:
    story = tell(interval_s=1)
    limits = {"limits": {"memory": "64Mi"}}
    story.applied(story.worker(replicas=2, resources=limits))
    containers = story.wait_whole(2)

    shown = metrics(story)

    assert shown["instance_count"] == 2
    assert shown["total_memory"]["usage_bytes"] > 0
    assert shown["total_memory"]["limit_bytes"] == 2 * LIMIT_BYTES
    ids = {one["instance_id"] for one in shown["instances"]}
    assert ids == {short_id(one.id) for one in containers}
    assert all(one["memory"]["limit_bytes"] == LIMIT_BYTES for one in shown["instances"])
    assert shown["total_pids"] >= 2

    wait_until(
        lambda: exposed(story).get("ring_deployment_instances") == 2, 15, "both are in the snapshot"
    )
    found = exposed(story)
    assert found["ring_deployment_memory_limit_bytes"] == 2 * LIMIT_BYTES
    assert found["ring_deployment_network_rx_bytes_total"] > 0
    assert found["ring_runtime_last_refresh_seconds"] > 0


@ON_ALL
def test_a_busy_loop_takes_all_that_it_gets_of_a_core(tell: Tell) -> None:
    """90 to 110 per cent where it has one for itself; the kernel's own account says what it had."""
    story = tell(interval_s=60)
    story.applied(story.worker(command=BUSY))
    (instance,) = story.wait_whole(1)
    pid = story.docker.pid(instance.id)
    metrics(story)
    began, before_s = time.monotonic(), processor_s(pid)
    wait_until(lambda: processor_s(pid) - before_s >= WORKED_S, 60, "it has worked for a while")

    shown = metrics(story)

    percent = (processor_s(pid) - before_s) / (time.monotonic() - began) * 100
    assert 0.9 * percent < shown["total_cpu_usage_percent"] < 1.1 * percent
    assert [one["cpu_usage_percent"] for one in shown["instances"]] == [
        shown["total_cpu_usage_percent"]
    ]


def processor_s(pid: int) -> float:
    """Seconds in user and system mode, as the kernel counts them for a process alone."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


@ON_BOTH
def test_neither_finished_nor_failing_instances_are_counted(tell: Tell, proxy: EngineProxy) -> None:
    story = tell(docker_host=proxy.host, interval_s=60)
    story.applied(
        story.worker("once", kind="job", command=["sh", "-c", "exit 0"]),
        story.worker(replicas=2),
    )
    failing, sound = story.wait_whole(2)
    story.wait_for("completed", "once")
    (kept,) = story.containers("once")
    assert kept.state in {"exited", "stopped"}, "Podman says so before it has tidied up"

    finished = metrics(story, "once")
    assert (finished["instance_count"], finished["instances"]) == (0, [])
    # A server that has asked which process it is asks no more.
    story.ring.stop()
    refused = proxy.rule(f"GET /containers/{failing.id}/json", Answer(500, b'{"message": "no"}'))
    story.ring.start()
    wait_until(lambda: metrics(story)["instance_count"] == 1, 10, "one is taken up")
    left = metrics(story)
    assert refused.met
    assert [one["instance_name"] for one in left["instances"]] == [sound.name]
    assert left["instance_count"] == 1
    proxy.lift(refused)
    assert metrics(story)["instance_count"] == 2


def test_the_node(story: Story) -> None:
    status, shown = story.ring.ask("GET", "/node/get")

    assert status == 200
    assert 0 < shown["memory_available"] < shown["memory_total"]
    assert shown["cpu_count"] >= 1
    assert shown["uptime"].endswith("s")
