"""The metrics page: every series in both forms, whatever else goes wrong."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ring.api import exposition, metrics
from ring.api.exposition import FIGURES
from ring.core.model.ids import DeploymentId
from ring.core.model.status import Status
from ring.core.model.usage import Snapshot, Taken, Usage
from tests.api.measured import Measured
from tests.api.world import ManualClock

if TYPE_CHECKING:
    from pathlib import Path

    from tests.api.client import Reply
    from tests.api.world import World

Labels = tuple[tuple[str, str], ...]

TEXT = "text/plain; version=0.0.4; charset=utf-8"
JSON = "application/json; charset=utf-8"
SNAPSHOT = {figure.name for figure in FIGURES}


@pytest.fixture
def measured(world: World, tmp_path: Path) -> Measured:
    return Measured(world, tmp_path)


def page(world: World, accept: str | None = None) -> Reply:
    headers = {} if accept is None else {"Accept": accept}
    reply = world.call("GET", "/metrics", token=None, headers=headers)
    assert reply.status == 200
    return reply


def samples(world: World) -> dict[tuple[str, Labels], float]:
    """Every series, read as Prometheus reads it; none may stand there twice."""
    found: dict[tuple[str, Labels], float] = {}
    for family in text_string_to_metric_families(page(world).body.decode()):
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in found
            found[key] = sample.value
    return found


def value(world: World, name: str, **labels: str) -> float:
    return samples(world)[name, tuple(sorted(labels.items()))]


def test_an_empty_server_in_both_forms(world: World) -> None:
    reply = page(world)

    assert reply.headers["content-type"] == TEXT
    found = samples(world)
    assert found["ring_deployments", ()] == 0
    assert found["ring_users", ()] == 1
    statuses = {
        dict(labels)["status"] for name, labels in found if name.endswith("ments_by_status")
    }
    assert statuses == set(Status)
    assert len(statuses) == 14
    for status in ("pending", "delivered", "dead"):
        assert found["ring_events_by_status", (("status", status),)] == 0
    for status in ("success", "failed", "timeout"):
        assert found["ring_health_checks_by_status", (("status", status),)] == 0
    assert found["ring_runtime_last_refresh_seconds", ()] == 0
    assert "# TYPE ring_unhealthy_deployments gauge\n" in reply.body.decode()
    assert not SNAPSHOT & {name for name, _ in found}


def test_the_same_numbers_as_json(measured: Measured) -> None:
    world = measured.world
    measured.running("one", "two")
    measured.put(measured.running(name="bad"), status=Status.CRASH_LOOP_BACK_OFF)
    measured.refresh()
    reply = page(world, "application/json")

    assert reply.headers["content-type"] == JSON
    found = reply.json
    text = samples(world)
    assert list(found) == [
        "deployments",
        "deployments_by_status",
        "deployments_by_runtime",
        "unhealthy_deployments_by_namespace",
        "namespaces",
        "secrets",
        "volumes",
        "users",
        "webhooks",
        "configs",
        "events_by_status",
        "health_checks_by_status",
        "runtime_last_refresh_seconds",
        "deployment_runtime",
    ]
    assert found["deployments"] == text["ring_deployments", ()] == 2
    assert found["deployments_by_status"] == {
        status: text["ring_deployments_by_status", (("status", status),)] for status in Status
    }
    assert found["deployments_by_runtime"] == {"docker": 2}
    assert found["unhealthy_deployments_by_namespace"] == [
        {"namespace": "shop", "status": "crash_loop_back_off", "count": 1}
    ]
    assert found["namespaces"] == text["ring_namespaces", ()] == 1
    refreshed = found["runtime_last_refresh_seconds"]
    assert refreshed == int(world.clock.wall().timestamp())
    (entry,) = found["deployment_runtime"]
    assert entry == {
        "name": "web",
        "namespace": "shop",
        "runtime": "docker",
        "instances": 2,
        "cpu_usage_percent": 0.0,
        "memory_usage_bytes": 2 * (102_400 - 12_288),
        "memory_limit_bytes": 2 * 67_108_864,
        "network_rx_bytes": 3012,
        "network_tx_bytes": 352,
        "disk_read_bytes": 8392,
        "disk_write_bytes": 16386,
        "pids": 6,
        "restarts": 0,
    }


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        (None, TEXT),
        ("*/*", TEXT),
        ("text/html, application/xhtml+xml", TEXT),
        ("application/json", JSON),
        ("text/plain, Application/JSON; charset=utf-8; q=0.1", JSON),
        ("application/json+x", TEXT),
        ("", TEXT),
    ],
)
def test_the_form_is_what_is_asked_for(world: World, accept: str | None, form: str) -> None:
    assert page(world, accept).headers["content-type"] == form


def test_what_deployments_take(measured: Measured) -> None:
    measured.running("one", "two")
    measured.refresh()

    found = {
        name: figure
        for (name, labels), figure in samples(measured.world).items()
        if len(labels) == 3
    }

    assert set(found) == SNAPSHOT
    assert found["ring_deployment_instances"] == 2
    assert found["ring_deployment_memory_limit_bytes"] == 2 * 67_108_864
    assert found["ring_deployment_network_rx_bytes_total"] == 3012
    lines = page(measured.world).body.decode()
    labels = '{deployment="web",namespace="shop",runtime="docker"}'
    assert f"\nring_deployment_cpu_usage_percent{labels} 0.00\n" in lines
    assert f"\nring_deployment_pids{labels} 6\n" in lines
    assert "# TYPE ring_deployment_restarts_total counter\n" in lines
    assert "# TYPE ring_deployment_pids gauge\n" in lines


def test_each_series_is_explained_once(measured: Measured) -> None:
    measured.running("one")
    measured.refresh()
    lines = page(measured.world).body.decode().splitlines()

    for word in ("HELP", "TYPE"):
        told = Counter(line.split()[2] for line in lines if line.startswith(f"# {word} "))
        assert set(told.values()) == {1}
        assert set(told) >= SNAPSHOT
    families = {line.split("{")[0].split(" ")[0] for line in lines if not line.startswith("#")}
    assert families == {line.split()[2] for line in lines if line.startswith("# TYPE")} - {
        "ring_unhealthy_deployments"
    }


def test_deleted_deployments_are_counted_by_status_alone(measured: Measured) -> None:
    world = measured.world
    deployment = measured.running()
    assert value(world, "ring_deployments") == 1

    assert world.call("DELETE", f"/deployments/{deployment}").status == 204

    assert value(world, "ring_deployments") == 0
    assert value(world, "ring_deployments_by_status", status="deleted") == 1
    assert value(world, "ring_deployments_by_runtime", runtime="docker") == 1


def test_rows_of_every_noun_are_counted(world: World) -> None:
    world.apply()
    for table, columns in (
        ("secret", "value"),
        ("config", "data"),
        ("volume", "host_path, backend_type"),
    ):
        blanks = ", ''" * (columns.count(",") + 1)
        world._write(
            f"INSERT INTO {table} (id, namespace, name, created_at, {columns})"  # noqa: S608 - literals
            f" VALUES ('1', 'shop', 'x', ''{blanks})"
        )
    for identity, revoked in (("1", None), ("2", "2027-01-01T00:00:00.000000Z")):
        world._write(
            "INSERT INTO webhook (id, url, events, created_at, revoked_at)"
            " VALUES (?, 'u', '[]', '', ?)",
            identity,
            revoked,
        )
    for number, status in enumerate(("pending", "dead", "dead")):
        world._write(
            "INSERT INTO event (id, kind, deployment_id, namespace, payload, status,"
            " next_attempt_at, created_at) VALUES (?, 'k', 'd', 'n', '{}', ?, '', '')",
            str(number),
            status,
        )

    found = samples(world)

    for noun, count in (("secrets", 1), ("configs", 1), ("volumes", 1), ("webhooks", 2)):
        assert found[f"ring_{noun}", ()] == count
    assert found["ring_namespaces", ()] == 1
    assert found["ring_events_by_status", (("status", "dead"),)] == 2
    assert found["ring_events_by_status", (("status", "pending"),)] == 1


@pytest.mark.parametrize(("table", "series"), [("event", "events"), ("health_check", "health")])
def test_what_cannot_be_counted_is_zero_and_logged_once(
    world: World, caplog: pytest.LogCaptureFixture, table: str, series: str
) -> None:
    world._write(f"DROP TABLE {table}")

    with caplog.at_level(logging.ERROR):
        found = samples(world)
        page(world)

    zeros = [figure for (name, _), figure in found.items() if name.startswith(f"ring_{series}")]
    assert zeros == [0, 0, 0]
    assert found["ring_users", ()] == 1
    assert len([one for one in caplog.records if "cannot be counted" in one.message]) == 1


def test_unhealthy_deployments_by_namespace(measured: Measured) -> None:
    for name, namespace in (("a", "shop"), ("b", "shop"), ("c", "lab")):
        deployment = measured.running(name=name, namespace=namespace)
        measured.put(deployment, status=Status.CRASH_LOOP_BACK_OFF)
    measured.running(name="fine")
    measured.put(measured.running(name="over"), status=Status.COMPLETED)

    found = {
        labels: figure
        for (name, labels), figure in samples(measured.world).items()
        if name == "ring_unhealthy_deployments"
    }
    status = ("status", "crash_loop_back_off")
    assert found == {(("namespace", "shop"), status): 2, (("namespace", "lab"), status): 1}


def test_label_values_are_escaped() -> None:
    odd = Taken(DeploymentId("1"), 'a"b\\c\nd', "n", "r", 1, Usage())

    written = exposition.figure_text(FIGURES[0], [odd], [exposition.label_text(odd)])

    assert 'deployment="a\\"b\\\\c\\nd"' in written
    (family,) = text_string_to_metric_families(written)
    assert family.samples[0].labels["deployment"] == 'a"b\\c\nd'


def test_nothing_is_written_down_again_for_the_same_snapshot(measured: Measured) -> None:
    measured.running("one")
    measured.refresh()
    world = measured.world
    page(world)
    before = world.app._services.metrics._written["text"]
    page(world)
    assert world.app._services.metrics._written["text"] is before

    measured.refresh()
    page(world)
    assert world.app._services.metrics._written["text"] is not before


def test_who_asks_meanwhile_shares_the_page(world: World) -> None:
    async def main() -> None:
        replies = [world.open("GET", "/metrics", token=None).reply() for _ in range(20)]
        pages = await asyncio.gather(*(world.app._services.metrics.page("text") for _ in range(20)))
        assert len({id(one) for one in pages}) == 1
        answers = await asyncio.gather(*replies)
        assert {one.status for one in answers} == {200}
        assert world.app._services.metrics._under_way == {}

    world.run(main())


def test_who_goes_away_takes_the_page_from_nobody(world: World) -> None:
    async def main() -> None:
        shared = world.app._services.metrics
        first = asyncio.create_task(shared.page("json"))
        second = asyncio.create_task(shared.page("json"))
        await asyncio.sleep(0)
        first.cancel()
        assert (await second).startswith(b'{"deployments":0,')
        assert first.cancelled()

    world.run(main())


def test_many_deployments_are_written_in_pieces(world: World) -> None:
    async def main() -> None:
        count = 2 * metrics.TURN + 1
        many = [
            Taken(DeploymentId(str(n)), f"web-{n}", "shop", "docker", 1, Usage(pids=n))
            for n in range(count)
        ]
        written = await metrics._json(Snapshot(world.clock.wall(), tuple(many)))
        names = [each["name"] for each in json.loads(f"[{written}]")]
        assert names == [f"web-{n}" for n in range(count)]

    world.run(main())


def test_counting_that_takes_long_is_done_seldom(world: World) -> None:
    class Slow(ManualClock):
        def mono(self) -> float:
            self.elapsed += 0.005
            return self.elapsed

    slow = Slow()
    shared = metrics.Metrics(world.store, world.engine, slow)

    def users() -> int:
        found: int = json.loads(world.run(shared.page("json")))["users"]
        return found

    assert users() == 1
    world.user("mira", "viewer")
    assert users() == 1
    slow.advance(0.6)
    assert users() == 2


def test_the_head_alone(world: World) -> None:
    reply = world.call("HEAD", "/metrics", token=None)
    assert (reply.status, reply.body) == (200, b"")
    assert reply.headers["content-type"] == TEXT
