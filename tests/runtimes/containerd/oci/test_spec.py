from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ring.core.model.failures import FailureClass
from ring.runtimes.base import RuntimeFailure
from ring.runtimes.containerd.oci import capabilities
from ring.runtimes.containerd.oci.spec import Surroundings, build
from ring.runtimes.containerd.oci.users import ResolvedUser
from tests.runtimes.containerd.orders import image, order

IMAGE = image(command=("nginx",), environment=("A=1",), directory="/srv")
AROUND = Surroundings(
    directory=Path("/var/lib/ring/containerd/shop_web_0a1b2c3d"),
    netns="/run/netns/shop_web_0a1b2c3d",
    cgroups_path="/ring/shop_web_0a1b2c3d",
    has_cgroup_v2=True,
    apparmor=None,
    mounts=(),
    user=ResolvedUser(0, 0, (0, 10), "/root"),
)
SYSCTLS = {
    "net.ipv4.ip_unprivileged_port_start": "0",
    "net.ipv4.ping_group_range": "0 2147483647",
}


def built(
    members: dict[str, object] | None = None, around: Surroundings = AROUND
) -> dict[str, Any]:
    found = build(order(members, environment={"B": "2"}), IMAGE, around, {"ring.name": "web"})
    told: dict[str, Any] = json.loads(json.dumps(found))
    assert told == found, "it is as JSON has it"
    return told


def test_what_every_instance_is() -> None:
    spec = built()
    process, linux = spec["process"], spec["linux"]
    assert spec["ociVersion"] == "1.0.2"
    assert spec["root"] == {"path": "rootfs", "readonly": False}
    assert spec["hostname"] == "web"
    assert spec["annotations"] == {"ring.name": "web"}
    assert process["args"] == ["nginx"]
    assert process["cwd"] == "/srv"
    assert process["user"] == {"uid": 0, "gid": 0, "additionalGids": [0, 10]}
    assert {"A=1", "B=2", "HOSTNAME=web", "HOME=/root"} < set(process["env"])
    assert (process["terminal"], process["noNewPrivileges"]) == (False, False)
    assert process["oomScoreAdj"] == 0
    assert {name.removeprefix("CAP_") for name in process["capabilities"]["effective"]} == (
        capabilities.DEFAULT
    )
    assert linux["cgroupsPath"] == "/ring/shop_web_0a1b2c3d"
    assert linux["resources"]["pids"] == {"limit": -1}
    assert linux["devices"] == []
    assert linux["sysctl"] == SYSCTLS
    assert linux["seccomp"]["defaultAction"] == "SCMP_ACT_ERRNO"
    assert "/proc/kcore" in linux["maskedPaths"]
    assert "/proc/sys" in linux["readonlyPaths"]


def test_namespaces() -> None:
    def kinds(around: Surroundings) -> list[dict[str, str]]:
        found: list[dict[str, str]] = built(around=around)["linux"]["namespaces"]
        return found

    own = [{"type": kind} for kind in ("pid", "ipc", "uts", "mount")]
    network = {"type": "network", "path": AROUND.netns}
    assert kinds(AROUND) == [*own, {"type": "cgroup"}, network]
    assert kinds(replace(AROUND, has_cgroup_v2=False, netns=None)) == own


@pytest.mark.parametrize(
    ("members", "found"),
    [
        ({"network": {"mode": "none"}}, SYSCTLS),
        ({"network": {"mode": "host"}}, {}),
        ({"network": {"mode": "shared"}, "sysctls": {"kernel.sem": "1"}}, {"kernel.sem": "1"}),
        (
            {"sysctls": {"net.ipv4.ip_unprivileged_port_start": "1024"}},
            {**SYSCTLS, "net.ipv4.ip_unprivileged_port_start": "1024"},
        ),
    ],
)
def test_sysctls(members: dict[str, object], found: dict[str, str]) -> None:
    assert built(members)["linux"]["sysctl"] == found


