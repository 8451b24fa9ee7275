"""Commands whose answer depends on what really runs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.story import STEADY

if TYPE_CHECKING:
    from tests.e2e.story import Story

pytestmark = pytest.mark.engine

VALUE = "sesame-canary"


def test_metrics_are_shown_with_their_limit(story: Story) -> None:
    limits = {"limits": {"memory": "64Mi"}}
    story.applied(story.worker(resources=limits))
    story.wait_whole(1)
    shown = story.ring.run("deployment", "metrics", f"{story.namespace}/web")
    assert shown.code == 0, shown
    assert re.search(r"Instances *: *[1-9]", shown.out)
    assert re.search(r"Total Memory  : .* / 64\.00 MiB", shown.out)

    table = story.ring.run("top", "--once", "-n", story.namespace)
    assert (table.code, table.err) == (0, "")
    (container,) = story.docker.running(story.namespace)
    assert re.search(rf"\| web +\| {container.name} +\| [0-9.]+ +\| .* \| 64\.00 MiB ", table.out)
    seen = story.ring.read("top", "--once", "--by", "deployment")
    (sample,) = (one for one in seen["samples"] if one["namespace"] == story.namespace)
    assert (sample["deployment"], sample["instance"]) == ("web", "1")
    assert sample["memory"]["usage_bytes"] > 0


def test_prune_keeps_what_runs_and_says_so(story: Story) -> None:
    failing = story.worker("job", command=["/no/such/program"])
    story.applied(story.worker(), failing)
    story.wait_whole(1)
    story.wait_for("crash_loop_back_off", "job", within_s=40)
    pruned = story.ring.run("namespace", "prune", story.namespace)
    assert pruned.code == 0, pruned
    assert "  Deleted: 1\n" in pruned.out
    assert "  Skipped (active): 1" in pruned.out
    story.wait_gone("job")
    assert story.status() == "running"


@pytest.mark.parametrize("how", ["environment", "volume"])
def test_a_secret_in_use_is_deleted_only_by_force(story: Story, how: str) -> None:
    secret = story.secret("door", VALUE)
    uses: dict[str, Any] = (
        {"environment": {"DOOR": {"secretRef": "door"}}}
        if how == "environment"
        else {"volumes": [{"type": "secret", "source": "door", "destination": "/run/door"}]}
    )
    story.applied(story.worker(**uses))
    story.wait_whole(1)

    refused = story.ring.run("secret", "delete", secret)
    assert refused.code == 5, refused
    assert f"  - {story.namespace}/web" in refused.err
    assert story.ring.ask("GET", f"/secrets/{secret}")[0] == 200

    status, problem = story.ring.ask("DELETE", f"/secrets/{secret}?force=false")
    assert status == 409
    assert problem["deployments"] == [f"{story.namespace}/web"]
    assert problem["hint"] == "Use ?force=true to delete anyway"

    forced = story.ring.run("secret", "delete", secret, "--force")
    assert (forced.code, forced.out) == (0, f"Secret {secret} deleted\n")
    assert story.status() == "running"


def test_a_bare_delete_of_a_secret_in_use_warns(story: Story) -> None:
    secret = story.secret("door", VALUE)
    story.applied(story.worker(environment={"DOOR": {"secretRef": "door"}}))
    story.wait_whole(1)
    status, warned = story.ring.ask("DELETE", f"/secrets/{secret}")
    assert status == 200
    assert (warned["deleted"], warned["deployments"]) == (True, [f"{story.namespace}/web"])
    assert story.ring.ask("GET", f"/secrets/{secret}")[0] == 404


def test_a_deployment_shows_the_reference_and_never_the_value(story: Story) -> None:
    story.secret("door", VALUE)
    story.applied(story.worker(environment={"DOOR": {"secretRef": "door"}}))
    (container,) = story.wait_whole(1)
    code, inside = story.docker.run(container.id, "sh", "-c", "echo $DOOR")
    assert (code, inside.strip()) == (0, VALUE)
    assert story.row()["environment"] == {"DOOR": {"secretRef": "door"}}
    shown = story.ring.run("deployment", "inspect", f"{story.namespace}/web")
    assert VALUE not in shown.out


def test_apply_sees_a_changed_secret_and_config(story: Story) -> None:
    secret = story.secret("door", VALUE)
    config = story.config("site", index="one")
    mount = {"type": "config", "source": "site", "key": "index", "destination": "/etc/site"}
    web = story.worker(
        environment={"DOOR": {"secretRef": "door"}}, volumes=[mount], command=list(STEADY)
    )
    assert "created" in story.applied(web).out
    story.wait_whole(1)
    assert "unchanged" in story.applied(web).out
    assert story.ring.ask("PUT", f"/secrets/{secret}", {"value": "another"})[0] == 200
    assert "created" in story.applied(web).out
    story.wait_whole(1)
    body = {"name": "site", "data": '{"index":"two"}'}
    assert story.ring.ask("PUT", f"/configs/{config}", body)[0] == 200
    assert "created" in story.applied(web).out
    (container,) = story.wait_whole(1)
    assert story.docker.run(container.id, "cat", "/etc/site")[1] == "two"
    assert "unchanged" in story.applied(web).out
