"""The command line against the API itself: what one sends the other takes, and the way back."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from tests.api.world import World
from tests.cli.stub import Answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.conftest import Ring
    from tests.cli.stub import Request, Stub


@pytest.fixture
def world(ring: Ring, stub: Stub) -> Iterator[World]:
    """A server's API behind the stub's door; the user is its admin."""
    made = World()

    def forward(request: Request) -> Answer:
        reply = made.call(
            request.method,
            request.target,
            token=None,
            body=request.body or None,
            headers={"Authorization": request.headers["Authorization"]},
        )
        return Answer(reply.status, reply.body, reply.headers)

    stub.otherwise = forward
    ring.environ["RING_TOKEN"] = made.admin
    yield made
    made.close()


def ids(ring: Ring) -> dict[str, str]:
    """Of the deployments, by name."""
    listed = json.loads(ring("deployment", "list", "-o", "json").out)
    return {row["name"]: row["id"] for row in listed}


@pytest.mark.usefixtures("world")
def test_namespaces(ring: Ring) -> None:
    made = ring("namespace", "create", "shop")
    assert made.out.startswith("Namespace 'shop' created (id: ")
    again = ring("namespace", "create", "shop")
    assert again.code == 5
    assert "already exists" in again.err
    bad = ring("namespace", "create", "--", "-")
    assert bad.code == 1
    assert bad.err.startswith("Failed to create namespace '-': Validation failed (422)\n  * name: ")
    assert "| shop " in ring("namespace").out


def test_metrics_and_checks(ring: Ring, world: World) -> None:
    world.apply()
    ((name, found),) = ids(ring).items()
    shown = ring("deployment", "metrics", found)
    assert (shown.code, shown.err) == (0, "")
    assert shown.out.startswith(
        f"DEPLOYMENT METRICS: {name}\n===================\nInstances     : 0\n"
    )
    checks = ring("deployment", "health-checks", found, "--latest", "--limit", "5")
    assert checks.out == f"No health check results for deployment {found}\n"
    assert ring("deployment", "health-checks", found, "-o", "json").out == "[]\n"
    for verb in ("metrics", "health-checks", "inspect", "logs", "events"):
        missing = ring("deployment", verb, "missing")
        assert missing.code == 4
        assert "'missing' not found" in missing.err
        assert "404" not in missing.err


def test_the_node(ring: Ring, world: World) -> None:
    world.user("vera", "viewer")
    ring.environ["RING_TOKEN"] = world.session("vera")
    shown = ring("node")
    assert (shown.code, shown.err) == (0, "")
    labels = [line.partition(" : ")[0].strip() for line in shown.out.splitlines()[2:]]
    assert labels == [
        *("Hostname", "OS", "Architecture", "Uptime", "CPU Cores", "Memory Total"),
        *("Memory Available", "Load Average"),
    ]
    assert re.search(r"^Memory Total     : [0-9]+\.[0-9]{2} GiB$", shown.out, re.MULTILINE)
    ring.environ["RING_TOKEN"] = world.token("vera", ["namespaces:read"])
    refused = ring("node")
    assert (refused.code, refused.err) == (2, "error: not authorized to read the node\n")


def test_prune(ring: Ring, world: World) -> None:
    world.apply(name="kept")
    world.apply(name="gone")
    found = ids(ring)
    assert ring("deployment", "delete", found["gone"]).code == 0
    namespace = json.loads(ring("deployment", "list", "-o", "json").out)[0]["namespace"]
    nowhere = ring("namespace", "prune", "nowhere")
    assert (nowhere.code, nowhere.out) == (0, "\nSummary:\n  Deleted: 0\n")
    pruned = ring("namespace", "prune", namespace)
    assert pruned.code == 0
    assert pruned.out == (
        f"Deployment {found['gone']} deleted\n\nSummary:\n  Deleted: 1\n"
        "  Skipped (active): 1 — use --all to delete them too\n"
    )
    assert ring("namespace", "prune", namespace, "--all").out.endswith("  Deleted: 2\n")


SITE = """\
name: site
namespaces: {{ s: {{ name: shop }} }}
deployments:
  web: {{ name: web, namespace: shop, image: "nginx:1.27", replicas: {replicas} }}
"""
OLD = '  old: { name: old, namespace: shop, image: "nginx:1.27" }\n'


@pytest.mark.usefixtures("world")
def test_apply_again_and_again(ring: Ring) -> None:
    path = ring.home / "ring.yaml"

    def apply(text: str, *words: str) -> tuple[int, str, str]:
        path.write_text(text)
        ended = ring("apply", "-f", str(path), *words)
        return ended.code, ended.out, ended.err

    code, out, err = apply(SITE.format(replicas=2))
    assert (code, err) == (0, "")
    (found,) = ids(ring).values()
    assert f"Deployment 'web' created\n  id: {found}\n" in out
    assert "Namespace 'shop' already exists, skipping\n" in apply(SITE.format(replicas=2))[1]
    assert "Deployment 'web' unchanged\n" in apply(SITE.format(replicas=2))[1]
    assert "Deployment 'web' scaled from 2 to 5\n" in apply(SITE.format(replicas=5))[1]
    assert ids(ring) == {"web": found}
    shown = json.loads(ring("deployment", "inspect", found, "-o", "json").out)
    assert (shown["manifest"], shown["replicas"], shown["revision"]) == ("site", 5, 2)
    code, _, err = apply(SITE.format(replicas=5) + OLD.replace("name: old", "name: '-'"))
    assert code == 1
    assert err.startswith("Unable to apply deployment '-': Validation failed (422)\n  * name: ")


def test_apply_prunes_its_own(ring: Ring, world: World) -> None:
    path = ring.home / "ring.yaml"
    world.apply(name="foreign", namespace="shop")
    path.write_text(SITE.format(replicas=1) + OLD)
    assert ring("apply", "-f", str(path)).code == 0
    before = ids(ring)
    path.write_text(SITE.format(replicas=1))
    ended = ring("apply", "-f", str(path), "--prune", "--yes")
    assert (ended.code, ended.err) == (0, "")
    assert f"  - shop/old ({before['old']})\nDeployment 'shop/old' pruned\n" in ended.out
    listed = json.loads(ring("deployment", "list", "-o", "json").out)
    assert {row["name"]: row["status"] == "deleted" for row in listed} == {
        "foreign": False,
        "web": False,
        "old": True,
    }
    again = ring("apply", "-f", str(path), "--prune", "--yes")
    assert (again.code, "pruned" in again.out) == (0, False)


def test_apply_without_the_scope(ring: Ring, world: World) -> None:
    path = ring.home / "ring.yaml"
    path.write_text(SITE.format(replicas=1))
    world.user("vera", "viewer")
    ring.environ["RING_TOKEN"] = world.session("vera")
    ended = ring("apply", "-f", str(path))
    assert ended.code == 2
    assert ended.err.startswith("Failed to create namespace 'shop': ")
    assert "Unable to apply deployment 'web': " in ended.err
