from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from ring.runtimes.containerd import etc_files

if TYPE_CHECKING:
    from pathlib import Path


def test_on_its_network_it_knows_itself_and_what_it_was_told(tmp_path: Path) -> None:
    directory = tmp_path / "instance"
    etc_files.write_all(
        directory,
        hostname="web",
        address="10.46.3.7",
        gateway="10.46.3.1",
        name_server="10.46.3.1",
        extra_hosts=(("db.example", "192.0.2.7"), ("outside", "host-gateway")),
    )
    hosts = (directory / "hosts").read_text().splitlines()
    assert hosts[0] == "127.0.0.1\tlocalhost"
    assert hosts[-3:] == ["192.0.2.7\tdb.example", "10.46.3.1\toutside", "10.46.3.7\tweb"]
    assert (directory / "hostname").read_text() == "web\n"
    assert "nameserver 10.46.3.1\n" in (directory / "resolv.conf").read_text()
    modes = {stat.S_IMODE((directory / name).stat().st_mode) for name in ("hosts", "resolv.conf")}
    assert modes == {0o644}


def test_on_the_hosts_network_it_has_the_machines_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts, resolvers = tmp_path / "hosts", tmp_path / "resolv.conf"
    hosts.write_text("127.0.0.1 localhost\n192.0.2.1 machine")
    resolvers.write_text("nameserver 192.0.2.53\n")
    monkeypatch.setattr(etc_files, "_MACHINES_HOSTS", hosts)
    monkeypatch.setattr(etc_files, "_MACHINES_RESOLVERS", resolvers)
    directory = tmp_path / "instance"
    etc_files.write_all(
        directory,
        hostname="web",
        address=None,
        gateway=None,
        name_server=None,
        extra_hosts=(("outside", "host-gateway"),),
    )
    assert (directory / "hosts").read_text() == (
        "127.0.0.1 localhost\n192.0.2.1 machine\n127.0.0.1\toutside\n"
    )
    assert (directory / "resolv.conf").read_text() == "nameserver 192.0.2.53\n"


@pytest.mark.parametrize(
    ("machines", "expected"),
    [
        ("nameserver 192.0.2.53\n", "nameserver 10.0.0.1\noptions ndots:0\n"),
        (
            "search corp.example\nnameserver 192.0.2.53\noptions edns0\n",
            "search corp.example\nnameserver 10.0.0.1\noptions ndots:0\n",
        ),
        ("", "nameserver 10.0.0.1\noptions ndots:0\n"),
    ],
)
def test_the_networks_resolver_takes_the_place_of_the_machines(
    machines: str, expected: str
) -> None:
    assert etc_files.resolvers("10.0.0.1", machines) == expected


def test_written_again_it_is_the_same_file(tmp_path: Path) -> None:
    """A mount of it goes on to show it."""

    def write(address: str) -> int:
        etc_files.write_all(
            tmp_path,
            hostname="web",
            address=address,
            gateway=None,
            name_server=None,
            extra_hosts=(),
        )
        return (tmp_path / "hosts").stat().st_ino

    assert write("10.46.3.7") == write("10.46.3.8")
    assert "10.46.3.8\tweb\n" in (tmp_path / "hosts").read_text()


@pytest.mark.parametrize(
    ("machines", "behind", "expected"),
    [
        ("nameserver 192.0.2.53\n", "nameserver 198.51.100.1\n", "nameserver 192.0.2.53\n"),
        ("nameserver 127.0.0.53\n", "nameserver 198.51.100.1\n", "nameserver 198.51.100.1\n"),
        ("nameserver ::1\nnameserver 192.0.2.53\n", "", "nameserver 192.0.2.53\n"),
        ("search a.example\nnameserver 127.0.0.53\n", "", "search a.example\n"),
    ],
)
def test_a_resolver_on_the_machines_loopback_is_out_of_reach(
    machines: str, behind: str, expected: str
) -> None:
    assert etc_files.reachable(machines, behind) == expected


def test_nobody_else_reaches_what_an_instance_makes_of_its_files(tmp_path: Path) -> None:
    above = tmp_path / "containerd"
    above.mkdir(mode=0o755)
    etc_files.make_private(above / "instance")
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (above, above / "instance")]
    assert modes == [0o700, 0o700]
