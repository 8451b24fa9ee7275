"""The groups of the container engines."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.runtimes.docker.scripted import answer, engine, pong

if TYPE_CHECKING:
    from collections.abc import Callable

    from ring.doctor.report import Group
    from tests.doctor.world import Machine
    from tests.runtimes.docker.scripted import Script

DOCKER = "[server.runtime.docker]\nenabled = true\n"
PODMAN = "[server.runtime.podman]\nenabled = true\n"
CONTAINERD = "[server.runtime.containerd]\nenabled = true\n"
VERSION = {"Version": "26.1.4", "ApiVersion": "1.45", "MinAPIVersion": "1.24"}


def lines(group: Group) -> dict[str, tuple[bool, str]]:
    return {check.name: (check.ok, check.detail) for check in group.checks}


def with_engine(machine: Machine, told: Callable[[Script], None]) -> dict[str, Group]:
    """What doctor finds beside an engine that says what it was told to."""

    async def looking() -> dict[str, Group]:
        async with engine(machine.base) as script:
            script.say("GET /_ping", pong("1.45"))
            script.say("GET /version", answer(VERSION))
            script.say("GET /v1.43/_ping", answer("OK"))
            told(script)
            machine.environ["DOCKER_HOST"] = script.host
            return await machine.look()

    return asyncio.run(looking())


def untouched(_: Script) -> None:
    """As it is."""


def test_docker_without_a_docker_program(machine: Machine) -> None:
    machine.write(DOCKER)
    groups = with_engine(machine, untouched)
    assert list(groups) == ["Server", "Docker"]
    host = f"unix://{machine.base}/engine.sock"
    assert [str(check) for check in groups["Docker"].checks] == [
        f"  [+] docker: engine 26.1.4, API 1.24 to 1.45 (Ring speaks 1.43) at {host}",
        f"  [+] daemon: answers at {host}",
        "  [+] cgroups: version 2",
        "  [+] nft: not found; only network policies need it (package nftables)",
        "  [+] maturity: production",
    ]
    assert all(group.ok for group in groups.values())


def test_docker_that_is_away(machine: Machine) -> None:
    machine.write(DOCKER)
    found = lines(machine.groups()["Docker"])
    for name in ("docker", "daemon"):
        ok, detail = found[name]
        assert not ok
        assert f"unix://{machine.base}/no.sock" in detail
        assert "there is no socket" in detail


def test_docker_that_is_too_old(machine: Machine) -> None:
    machine.write(DOCKER)

    def old(script: Script) -> None:
        script.say("GET /version", answer({"Version": "1.0", "ApiVersion": "1.24"}))

    ok, detail = lines(with_engine(machine, old)["Docker"])["docker"]
    assert not ok
    assert "1.24 is too old" in detail


def test_docker_under_an_unknown_scheme(machine: Machine) -> None:
    machine.write(DOCKER + "host = 'ssh://h'\n")
    ok, detail = lines(machine.groups()["Docker"])["docker"]
    assert not ok
    assert "unknown scheme 'ssh'" in detail


def test_an_engine_that_says_nothing_costs_its_own_time_alone(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ring.doctor.report.PROBE_S", 0.05)
    machine.write(DOCKER)

    def silent(script: Script) -> None:
        for path in ("/_ping", "/version"):
            script.say(f"GET {path}", b"", hangs=True)

    found = lines(with_engine(machine, silent)["Docker"])
    assert found["docker"] == (False, "no answer within 0.05 s")
    assert found["daemon"] == (False, "no answer within 0.05 s")
    assert found["cgroups"][0]


def test_of_a_remote_engine_only_itself_is_told(machine: Machine) -> None:
    machine.write(DOCKER + "host = 'tcp://127.0.0.1:1'\n")
    assert list(lines(machine.groups()["Docker"])) == ["docker", "daemon", "maturity"]


@pytest.mark.parametrize("version", [1, None])
def test_control_groups(machine: Machine, version: int | None) -> None:
    machine.write(DOCKER)
    (machine.base / "root/sys/fs/cgroup/cgroup.controllers").unlink()
    if version:
        machine.file("/sys/fs/cgroup/memory/tasks")
    check = machine.check("Docker", "cgroups")
    assert check.ok is bool(version)
    assert ("version 1" in check.detail) is bool(version)


def test_podman_over_its_socket(machine: Machine) -> None:
    machine.write(PODMAN)
    found = lines(with_engine(machine, untouched)["Podman"])
    assert found["socket"][0]
    assert "engine 26.1.4" in found["socket"][1]
    assert found["maturity"] == (True, "beta")
    assert "adapter" not in found


def test_podman_that_is_long_about_itself_answers_all_the_same(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ring.doctor.containers.NOTICES_S", 0.05)
    machine.write(PODMAN)

    def slow(script: Script) -> None:
        script.say("GET /v4.0.0/libpod/info", b"", hangs=True)

    ok, detail = lines(with_engine(machine, slow)["Podman"])["socket"]
    assert ok
    assert "engine 26.1.4" in detail


def test_podman_without_names_says_so(machine: Machine) -> None:
    machine.write(PODMAN)
    host = {"networkBackend": "netavark", "networkBackendInfo": {"dns": {}}}

    def nameless(script: Script) -> None:
        script.say("GET /v4.0.0/libpod/info", answer({"host": host}))

    ok, detail = lines(with_engine(machine, nameless)["Podman"])["socket"]
    assert ok
    assert detail.endswith(
        "; instances do not find each other by name: aardvark-dns is not installed"
    )


@pytest.mark.parametrize(
    ("user", "hint"),
    [(0, "`systemctl start podman.socket`"), (1000, "`systemctl --user start podman.socket`")],
)
def test_podman_that_is_away(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, user: int, hint: str
) -> None:
    monkeypatch.setattr(os, "getuid", lambda: user)
    machine.write(PODMAN)
    found = lines(machine.groups()["Podman"])
    ok, detail = found["socket"]
    assert not ok
    assert hint in detail
    assert ("linger" in found) is (user != 0)


def test_podman_of_a_user(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 54321)
    machine.write(PODMAN)
    machine.file("/run/systemd/system/x")
    found = lines(machine.groups()["Podman"])
    assert not any(found[name][0] for name in ("subuid", "subgid", "linger"))
    assert "usermod --add-subuids" in found["subuid"][1]
    assert "loginctl enable-linger 54321" in found["linger"][1]
    machine.file("/etc/subuid", "other:1:1\n54321:100000:65536\n")
    machine.file("/etc/subgid", "54321:100000:65536\n")
    machine.file("/var/lib/systemd/linger/54321")
    found = lines(machine.groups()["Podman"])
    assert all(found[name][0] for name in ("subuid", "subgid", "linger"))


def test_containerd(machine: Machine) -> None:
    machine.write(CONTAINERD + "socket = '/nonexistent/no.sock'\n")
    machine.environ["CNI_PATH"] = "/cni"
    found = lines(machine.groups()["containerd"])
    assert not any(found[name][0] for name in ("socket", "CNI plugins", "runc shim", "iptables"))
    assert found["socket"][1].startswith("/nonexistent/no.sock: the engine at unix:///nonexistent/")
    assert "bridge, host-local, loopback not found in /cni" in found["CNI plugins"][1]
    assert "containerd-shim-runc-v2, runc" in found["runc shim"][1]
    for name in ("bridge", "host-local", "loopback"):
        machine.file(f"/cni/{name}", mode=0o755)
    for name in ("containerd-shim-runc-v2", "runc", "nft", "iptables"):
        machine.program(name)
    found = lines(machine.groups()["containerd"])
    assert all(
        found[name][0] for name in ("CNI plugins", "CNI rules", "runc shim", "nft", "iptables")
    )
    assert "Ring relays published ports itself, so programs do not see" in found["CNI rules"][1]
    machine.file("/cni/portmap", mode=0o755)
    machine.file("/cni/firewall", mode=0o755)
    assert machine.check("containerd", "CNI rules").detail == "portmap, firewall in /cni"


def test_what_is_no_containerd_is_told(machine: Machine) -> None:
    path = Path.cwd() / "x.sock"
    machine.write(CONTAINERD + f"socket = '{path}'\n")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("x.sock")
        listening.listen()
        threading.Thread(target=_hang_up, args=(listening,), daemon=True).start()
        check = machine.check("containerd", "socket")
    assert not check.ok
    assert check.detail.startswith(f"{path}: the engine at unix://{path} is not available")


def _hang_up(listening: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            listening.accept()[0].close()


def test_a_kubernetes_keeps_its_network(machine: Machine) -> None:
    machine.write(CONTAINERD)
    assert machine.check("containerd", "Kubernetes").detail == "none on this machine"
    machine.file("/etc/cni/net.d/10-flannel.conflist", "{}")
    check = machine.check("containerd", "Kubernetes")
    assert check.ok
    assert "networks of Ring are not configured in its folder" in check.detail
    machine.write(CONTAINERD + "cni_conf_dir = '/etc/cni/net.d'\n")
    machine.file("/etc/cni/net.d/99-ring_shop.conflist", "{}")
    check = machine.check("containerd", "Kubernetes")
    assert check.ok
    assert "its network stays the first in /etc/cni/net.d" in check.detail
    machine.file("/etc/rancher/k3s/x", "")
    (machine.base / "root/etc/cni/net.d/10-flannel.conflist").unlink()
    check = machine.check("containerd", "Kubernetes")
    assert not check.ok
    assert "set cni_conf_dir" in check.detail
