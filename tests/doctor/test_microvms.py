"""The groups of the virtual machine monitors."""

from __future__ import annotations

import fcntl
import os
import struct
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.doctor.world import Machine

CH = "[server.runtime.cloud_hypervisor]\nenabled = true\nsocket_dir = '/run/c'\n"
FC = "[server.runtime.firecracker]\nenabled = true\nsocket_dir = '/run/f'\n"
NET_ADMIN, NET_RAW = 1 << 12, 1 << 13
TITLE = "Cloud Hypervisor"


def names(machine: Machine, title: str) -> list[str]:
    return [check.name for check in machine.groups()[title].checks]


def test_the_lines(machine: Machine) -> None:
    machine.write(CH + FC)
    assert names(machine, TITLE) == [
        "cloud-hypervisor",
        "KVM",
        "Capabilities",
        "xorriso",
        "socat",
        "Firmware",
        "virtiofsd",
        "/dev/net/tun",
        "iptables",
        "socket path",
        "adapter",
        "maturity",
    ]
    assert names(machine, "Firecracker") == [
        "firecracker",
        "KVM",
        "Capabilities",
        "socat",
        "Kernel",
        "mke2fs",
        "/dev/net/tun",
        "iptables",
        "socket path",
        "adapter",
        "maturity",
    ]


def test_nothing_is_there(machine: Machine) -> None:
    machine.write(CH + FC)
    groups = machine.groups()
    well = {
        title: [check.name for check in groups[title].checks if check.ok]
        for title in (TITLE, "Firecracker")
    }
    assert well == {
        TITLE: ["xorriso", "socket path", "maturity"],
        "Firecracker": ["socket path", "maturity"],
    }


def test_everything_is_there(machine: Machine) -> None:
    machine.write(CH + FC)
    for name in ("cloud-hypervisor", "firecracker"):
        machine.program(name, f"echo {name} v1.2", "echo more")
        (machine.config.parent / name).mkdir()
    for path in ("/dev/kvm", "/dev/net/tun", "/usr/libexec/virtiofsd"):
        machine.file(path)
    etc = machine.config.parent
    machine.file(f"{etc}/cloud-hypervisor/vmlinux")
    machine.file(f"{etc}/firecracker/vmlinux")
    machine.program("socat", "echo socat by somebody", "echo socat version 1.7.4")
    machine.program("virtiofsd", "echo virtiofsd 1.5")
    machine.program("iptables")
    machine.program("mke2fs")
    machine.program("xorriso", "echo xorriso 1.5.4")
    machine.capabilities(os.getpid(), NET_ADMIN | NET_RAW)
    groups = machine.groups()
    for title in (TITLE, "Firecracker"):
        failed = [check.name for check in groups[title].checks if not check.ok]
        assert failed == ["adapter"]
    found = {check.name: check.detail for check in groups[TITLE].checks}
    assert found["cloud-hypervisor"] == "cloud-hypervisor v1.2"
    assert found["socat"] == "socat version 1.7.4"
    assert found["xorriso"] == "not needed, the seed is built in (present: xorriso 1.5.4)"
    assert found["virtiofsd"] == f"virtiofsd 1.5 ({machine.base}/bin/virtiofsd)"
    assert found["Firmware"] == f"{etc}/cloud-hypervisor/vmlinux"


def test_a_monitor_that_does_not_work(machine: Machine) -> None:
    machine.write(CH + "binary_path = 'mine'\n")
    machine.program("mine", "echo broken >&2", "exit 3")
    check = machine.check(TITLE, "mine")
    assert (check.ok, check.detail) == (False, "`mine --version` ends with 3: broken")


