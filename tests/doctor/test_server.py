"""The group of the server: key, config file, database, address pools."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.doctor.world import Machine

DOCKER = "[server.runtime.docker]\nenabled = true\n"


@pytest.mark.parametrize(
    ("key", "ok", "says"),
    [
        ("A" * 43 + "=", True, "set by RING_SECRET_KEY"),
        ("", False, "is not set"),
        ("%%%", False, "is not valid base64"),
        ("aGVsbG8=", False, "must decode to exactly 32 bytes, got 5"),
    ],
)
def test_the_key(machine: Machine, key: str, ok: bool, says: str) -> None:
    machine.environ["RING_SECRET_KEY"] = key
    check = machine.check("Server", "RING_SECRET_KEY")
    assert check.ok is ok
    assert says in check.detail
    assert ("openssl rand -base64 32" in check.detail) is (
        says in {"is not set", "is not valid base64"}
    )


def test_the_key_of_the_config_directory(machine: Machine) -> None:
    del machine.environ["RING_SECRET_KEY"]
    path = machine.config.with_name("secret-key")
    path.write_text("A" * 43 + "=\n")
    path.chmod(0o600)
    assert machine.check("Server", "RING_SECRET_KEY").detail == f"set by {path}"
    path.chmod(0o644)
    check = machine.check("Server", "RING_SECRET_KEY")
    assert not check.ok
    assert check.detail.startswith(f"{path} has mode 0644")
    assert "0600" in check.detail


def test_a_config_file_that_cannot_be_read_is_all_there_is_to_say(machine: Machine) -> None:
    machine.write("[server\n")
    groups = machine.groups()
    assert list(groups) == ["Server"]
    check = {check.name: check for check in groups["Server"].checks}["config"]
    assert not check.ok
    assert f"cannot parse {machine.config}" in check.detail
    assert "line 1" in check.detail


def test_a_config_file_with_a_typing_mistake(machine: Machine) -> None:
    machine.write("[server.scheduler]\nintervall = 1\n" + DOCKER)
    check = machine.check("Server", "config")
    assert check.ok
    assert check.detail.startswith(f"{machine.config} (context default); ")
    assert "unknown key 'server.scheduler.intervall'" in check.detail


def test_no_config_file_is_no_runtime(machine: Machine) -> None:
    groups = machine.groups()
    assert list(groups) == ["Server", "Docker", "Cloud Hypervisor"]
    checks = {check.name: check for check in groups["Server"].checks}
    assert checks["config"].ok
    assert "built-in defaults" in checks["config"].detail
    assert not checks["runtimes"].ok
    assert "no container runtime is enabled" in checks["runtimes"].detail


def test_enabled_runtimes_alone_have_a_group(machine: Machine) -> None:
    machine.write(
        "[server.runtime.containerd]\nenabled = true\n"
        "[server.runtime.firecracker]\nenabled = true\n"
    )
    groups = machine.groups()
    assert list(groups) == ["Server", "containerd", "Firecracker"]
    assert "runtimes" not in [check.name for check in groups["Server"].checks]


@pytest.mark.parametrize(
    ("database", "ok"),
    [("{base}/etc/ring.db", True), ("{base}/none/ring.db", False), ("{base}/bin/x/y.db", False)],
)
def test_the_database(machine: Machine, database: str, ok: bool) -> None:
    path = database.format(base=machine.base)
    machine.environ["RING_DATABASE_PATH"] = path
    check = machine.check("Server", "database")
    assert check.ok is ok
    assert check.detail.startswith(path)


def test_the_directory_of_the_default_database_is_made_by_the_server(machine: Machine) -> None:
    machine.environ["RING_CONFIG_DIR"] = str(machine.base / "not" / "yet")
    check = machine.check("Server", "database")
    assert check.ok
    assert check.detail == f"{machine.base}/not/yet/ring.db"


def test_a_database_that_a_stranger_could_have_planted(machine: Machine) -> None:
    stray = machine.base / "ring.db"
    stray.touch()
    stray.chmod(0o666)
    groups = machine.groups()
    checks = {check.name: check for check in groups["Server"].checks}
    assert not checks["database"].ok
    assert f"refusing to use {stray}" in checks["database"].detail
    assert checks["config"].ok
    assert "/dev/null" not in checks["config"].detail


def test_free_pools(machine: Machine) -> None:
    machine.route("eth0", "0.0.0.0", "0.0.0.0")  # noqa: S104 - the default route
    machine.route("eth0", "192.168.1.0", "255.255.255.0")
    machine.route("ring-3f", "10.42.0.252", "255.255.255.252")
    machine.route("rbr-8b641097c55", "10.46.3.0", "255.255.255.0")
    machine.file(
        "/proc/net/fib_trie",
        "Main:\n  |-- 10.46.3.1\n     /32 host LOCAL\n  |-- 10.46.3.0\n     /24 link UNICAST\n",
    )
    check = machine.check("Server", "address pools")
    assert check.ok
    assert "10.46.0.0/16" in check.detail


@pytest.mark.parametrize(
    ("destination", "mask", "key"),
    [
        ("10.42.0.0", "255.255.0.0", "vm_pool"),
        ("10.42.7.0", "255.255.255.0", "vm_pool"),
        ("10.46.128.0", "255.255.128.0", "pool"),
    ],
)
def test_a_route_over_a_pool(machine: Machine, destination: str, mask: str, key: str) -> None:
    machine.route("cni0", destination, mask)
    check = machine.check("Server", "address pools")
    assert not check.ok
    assert f"the route {destination}/" in check.detail
    assert f"on cni0: set {key} in [server.network]" in check.detail
    other = "172.29.0.0/16"
    machine.write(f"[server.network]\n{key} = '{other}'\n")
    assert machine.check("Server", "address pools").ok


def test_an_address_in_a_pool(machine: Machine) -> None:
    machine.file("/proc/net/fib_trie", "Local:\n  |-- 10.46.0.9\n     /32 host LOCAL\n")
    check = machine.check("Server", "address pools")
    assert not check.ok
    assert "the address 10.46.0.9 of this machine: set pool in" in check.detail


@pytest.mark.parametrize(
    ("path", "ok"),
    [
        ("/etc/rancher/k3s/k3s.yaml", False),
        ("/var/lib/rancher/rke2/agent", False),
        ("/etc/cni/net.d/10-flannel.conflist", False),
        ("/etc/cni/net.d/99-ring_shop.conflist", True),
        ("/etc/cni/net.d/10-ring.conflist", True),
        ("/etc/cni/net.d/README", True),
    ],
)
def test_a_kubernetes_host(machine: Machine, path: str, ok: bool) -> None:
    machine.file(path)
    check = machine.check("Server", "address pools")
    assert check.ok is ok
    assert ("of Kubernetes" in check.detail) is not ok
    machine.write("[server.network]\nvm_pool = '10.99.0.0/16'\n")
    assert machine.check("Server", "address pools").ok
