from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from ring.core.model import labels
from ring.core.model.observed import State
from ring.core.model.spec import (
    Config,
    DeploymentSpec,
    Network,
    Port,
    Quantities,
    Resources,
    User,
    Volume,
)
from ring.runtimes import ownership
from ring.runtimes.base import File, Unavailable
from ring.runtimes.docker import mapping
from tests.runtimes.docker.orders import order

ID = "c" * 64
LISTED = {
    "Id": ID,
    "Names": ["/other/link", "/shop_web_0a1b2c3d"],
    "Created": 1_700_000_000,
    "State": "running",
    "Labels": {"ring_deployment": "d-1", "ring.server": "s-1"},
    "HostConfig": {"NetworkMode": "ring_shop"},
    "NetworkSettings": {
        "Networks": {
            "by-hand": {"IPAddress": "172.30.0.9"},
            "ring_shop": {"IPAddress": "172.18.0.2"},
        }
    },
}
INSPECTED = {
    "Id": ID,
    "Name": "/shop_web_0a1b2c3d",
    "Created": "2026-01-02T03:04:05.123456789Z",
    "State": {
        "Status": "exited",
        "ExitCode": 137,
        "OOMKilled": True,
        "FinishedAt": "2026-01-02T03:05:00.5Z",
    },
    "Config": {"Labels": {"ring_deployment": "d-1", "ring.server": "s-1"}},
    "HostConfig": {"NetworkMode": "ring_shop"},
    "NetworkSettings": {"Networks": {"ring_shop": {"IPAddress": ""}}},
}


def test_the_whole_create_body() -> None:
    body = mapping.create_body(
        order(
            command=("serve", "--all"),
            environment={"A": "1", "B": "x=y"},
            labels={
                "team": "blue",
                "ring.team": "theirs",
                "ring.name": "stolen",
                "ring_deployment": "stolen",
            },
            ports=(Port(published=8080, target=80), Port(published=8081, target=80)),
            volumes=(
                Volume(type="bind", source="/srv", destination="/data", permission="ro"),
                Volume(type="volume", source="files", destination="/files", permission="rw"),
            ),
            resources=Resources(
                limits=Quantities(cpu="0.5", memory="128Mi"),
                requests=Quantities(cpu="1m", memory="64Mi"),
            ),
        )
    )
    assert body == {
        "Image": "nginx@sha256:" + "a" * 64,
        "Cmd": ["serve", "--all"],
        "Env": ["A=1", "B=x=y"],
        "Labels": {
            "team": "blue",
            "ring.team": "theirs",
            "ring_deployment": "d-1",
            "ring.managed": "true",
            "ring.namespace": "shop",
            "ring.name": "web",
            "ring.kind": "worker",
            "ring.server": "s-1",
            "ring.instance": "shop_web_0a1b2c3d",
            "ring.image": "sha256:" + "a" * 64,
            "ring.network": "ring_shop",
        },
        "ExposedPorts": {"80/tcp": {}},
        "User": "",
        "HostConfig": {
            "NetworkMode": "ring_shop",
            "Privileged": False,
            "PortBindings": {
                "80/tcp": [
                    {"HostIp": "", "HostPort": "8080"},
                    {"HostIp": "", "HostPort": "8081"},
                ]
            },
            "Mounts": [
                {"Type": "bind", "Source": "/srv", "Target": "/data", "ReadOnly": True},
                {"Type": "volume", "Source": "files", "Target": "/files", "ReadOnly": False},
            ],
            "NanoCpus": 500_000_000,
            "Memory": 134217728,
            "CpuShares": 2,
            "MemoryReservation": 67108864,
            "ReadonlyRootfs": False,
            "Init": False,
        },
        "NetworkingConfig": {
            "EndpointsConfig": {"ring_shop": {"Aliases": ["web", "shop_web_0a1b2c3d"]}}
        },
    }


def test_every_label_of_its_own_is_written() -> None:
    stolen = dict.fromkeys(labels.OWN, "stolen")
    written = ownership.instance_labels(order(labels=stolen))
    assert set(written) == labels.OWN - {labels.HEALTH}, "which its health check tells"
    assert "stolen" not in written.values()


