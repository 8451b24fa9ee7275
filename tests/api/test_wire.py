"""Objects that no route can make yet, and lists of any length."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime

import pytest

from ring.api import wire
from ring.api.wire.base import TURN
from ring.api.wire.texts import RowTexts
from ring.core.model.deployment import Deployment
from ring.core.model.ids import DeploymentId
from ring.core.model.spec import DeploymentSpec
from ring.core.model.status import Status
from tests.api.world import manifest

NULLS = {"server": None, "username": None, "password": None, "user": None}


def _shown(**members: object) -> wire.DeploymentShape:
    spec = DeploymentSpec.model_validate_json(json.dumps(manifest(**members)))
    row = Deployment(
        DeploymentId("d1"),
        spec,
        Status.RUNNING,
        datetime(2027, 3, 2, tzinfo=UTC),
        parent_id=DeploymentId("d0"),
        image_digest="sha256:1",
    )
    return wire.deployment(row)


def test_a_child_names_its_parent_and_digest() -> None:
    shown = _shown()
    assert (shown["parent_id"], shown["image_digest"]) == ("d0", "sha256:1")


@pytest.mark.parametrize(
    ("config", "more"),
    [
        ({}, {}),
        ({"username": "mira", "password": "hunter2"}, {"username": "mira", "password": "***"}),
        ({"use_host_auth": True}, {"use_host_auth": True}),
        ({"use_host_auth": False}, {}),
        ({"image_pull_secret": "acme"}, {"image_pull_secret": "acme"}),
        ({"user": {"id": 5}}, {"user": {"id": 5, "group": None, "privileged": None}}),
        (
            {"user": {"privileged": False, "userns": "keep-id"}},
            {"user": {"id": None, "group": None, "privileged": False, "userns": "keep-id"}},
        ),
    ],
)
def test_config_shows_nulls_and_hides_the_password(
    config: dict[str, object], more: dict[str, object]
) -> None:
    shown = _shown(config=config)
    assert shown["config"] == {"image_pull_policy": "Always", **NULLS, **more}
    assert "hunter2" not in json.dumps(shown)


def test_a_secret_stays_a_reference() -> None:
    shown = _shown(environment={"KEY": {"secretRef": "api-key"}, "MODE": "x"})
    assert shown["environment"] == {"KEY": {"secretRef": "api-key"}, "MODE": "x"}


def test_relabel_is_shown_when_set() -> None:
    volume = {"type": "bind", "source": "/a", "destination": "/b", "relabel": "shared"}
    assert _shown(volumes=[volume])["volumes"][0]["relabel"] == "shared"


@pytest.mark.parametrize(
    "resources",
    [
        {},
        {"limits": {"cpu": "500m"}},
        {"requests": {"memory": "64Mi"}},
        {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {}},
    ],
)
def test_resources_are_shown_as_declared(resources: dict[str, object]) -> None:
    assert _shown(resources=resources).get("resources") == resources


def test_a_long_list_is_written_in_turns_with_others() -> None:
    count = 3 * TURN + 1
    spec = DeploymentSpec.model_validate(manifest())
    rows = [
        Deployment(DeploymentId(f"d{n}"), spec, Status.RUNNING, datetime(2027, 3, 2, tzinfo=UTC))
        for n in range(count)
    ]

    async def main() -> None:
        turns = 0

        async def other() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        beside = asyncio.create_task(other())
        listed = await wire.answer_list(range(count), lambda n: {"n": n})
        assert json.loads(bytes(listed.body)) == [{"n": n} for n in range(count)]
        assert turns > count // TURN
        turns = 0
        shown = ((row, ()) for row in rows)
        text = await RowTexts().listed(shown, addresses=False, rows=count)
        assert [each["id"] for each in json.loads(text)] == [row.id for row in rows]
        assert turns > count // TURN
        beside.cancel()

    asyncio.run(main())


def test_a_list_of_nothing() -> None:
    assert asyncio.run(wire.answer_list([], lambda n: {"n": n})).body == b"[]"
