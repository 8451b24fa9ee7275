"""Secrets and volumes as an operator has them: kept, never shown, guarded, and a changed key."""

from __future__ import annotations

import base64
import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.e2e.conftest import MakeRing
    from tests.e2e.story import Story

pytestmark = pytest.mark.engine

VALUE = "correct-horse-battery-staple"
REFUSED = "Volume is referenced by deployments"


def test_a_secret_is_kept_and_never_shown(make_ring: MakeRing) -> None:
    ring = make_ring()
    ring.start()
    ring.login()
    body = {"namespace": "shop", "name": "db", "value": VALUE}
    assert ring.ask("POST", "/secrets", body)[0] == 404
    assert ring.ask("POST", "/namespaces", {"name": "shop"})[0] == 201
    status, made = ring.ask("POST", "/secrets", body)
    assert status == 201
    answers = [
        ring.ask("GET", "/secrets"),
        ring.ask("GET", f"/secrets/{made['id']}"),
        ring.ask("PUT", f"/secrets/{made['id']}", {"value": VALUE}),
        ring.ask("POST", "/secrets", body),
        ring.ask("POST", "/secrets", {**body, "name": "!"}),
        ring.ask("GET", "/namespaces/shop/audit"),
    ]
    assert [status for status, _ in answers[:5]] == [200, 200, 200, 409, 422]
    assert VALUE not in repr(answers)
    listed = ring.run("secret", "list")
    assert (listed.code, "db" in listed.out) == (0, True), listed
    assert ring.stop() == 0
    files = [*ring.home.glob("ring.db*"), ring.log, ring.banner]
    assert not [file for file in files if VALUE.encode() in file.read_bytes()]


def test_a_server_with_another_key_says_so_and_goes_on(make_ring: MakeRing) -> None:
    ring = make_ring()
    ring.start()
    ring.login()
    ring.ask("POST", "/namespaces", {"name": "shop"})
    body = {"namespace": "shop", "name": "db", "value": VALUE}
    made = ring.ask("POST", "/secrets", body)[1]
    assert ring.stop() == 0
    key = ring.home / "secret-key"
    former = key.read_text()
    key.write_text(base64.b64encode(os.urandom(32)).decode())
    ring.start()
    said = ring.log.read_text()
    assert "RING_SECRET_KEY is not the key that the stored secrets were encrypted with" in said
    assert said.count("RING_SECRET_KEY") == 1
    assert VALUE not in said
    assert ring.ask("GET", f"/secrets/{made['id']}")[0] == 200
    assert ring.stop() == 0
    key.write_text(former)
    ring.start()
    assert ring.log.read_text().count("RING_SECRET_KEY") == 1
    assert ring.stop() == 0


def test_a_volume_that_is_mounted_is_forgotten_only_by_force(story: Story) -> None:
    mount = {"type": "volume", "source": f"{story.namespace}-data", "destination": "/data"}
    body = {"namespace": story.namespace, "name": mount["source"]}
    assert story.ring.ask("POST", "/namespaces", {"name": story.namespace})[0] == 201
    status, volume = story.ring.ask("POST", "/volumes", body)
    assert status == 201
    story.applied(story.worker(volumes=[mount]))
    story.wait_whole(1)
    path = f"/volumes/{volume['id']}"
    status, refused = story.ring.ask("DELETE", path)
    assert (status, refused["detail"]) == (409, REFUSED)
    assert refused["deployments"] == [f"{story.namespace}/web"]
    assert story.ring.ask("DELETE", f"{path}?force=true") == (204, None)
    assert story.status() == "running"