def test_on_the_hosts_network_it_has_no_other() -> None:
    body = mapping.create_body(order(network=Network(mode="host")))
    assert isinstance(body["HostConfig"], dict)
    assert body["HostConfig"]["NetworkMode"] == "host"
    assert "NetworkingConfig" not in body


@pytest.mark.parametrize(
    ("user", "written", "privileged"),
    [
        (None, "", False),
        (User(id=1000), "1000", False),
        (User(id=0, group=0, privileged=True), "0:0", True),
        (User(privileged=True), "", True),
    ],
)
def test_the_user(user: User | None, written: str, privileged: bool) -> None:
    body = mapping.create_body(order(config=Config(user=user)))
    assert body["User"] == written
    assert isinstance(body["HostConfig"], dict)
    assert body["HostConfig"]["Privileged"] is privileged
    assert "UsernsMode" not in body["HostConfig"]


@pytest.mark.parametrize(
    ("user", "mode", "written"),
    [
        (User(userns="keep-id"), "keep-id", ""),
        (User(userns="keep-id", id=1000), "keep-id:uid=1000,gid=1000", "1000:1000"),
        (User(userns="keep-id", id=1000, group=50), "keep-id:uid=1000,gid=50", "1000:50"),
        (User(userns="keep-id", id=1000, group=0), "keep-id:uid=1000,gid=1000", "1000:0"),
        (User(userns="keep-id", id=0), None, "0:0"),
    ],
)
def test_who_the_engines_user_is_inside(user: User, mode: str | None, written: str) -> None:
    body = mapping.create_body(order(config=Config(user=user)))
    assert isinstance(body["HostConfig"], dict)
    assert body["HostConfig"].get("UsernsMode") == mode
    assert body["User"] == written


CHECK = {"interval": "2s", "timeout": "750ms", "on_failure": "restart"}


def body_of(**members: object) -> dict[str, object]:
    """The create body of a spec with these members."""
    plain = order()
    whole = plain.spec.model_dump(mode="json", exclude_defaults=True) | members
    spec = DeploymentSpec.model_validate_json(json.dumps(whole))
    return mapping.create_body(replace(plain, spec=spec))


def test_the_first_readiness_command_is_watched_by_the_engine_too() -> None:
    command = {**CHECK, "type": "command", "command": "test -f /ready"}
    checks = [
        command | {"command": "false"},
        {**CHECK, "type": "tcp", "port": 80, "readiness": True},
        command | {"readiness": True, "threshold": 7, "start_period": "1m"},
        command | {"readiness": True, "command": "true"},
    ]
    assert body_of(health_checks=checks)["Healthcheck"] == {
        "Test": ["CMD-SHELL", "test -f /ready"],
        "Interval": 2_000_000_000,
        "Timeout": 750_000_000,
        "StartPeriod": 60_000_000_000,
        "Retries": 7,
    }
    assert "Healthcheck" not in body_of(health_checks=checks[:2]), "the image decides"


@pytest.mark.parametrize(
    ("written", "expected"), [("soon", 0), ("0s", 0), (f"{10**20}h", 2**63 - 1)]
)
def test_durations_that_the_engine_cannot_take(written: str, expected: int) -> None:
    check = {**CHECK, "type": "command", "command": "true", "readiness": True, "interval": written}
    told = body_of(health_checks=[check])["Healthcheck"]
    assert isinstance(told, dict)
    assert (told["Interval"], told["StartPeriod"]) == (expected, 0)


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({}, (None, None)),
        ({"stop_signal": "SIGINT", "stop_grace_period": "1500ms"}, ("SIGINT", 2)),
        ({"stop_signal": "9", "stop_grace_period": "0s"}, ("9", 0)),
        ({"stop_grace_period": "soon"}, (None, None)),
    ],
)
def test_how_it_is_stopped(members: dict[str, object], expected: tuple[object, object]) -> None:
    body = body_of(**members)
    assert (body.get("StopSignal"), body.get("StopTimeout")) == expected