def test_a_monitor_that_hangs_is_ended_with_all_it_started(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ring.doctor.report.PROBE_S", 0.3)
    machine.write(CH)
    machine.environ["PATH"] += ":/bin:/usr/bin"
    held = machine.base / "held"
    machine.program("cloud-hypervisor", f"exec 9>{held}", "flock -x 9", "sleep 600 & wait")
    check = machine.check(TITLE, "cloud-hypervisor")
    assert (check.ok, check.detail) == (False, "no answer within 0.3 s")
    with held.open("a") as free:
        fcntl.flock(free, fcntl.LOCK_EX)  # nobody is left who has it; else this waits for ever


def test_a_program_is_told_no_secret(machine: Machine) -> None:
    machine.write(CH)
    machine.program("cloud-hypervisor", 'echo "key=$RING_SECRET_KEY home=$RING_CONFIG_DIR"')
    assert machine.check(TITLE, "cloud-hypervisor").detail == "key= home="


def test_nftables_needs_no_socat(machine: Machine) -> None:
    machine.write(CH + "port_forwarding = 'nftables'\n")
    assert "nft" in names(machine, TITLE)
    check = machine.check(TITLE, "socat")
    assert check.ok
    assert "nftables" in check.detail


def test_missing_capabilities_are_named(machine: Machine) -> None:
    machine.write(CH + FC)
    machine.capabilities(os.getpid(), NET_ADMIN)
    check = machine.check(TITLE, "Capabilities")
    assert not check.ok
    assert check.detail.startswith("CAP_NET_RAW missing (this process; no server runs): ")
    assert "AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW" in check.detail
    assert machine.check("Firecracker", "Capabilities").ok


def serving(machine: Machine, pid: int, *, locked: bool = True) -> None:
    """A server of this pid holds the database of the config directory."""
    machine.environ["RING_DATABASE_PATH"] = str(machine.base / "ring.db")
    lock = machine.base / "ring.db.lock"
    lock.write_text(f"{pid}\n")
    inode = lock.stat().st_ino
    holder = pid if locked else pid + 1
    machine.file("/proc/locks", f"1: FLOCK  ADVISORY  WRITE {holder} fe:01:{inode} 0 EOF\n")


@pytest.mark.parametrize("locked", [True, False])
def test_the_servers_own_capabilities_count(machine: Machine, locked: bool) -> None:
    machine.write(CH)
    serving(machine, 4711, locked=locked)
    machine.capabilities(4711, NET_ADMIN | NET_RAW)
    check = machine.check(TITLE, "Capabilities")
    assert check.ok is locked
    assert ("the server, pid 4711" in check.detail) is locked


def test_file_capabilities_of_the_binary_do_too(machine: Machine, tmp_path: Path) -> None:
    machine.write(CH)
    binary = machine.program("cloud-hypervisor")
    try:
        os.setxattr(
            binary,
            "security.capability",
            struct.pack("<5I", 0x02000001, NET_ADMIN | NET_RAW, 0, 0, 0),
        )
    except OSError:
        pytest.skip("file capabilities cannot be set here")
    check = machine.check(TITLE, "Capabilities")
    assert check.ok
    assert check.detail == f"CAP_NET_ADMIN, CAP_NET_RAW (file capabilities of {binary})"


@pytest.mark.parametrize(("mode", "ok"), [("process", True), ("control-group", False)])
def test_the_kill_mode_of_the_servers_unit(machine: Machine, mode: str, ok: bool) -> None:
    machine.write(CH)
    serving(machine, 4711)
    assert "KillMode" not in names(machine, TITLE)
    machine.file("/proc/4711/cgroup", "0::/system.slice/ring.service\n")
    machine.program("systemctl", f'[ "$5" = ring.service ] && echo {mode}')
    check = machine.check(TITLE, "KillMode")
    assert check.ok is ok
    assert f"ring.service has KillMode={mode}" in check.detail


@pytest.mark.parametrize(("length", "ok"), [(69, True), (70, False)])
def test_the_paths_of_sockets_fit(machine: Machine, length: int, ok: bool) -> None:
    directory = "/" + "x" * (length - 1)
    machine.write(CH.replace("/run/c", directory))
    check = machine.check(TITLE, "socket path")
    assert check.ok is ok
    assert check.detail.startswith(directory)


def test_a_device_that_may_not_be_opened(machine: Machine) -> None:
    machine.write(CH)
    machine.file("/dev/kvm").unlink()
    (machine.base / "root/dev/kvm").mkdir()
    check = machine.check(TITLE, "KVM")
    assert not check.ok
    assert "not accessible" in check.detail
    assert "sudo usermod -aG kvm $USER" in check.detail
