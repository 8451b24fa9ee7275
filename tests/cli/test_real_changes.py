"""The commands that change a deployment, against the API itself."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.cli.test_real_api import ids, world

if TYPE_CHECKING:
    from pathlib import Path

    from tests.api.world import World
    from tests.cli.conftest import Ring

__all__ = ["world"]

SITE = """\
name: site
deployments:
  web:
    name: web
    namespace: shop
    image: "web:{tag}"
    replicas: {replicas}
    environment: {{ LOG: {log} }}
"""


@pytest.fixture
def manifest(ring: Ring, world: World) -> Path:
    """Applied once."""
    del world
    path = ring.home / "ring.yaml"
    path.write_text(SITE.format(tag=1, replicas=2, log="info"))
    assert ring("apply", "-f", str(path)).code == 0
    return path


def test_what_would_change(ring: Ring, manifest: Path) -> None:
    same = ring("diff", "-f", str(manifest), "--exit-code")
    assert (same.code, same.err) == (0, "")
    assert same.out == "shop/web: unchanged\n\nSummary: 1 unchanged\n"
    manifest.write_text(SITE.format(tag=1, replicas=3, log="info"))
    more = ring("diff", "-f", str(manifest))
    assert more.out.splitlines()[:2] == ["shop/web: scaled from 2 to 3", "  replicas: 2 -> 3"]
    manifest.write_text(SITE.format(tag=2, replicas=3, log="debug"))
    other = ring("diff", "-f", str(manifest), "--exit-code")
    assert other.code == 2
    assert '  image: "web:1" -> "web:2"\n' in other.out
    assert '  environment.LOG: "info" -> "debug"\n' in other.out
    previewed = ring("apply", "-f", str(manifest), "--dry-run", "--exit-code")
    assert (previewed.code, previewed.err) == (2, "")
    assert other.out.partition("\n\n")[0] in previewed.out
    as_json = json.loads(ring("diff", "-f", str(manifest), "-o", "json").out)
    assert as_json["deployments"][0]["action"] == "replace"
    assert ring("diff", "-f", str(manifest), "--exit-code").code == 2


def test_a_dry_run_is_refused_as_the_apply_would_be(ring: Ring, manifest: Path) -> None:
    manifest.write_text(SITE.format(tag=1, replicas=1, log="info") + "    runtime: podman\n")
    for words in (("apply",), ("apply", "--dry-run"), ("diff",)):
        ended = ring(*words, "-f", str(manifest))
        assert ended.code == 1
        assert "Validation failed (422)\n  * runtime: " in ended.err


def test_history_and_the_way_back(ring: Ring, manifest: Path) -> None:
    first = ids(ring)["web"]
    manifest.write_text(SITE.format(tag=2, replicas=2, log="info"))
    assert ring("apply", "-f", str(manifest)).code == 0
    shown = ring("deployment", "history", "shop/web", "-v")
    assert (shown.code, shown.err) == (0, "")
    assert "| 2*       |" in shown.out
    assert 'Revision 2*\n  image:\n    - "web:1"\n    + "web:2"\n' in shown.out
    missing = ring("deployment", "rollback", "shop/web", "--to", "7")
    assert missing.code == 4
    assert missing.err.startswith("Unable to roll back deployment 'shop/web': ")
    back = ring("deployment", "rollback", "shop/web", "--to", "1", "--reason", "worse")
    assert (back.code, back.err) == (0, "")
    assert back.out.startswith("Deployment 'shop/web' rolling back: replaced at once by ")
    assert first not in back.out
    assert '"image":"web:1"' in ring("deployment", "inspect", "shop/web", "-o", "json").out
    (latest, *_) = json.loads(ring("deployment", "history", "shop/web", "-o", "json").out)
    assert (latest["revision"], latest["cause"], latest["current"]) == (3, "rollback", True)
    assert "admin: worse" in ring("deployment", "events", "shop/web").out


@pytest.mark.usefixtures("manifest")
def test_restart_scale_stop_and_start(ring: Ring) -> None:
    restarted = ring("deployment", "restart", "shop/web", "--reason", "new certificate")
    assert (restarted.code, restarted.err) == (0, "")
    assert restarted.out.startswith("Deployment 'shop/web' restarting: ")
    assert "new certificate" in ring("deployment", "events", "shop/web").out
    scaled = ring("deployment", "scale", "shop/web", "5")
    assert (scaled.code, scaled.out) == (0, "Deployment 'shop/web' scaled from 2 to 5\n")
    again = ring("deployment", "scale", "shop/web", "5")
    assert again.out == "Deployment 'shop/web' unchanged\n"
    assert ring("deployment", "stop", "shop/web").out == "Deployment 'shop/web' stopped\n"
    assert "| 0/0 " in ring("deployment", "list").out
    assert "Stopped      : yes\n" in ring("deployment", "inspect", "shop/web").out
    assert ring("deployment", "stop", "shop/web").out.endswith("unchanged: it is stopped\n")
    assert ring("deployment", "start", "shop/web").out == "Deployment 'shop/web' started\n"
    assert ring("deployment", "start", "shop/web").out.endswith("unchanged: it is not stopped\n")
    for verb in ("restart", "stop", "start", "rollback"):
        assert ring("deployment", verb, "missing").code == 4
    assert ring("deployment", "scale", "missing", "1").code == 4


@pytest.mark.usefixtures("manifest")
def test_a_reason_has_its_bounds(ring: Ring) -> None:
    ended = ring("deployment", "stop", "shop/web", "--reason", "x" * 257)
    assert ended.code == 1
    assert "  * reason: " in ended.err


@pytest.mark.usefixtures("manifest")
def test_a_viewer_changes_nothing(ring: Ring, world: World) -> None:
    world.user("vera", "viewer")
    ring.environ["RING_TOKEN"] = world.session("vera")
    for words in (("restart",), ("stop",), ("start",), ("rollback",)):
        ended = ring("deployment", *words, "shop/web")
        assert ended.code == 2
        assert ended.err.startswith("Unable to ")
    assert ring("deployment", "why", "shop/web").code == 0
    assert ring("deployment", "history", "shop/web").code == 0


@pytest.mark.usefixtures("manifest")
def test_why(ring: Ring) -> None:
    shown = ring("deployment", "why", "shop/web")
    assert (shown.code, shown.err) == (0, "")
    assert shown.out.startswith("Status    : creating\nState     : ")
    assert f"| {ids(ring)['web']} | 1        | current | creating |" in shown.out