@pytest.mark.parametrize(
    ("home", "networks", "address"),
    [
        (
            "ring_shop",
            {"a": {"IPAddress": "1.1.1.1"}, "ring_shop": {"IPAddress": "2.2.2.2"}},
            "2.2.2.2",
        ),
        (
            "ring_shop",
            {"a": {"IPAddress": "1.1.1.1"}, "ring_shop": {"GlobalIPv6Address": "fd00::2"}},
            "fd00::2",
        ),
        (
            "ring_shop",
            {"a": {"GlobalIPv6Address": "fd00::1"}, "b": {"IPAddress": "1.1.1.1"}},
            "1.1.1.1",
        ),
        ("ring_shop", {"a": {"IPAddress": "", "GlobalIPv6Address": "fd00::1"}}, "fd00::1"),
        ("ring_shop", {"ring_shop": {"IPAddress": ""}}, None),
        ("host", {"host": {"IPAddress": ""}}, None),
        ("none", {"none": {"IPAddress": ""}}, None),
    ],
)
def test_where_it_can_be_reached(
    home: str, networks: dict[str, object], address: str | None
) -> None:
    entry = {
        **LISTED,
        "HostConfig": {"NetworkMode": home},
        "NetworkSettings": {"Networks": networks},
    }
    assert mapping.listed(entry).address == address


def test_an_empty_command_leaves_the_image_its_own() -> None:
    assert "Cmd" not in mapping.create_body(order())


def test_without_resources_nothing_is_limited() -> None:
    host = mapping.create_body(order())["HostConfig"]
    assert isinstance(host, dict)
    assert not {"NanoCpus", "Memory", "CpuShares", "MemoryReservation"} & set(host)
    assert "RestartPolicy" not in host


@pytest.mark.parametrize(
    ("host_ip", "default", "expected"),
    [
        (None, None, ""),
        (None, "127.0.0.1", "127.0.0.1"),
        ("::1", "127.0.0.1", "::1"),
    ],
)
def test_the_address_that_is_bound(host_ip: str | None, default: str | None, expected: str) -> None:
    ports = (Port(published=53, target=53, protocol="udp", host_ip=host_ip),)
    host = mapping.create_body(order(ports=ports, default_host_ip=default))["HostConfig"]
    assert isinstance(host, dict)
    assert host["PortBindings"] == {"53/udp": [{"HostIp": expected, "HostPort": "53"}]}


def test_a_listed_container() -> None:
    instance = mapping.listed(LISTED)
    assert (instance.id, instance.name) == (ID, "shop_web_0a1b2c3d")
    assert (instance.deployment_id, instance.server_id) == ("d-1", "s-1")
    assert instance.state is State.RUNNING
    assert instance.address == "172.18.0.2"
    assert instance.created_at == datetime.fromtimestamp(1_700_000_000, UTC)
    assert instance.exit is None


@pytest.mark.parametrize(("label", "made_as"), [("shop_web_1", "shop_web_1"), ("", None)])
def test_the_name_that_a_container_was_made_under(label: str, made_as: str | None) -> None:
    told = {"Labels": {labels.INSTANCE: label}}
    assert mapping.listed({**LISTED, **told}).made_as == made_as
    assert mapping.inspected({**INSPECTED, "Config": told}).made_as == made_as


def test_a_container_of_unknown_origin() -> None:
    instance = mapping.listed({**LISTED, "Names": None, "Labels": None, "NetworkSettings": None})
    assert instance.name == ID[:12]
    assert (instance.deployment_id, instance.server_id, instance.address) == ("", "", None)
    assert instance.made_as is None


@pytest.mark.parametrize(
    ("word", "state", "is_live"),
    [
        ("created", State.CREATED, False),
        ("restarting", State.STARTING, True),
        ("running", State.RUNNING, True),
        ("paused", State.PAUSED, True),
        ("exited", State.EXITED, False),
        ("dead", State.EXITED, False),
        ("removing", State.UNKNOWN, False),
        ("something new", State.UNKNOWN, False),
    ],
)
def test_states(word: str, state: State, is_live: bool) -> None:
    instance = mapping.listed({**LISTED, "State": word})
    assert (instance.state, instance.is_live, instance.exit) == (state, is_live, None)


