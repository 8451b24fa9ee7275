"""Objects that no route can make yet, and lists of any length."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ring.api import wire
from ring.api.wire.base import TURN
from ring.api.wire.texts import RowTexts
from ring.clock import rfc3339
from ring.core.model import process_settings
from ring.core.model.deployment import Deployment
from ring.core.model.ids import DeploymentId, InstanceName
from ring.core.model.logs import LogLevel, LogRecord
from ring.core.model.spec import DeploymentSpec
from ring.core.model.status import Status
from tests.api.world import manifest
from tests.core.bodies import FULL

AT = datetime(2027, 3, 2, 8, 15, 4, 120934, UTC)
SETTINGS = ("security", *process_settings.NAMES)
NULLS = {"server": None, "username": None, "password": None, "user": None}


def _shown(*, row: dict[str, Any] | None = None, **members: object) -> wire.DeploymentShape:
    spec = DeploymentSpec.model_validate_json(json.dumps(manifest(**members)))
    shown = Deployment(
        DeploymentId("d1"),
        spec,
        Status.RUNNING,
        datetime(2027, 3, 2, tzinfo=UTC),
        parent_id=DeploymentId("d0"),
        image_digest="sha256:1",
    )
    return wire.deployment(replace(shown, **(row or {})))


def test_a_child_names_its_parent_and_digest() -> None:
    shown = _shown()
    assert (shown["parent_id"], shown["image_digest"]) == ("d0", "sha256:1")


TIMES = {"interval": "5s", "timeout": "1s"}


@pytest.mark.parametrize(
    ("declared", "shown"),
    [
        (
            {"type": "tcp", "port": 80, **TIMES, "on_failure": "alert"},
            {"threshold": 3, "readiness": False},
        ),
        (
            {"type": "http", "url": "http://localhost/", **TIMES, "on_failure": "stop"},
            {"threshold": 3, "readiness": False},
        ),
        (
            {
                "type": "command", "command": "true", **TIMES, "on_failure": "restart",
                "threshold": 2, "readiness": True, "min_healthy_time": "0s", "start_period": "9s",
            },
            {},
        ),
    ],
)  # fmt: skip
def test_a_health_check_is_shown_as_declared(
    declared: dict[str, object], shown: dict[str, object]
) -> None:
    assert _shown(health_checks=[declared])["health_checks"] == [{**declared, **shown}]


def test_what_is_not_declared_is_not_shown() -> None:
    absent = {"health_checks", "autoscale", "desired_replicas", "auto_rollback", "stopped"}
    absent |= {"manifest", "resources", "network", *SETTINGS}
    assert not absent & _shown().keys()


@pytest.mark.parametrize(("decided", "effective"), [(None, 2), (1, 2), (3, 3), (9, 4)])
def test_an_autoscaled_one_shows_its_effective_target(decided: int | None, effective: int) -> None:
    policy = {"min": 2, "max": 4, "target_cpu": 60.5}
    shown = _shown(row={"desired_replicas": decided}, autoscale=policy)
    assert (shown["autoscale"], shown["desired_replicas"]) == (policy, effective)
    assert shown["replicas"] == 1


def test_a_leftover_decision_without_a_policy_is_not_shown() -> None:
    assert "desired_replicas" not in _shown(row={"desired_replicas": 3})


def test_further_members_are_shown_as_declared() -> None:
    shown = _shown(
        row={"stopped": True}, auto_rollback=False, stop_grace_period="30s", stop_signal="SIGINT"
    )
    assert (shown["auto_rollback"], shown["stopped"]) == (False, True)
    assert (shown["stop_grace_period"], shown["stop_signal"]) == ("30s", "SIGINT")


def test_security_and_process_settings_are_shown_as_declared() -> None:
    declared = {name: FULL[name] for name in SETTINGS}
    assert {name: _shown(**declared)[name] for name in SETTINGS} == declared  # type: ignore[literal-required]  # names of a table
    few: dict[str, Any] = {
        "security": {"hardened": True},
        "tmpfs": [{"destination": "/t"}],
        "devices": [{"source": "/dev/fuse", "permissions": "rwm"}],
        "init": False,
    }
    assert {name: _shown(**few)[name] for name in few} == few  # type: ignore[literal-required]  # the same


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


@given(st.text(), st.sampled_from(LogLevel), st.sampled_from([AT, "2027/01/01 00:00:00", None]))
def test_a_line_of_a_log_is_one_line_of_json(
    message: str, level: LogLevel, at: datetime | str | None
) -> None:
    text = wire.log(LogRecord(InstanceName("shop_web_1"), message, level, at, "stderr"))
    assert "\n" not in text
    assert json.loads(text) == {
        "instance": "shop_web_1",
        "message": message,
        "level": level,
        "timestamp": rfc3339(at) if isinstance(at, datetime) else at,
        "stream": "stderr",
    }