def test_a_hardened_one() -> None:
    around = replace(AROUND, user=ResolvedUser(1000, 0, (0,), "/"))
    spec = built(
        {
            "config": {"user": {"id": 1000}},
            "security": {"hardened": True, "cap_add": ["NET_BIND_SERVICE"]},
        },
        around,
    )
    assert spec["root"]["readonly"] is True
    assert spec["process"]["noNewPrivileges"] is True
    for held in spec["process"]["capabilities"].values():
        assert held == ["CAP_NET_BIND_SERVICE"]
    named = {name for rule in spec["linux"]["seccomp"]["syscalls"] for name in rule["names"]}
    assert "chroot" not in named


def test_a_privileged_one() -> None:
    spec = built(
        {
            "config": {"user": {"privileged": True}},
            "devices": [{"source": "/dev/zero", "destination": "/dev/null"}],
        }
    )
    linux = spec["linux"]
    assert "seccomp" not in linux
    assert (linux["maskedPaths"], linux["readonlyPaths"]) == ([], [])
    assert linux["resources"]["devices"] == [{"allow": True, "access": "rwm"}]
    by_path = {node["path"]: node for node in linux["devices"]}
    assert len(by_path) == len(linux["devices"])
    assert by_path["/dev/null"]["minor"] == 5, "the order's own wins"
    held = {f"CAP_{name}" for name in capabilities.available()}
    assert set(spec["process"]["capabilities"]["bounding"]) == held
    (sys,) = [mount for mount in spec["mounts"] if mount["destination"] == "/sys"]
    assert "ro" not in sys["options"]


def test_process_settings() -> None:
    mount: dict[str, object] = {
        "destination": "/data",
        "type": "bind",
        "source": "/src",
        "options": ["rbind"],
    }
    spec = built(
        {
            "init": True,
            "hostname": "web-1",
            "devices": [{"source": "/dev/zero", "permissions": "r"}],
            "resources": {"limits": {"cpu": "0.5", "memory": "64Mi"}},
            "ulimits": {"core": 0},
            "security": {"seccomp": "unconfined"},
        },
        replace(AROUND, init="/usr/bin/tini-static", mounts=(mount,)),
    )
    assert spec["hostname"] == "web-1"
    assert spec["process"]["args"] == ["/.ring-init", "--", "nginx"]
    assert [each["type"] for each in spec["process"]["rlimits"]] == ["RLIMIT_CORE", "RLIMIT_NOFILE"]
    assert {"/.ring-init", "/data"} <= {each["destination"] for each in spec["mounts"]}
    assert "seccomp" not in spec["linux"]
    resources = spec["linux"]["resources"]
    assert resources["devices"][-1] == {
        "allow": True,
        "type": "c",
        "major": 1,
        "minor": 5,
        "access": "r",
    }
    assert resources["cpu"] == {"quota": 50_000, "period": 100_000}
    assert resources["memory"]["limit"] == 67_108_864


def test_a_profile_of_a_file() -> None:
    profile = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": []}
    members: dict[str, object] = {"security": {"seccomp": "/etc/ring/web.json"}}
    found = built(members, replace(AROUND, seccomp=json.dumps(profile)))
    assert found["linux"]["seccomp"] == profile
    with pytest.raises(RuntimeFailure, match=r"'/etc/ring/web\.json' is not a seccomp profile"):
        built(members)


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ({"security": {"apparmor": "no-such-profile"}}, "'no-such-profile' is not loaded"),
        ({"devices": [{"source": "/dev/no-such-device"}]}, "'/dev/no-such-device'"),
    ],
)
def test_what_the_host_does_not_have_is_named(members: dict[str, object], why: str) -> None:
    with pytest.raises(RuntimeFailure, match=why) as caught:
        built(members)
    assert caught.value.failure.kind is FailureClass.INSTANCE_REJECTED