def test_an_inspected_container_tells_its_exit() -> None:
    instance = mapping.inspected(INSPECTED)
    assert instance.created_at == datetime(2026, 1, 2, 3, 4, 5, 123456, UTC)
    assert instance.address is None
    assert instance.exit is not None
    assert (instance.exit.code, instance.exit.oom) == (137, True)
    assert instance.exit.finished_at == datetime(2026, 1, 2, 3, 5, 0, 500000, UTC)


def test_the_zero_time_is_no_time() -> None:
    state = {"Status": "dead", "ExitCode": 0, "FinishedAt": "0001-01-01T00:00:00Z"}
    instance = mapping.inspected({**INSPECTED, "State": state})
    assert instance.exit is not None
    assert instance.exit.finished_at is None


def test_a_running_container_has_no_exit() -> None:
    state = {"Status": "running", "ExitCode": 0, "FinishedAt": "0001-01-01T00:00:00Z"}
    assert mapping.inspected({**INSPECTED, "State": state}).exit is None


@pytest.mark.parametrize(
    "broken",
    [
        {**LISTED, "Id": None},
        {**LISTED, "State": 7},
        {**LISTED, "Created": "yesterday"},
        {**LISTED, "Created": 10**12},
        {**LISTED, "Created": -(10**30)},
        {**LISTED, "Names": "web"},
        {**LISTED, "Labels": []},
    ],
)
def test_what_cannot_be_read_is_not_guessed(broken: dict[str, object]) -> None:
    with pytest.raises(Unavailable):
        mapping.listed(broken)


LOCAL_ID, DIGEST = "sha256:" + "1" * 64, "sha256:" + "2" * 64


@pytest.mark.parametrize(
    ("written", "local_id", "told"),
    [
        (f"reg.example:5000/team/app@{DIGEST}", LOCAL_ID, DIGEST),
        ("reg.example:5000/team/app:2", LOCAL_ID, LOCAL_ID),
        (LOCAL_ID, LOCAL_ID, LOCAL_ID),
        ("app@broken", LOCAL_ID, LOCAL_ID),
        (None, LOCAL_ID, LOCAL_ID),
        ("app:2", None, None),
        ("app:2", "", None),
    ],
)
def test_the_image_it_was_made_of(
    written: str | None, local_id: str | None, told: str | None
) -> None:
    listed = mapping.listed({**LISTED, "Image": written, "ImageID": local_id})
    inspected = mapping.inspected({**INSPECTED, "Config": {"Image": written}, "Image": local_id})
    assert (listed.image_digest, inspected.image_digest) == (told, told)


def test_what_it_was_ordered_with_goes_before_what_the_engine_calls_it() -> None:
    ordered = "sha256:" + "d" * 64
    labels = {"ring_deployment": "d-1", "ring.image": ordered, "ring.network": "ring_shop"}
    podmans = {**LISTED, "Labels": labels, "HostConfig": {"NetworkMode": "host"}}
    listed = mapping.listed(podmans)
    assert listed.image_digest == ordered
    assert (listed.address, listed.is_attached) == ("172.18.0.2", True)
    alone = mapping.listed({**podmans, "NetworkSettings": {"Networks": {}}})
    assert (alone.address, alone.is_attached) == (None, False)


def test_files_are_mounted_read_only_and_not_by_their_volumes() -> None:
    body = mapping.create_body(
        order(
            volumes=(
                Volume(type="config", source="settings", key="a", destination="/etc/a"),
                Volume(type="secret", source="/key", destination="/run/key"),
            ),
            files=(
                File("/etc/a", b"x", "/var/lib/ring/configs/d-1/abc"),
                File("/run/key", b"copied", None),
            ),
        )
    )
    host = body["HostConfig"]
    assert isinstance(host, dict)
    assert host["Mounts"] == [
        {
            "Type": "bind",
            "Source": "/var/lib/ring/configs/d-1/abc",
            "Target": "/etc/a",
            "ReadOnly": True,
        }
    ]


def test_nothing_that_an_order_carries_shows_in_it() -> None:
    one = order(environment={"A": "canary"}, files=(File("/run/key", b"canary", None),))
    assert "canary" not in repr(one)
