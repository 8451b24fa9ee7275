"""`ring apply`: what it refuses, what it replaces, what it says and its exit status."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.e2e.conftest import MakeRing
    from tests.e2e.story import Story

pytestmark = pytest.mark.engine


def test_a_refused_deployment_does_not_hold_up_the_others(story: Story) -> None:
    answer = story.apply(
        story.worker("first"),
        story.worker("broken", labels={"ring_deployment": "x"}, replicas=2, command=[""]),
        story.worker("last"),
    )
    assert answer.code == 1
    assert "Unable to apply deployment 'broken': Validation failed (422)\n" in answer.err
    assert "  * labels" in answer.err
    assert answer.out.endswith("\nSummary:\n  Successful: 2\n  Failed: 1\n")
    story.wait_whole(1, "first")
    story.wait_whole(1, "last")
    assert story.rows("broken") == []


def test_an_unreadable_manifest_sends_nothing(story: Story) -> None:
    answer = story.ring.run("apply", "-f", "-", stdin="deployments: {web: [")
    assert answer.code == 1
    assert answer.err.startswith("Error: ")
    missing = story.ring.run("apply", "-f", "nowhere.yaml")
    assert missing.code == 1
    assert missing.err.startswith("Error: Failed to read file: nowhere.yaml")
    assert story.rows() == []


def test_the_exit_status_tells_what_kind_of_failure_it_was(
    story: Story, make_ring: MakeRing
) -> None:
    ring = story.ring
    nobody = make_ring(port=ring.port)
    manifest = json.dumps({"deployments": {"web": story.worker()}})
    denied = nobody.run("apply", "-f", "-", stdin=manifest)
    assert denied.code == 2
    assert "Login first or set RING_TOKEN" in denied.err
    forged = nobody.run("deployment", "list", environment={"RING_TOKEN": "forged"})
    assert forged.code == 2
    assert ring.run("deployment", "list", "--no-such-flag").code == 2
    wrong = nobody.run("login", "-u", "admin", "--password-stdin", stdin="not it")
    assert wrong.code == 2

    lost = make_ring()
    shutil.copy(ring.home / "auth.json", lost.home / "auth.json")
    unreachable = lost.run("apply", "-f", "-", stdin=manifest)
    assert unreachable.code == 3
    assert f"http://127.0.0.1:{lost.port}" in unreachable.err

    for verb in ("inspect", "delete", "events"):
        assert ring.run("deployment", verb, f"{story.namespace}/web").code == 4

    assert ring.run("namespace", "create", story.namespace).code == 0
    assert ring.run("namespace", "create", story.namespace).code == 5
    assert story.rows() == []


def test_a_namespace_that_is_there_already_is_no_failure(story: Story) -> None:
    text = json.dumps(
        {
            "namespaces": {"mine": {"name": story.namespace}},
            "deployments": {"web": story.worker()},
        }
    )
    first = story.ring.run("apply", "-f", "-", stdin=text)
    assert (first.code, first.err) == (0, "")
    assert f"Namespace '{story.namespace}' created\n" in first.out
    again = story.ring.run("apply", "-f", "-", stdin=text)
    assert (again.code, again.err) == (0, "")
    assert f"Namespace '{story.namespace}' already exists, skipping\n" in again.out
    assert "Deployment 'web' unchanged\n" in again.out
    story.wait_whole(1)


def test_a_change_replaces_the_row_and_its_containers(story: Story) -> None:
    story.applied(story.worker(replicas=2))
    before = {one.id for one in story.wait_whole(2)}
    old = story.row()
    story.applied(story.worker(replicas=2, environment={"COLOUR": "blue"}))
    after = {one.id for one in story.wait_whole(2)}
    new = story.row()
    assert new["id"] != old["id"]
    assert after.isdisjoint(before)
    (event,) = story.told("force_replace")
    assert (event.level, event.component) == ("warning", "api")
    assert "no health checks" in event.message
    assert old["id"] in event.message
    assert story.ring.run("deployment", "inspect", old["id"]).code == 4


def test_an_apply_can_be_forced(story: Story) -> None:
    story.applied(story.worker())
    before = {one.id for one in story.wait_whole(1)}
    answer = story.applied(story.worker(), flags=("--force",))
    assert "Deployment 'web' created\n" in answer.out
    after = {one.id for one in story.wait_whole(1)}
    assert after.isdisjoint(before)
    (event,) = story.told("force_replace")
    assert "force=true" in event.message


def test_a_dry_run_needs_no_server(make_ring: MakeRing) -> None:
    ring = make_ring()
    fields = {"namespace": "shop", "runtime": "docker", "image": "nginx:1"}
    good = {"deployments": {"web": {"name": "web", **fields}}}
    answer = ring.run("apply", "--dry-run", "-f", "-", stdin=json.dumps(good))
    assert answer.code == 0
    assert answer.err.startswith("Warning: offline preview: no credentials for context 'default'")
    assert f"Would POST to: http://127.0.0.1:{ring.port}/deployments\n" in answer.out
    assert "DRY RUN COMPLETE - No actual changes were made\n" in answer.out

    bad = {"deployments": {"web": {"name": "not a name", **fields}}}
    refused = ring.run("apply", "--dry-run", "-f", "-", stdin=json.dumps(bad))
    assert refused.code == 1
    assert "Validation failed (dry run)" in refused.err


def test_secrets_of_a_manifest_are_not_shown(story: Story) -> None:
    config = {
        "image_pull_policy": "IfNotPresent",
        "server": "registry.example",
        "username": "reader",
        "password": "hunter2-do-not-show",
    }
    answer = story.apply(story.worker(config=config), flags=("--verbose",))
    told = story.ring.run("deployment", "list", "-o", "json")
    for text in (answer.out, answer.err, told.out, story.ring.log.read_text()):
        assert "hunter2" not in text
