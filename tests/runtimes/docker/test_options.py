"""Security and process settings as the engine is told them."""

from __future__ import annotations

from typing import Any

import pytest

from ring.core.rules.security import OPTIONS
from ring.runtimes.docker import mapping, modules, options
from tests.core.bodies import FULL
from tests.runtimes.docker.orders import order

SETTINGS = {name: FULL[name] for name in FULL if name in OPTIONS}
SECURITY: dict[str, Any] = {
    "hardened": True, "cap_add": ["CHOWN"], "cap_drop": ["CHOWN"], "read_only": True,
    "no_new_privileges": True, "seccomp": "unconfined", "apparmor": "web",
    "selinux": {"type": "web"},
}  # fmt: skip
FOUND = options.Found(seccomp='{"defaultAction":"SCMP_ACT_ALLOW"}', gateway="172.18.0.1")


def host_config(found: options.Found = mapping.NOTHING_FOUND, **members: Any) -> dict[str, Any]:
    body = mapping.create_body(order(**members), found)
    told = body["HostConfig"]
    assert isinstance(told, dict)
    return told


@pytest.mark.parametrize("name", sorted(OPTIONS))
def test_what_is_promised_is_told_to_the_engine(name: str) -> None:
    """Some of it is promised only on a host that has the module."""
    assert name in options.HONOURED | set(modules.OPTIONS.values())
    section, _, member = name.rpartition(".")
    members = {section: {member: SECURITY[member]}} if section else {member: FULL[member]}
    asked = mapping.create_body(order(**members), FOUND)
    is_told = asked != mapping.create_body(order(), FOUND)
    assert is_told or name == "stop_grace_period"  # of each stop, not of the instance


def test_every_setting_reaches_the_engine() -> None:
    told = host_config(FOUND, **SETTINGS)
    assert told["Tmpfs"] == {"/scratch": "size=1048576,mode=1777"}
    assert told["Ulimits"] == [
        {"Name": "nofile", "Soft": 10, "Hard": -1},
        {"Name": "core", "Soft": -1, "Hard": -1},
    ]
    assert told["Sysctls"] == {"net.core.somaxconn": "1024"}
    assert told["Devices"] == [
        {"PathOnHost": "/dev/fuse", "PathInContainer": "/dev/fuse", "CgroupPermissions": "rw"}
    ]
    assert told["ShmSize"] == 64 * 1024 * 1024
    assert told["Init"] is True
    assert told["ExtraHosts"] == ["db.local:10.0.0.1", "gw:172.18.0.1"]
    assert mapping.create_body(order(**SETTINGS))["Hostname"] == "web-1"


def test_what_is_left_out_takes_the_engines_default() -> None:
    told = host_config()
    assert not told.keys() & {
        "CapAdd", "CapDrop", "SecurityOpt", "Tmpfs", "Ulimits", "Sysctls", "Devices",
        "ExtraHosts", "ShmSize",
    }  # fmt: skip
    assert "Hostname" not in mapping.create_body(order())
    assert host_config(tmpfs=[{"destination": "/t"}])["Tmpfs"] == {"/t": ""}
    (device,) = host_config(devices=[{"source": "/dev/fuse"}])["Devices"]
    assert (device["PathInContainer"], device["CgroupPermissions"]) == ("/dev/fuse", "rwm")


def test_without_a_gateway_of_its_own_the_engine_decides() -> None:
    assert host_config(extra_hosts={"gw": "host-gateway"})["ExtraHosts"] == ["gw:host-gateway"]
    assert host_config(FOUND, extra_hosts={"db": "::1"})["ExtraHosts"] == ["db:::1"]


def test_hardened() -> None:
    told = host_config(security={"hardened": True, "cap_add": ["CAP_NET_BIND_SERVICE"]})
    assert (told["CapDrop"], told["CapAdd"]) == (["ALL"], ["NET_BIND_SERVICE"])
    assert told["ReadonlyRootfs"] is True
    assert told["SecurityOpt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize(
    ("security", "told"),
    [
        ({"seccomp": "default"}, None),
        ({"seccomp": "unconfined"}, ["seccomp=unconfined"]),
        ({"seccomp": "/etc/profile.json"}, [f"seccomp={FOUND.seccomp}"]),
        ({"apparmor": "web"}, ["apparmor=web"]),
        ({"apparmor": "unconfined"}, ["apparmor=unconfined"]),
        ({"selinux": {"disable": True}}, ["label=disable"]),
        (
            {"selinux": {"level": "s0:c1,c2", "type": "t", "user": "u", "role": "r"}},
            ["label=user:u", "label=role:r", "label=type:t", "label=level:s0:c1,c2"],
        ),
    ],
)
def test_profiles_and_labels(security: dict[str, Any], told: list[str] | None) -> None:
    found = FOUND if security.get("seccomp", "").startswith("/") else mapping.NOTHING_FOUND
    assert host_config(found, security=security).get("SecurityOpt") == told
