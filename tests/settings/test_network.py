"""`[server.network]`."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import TYPE_CHECKING

import pytest

from ring.core.errors import UserError
from ring.settings.network import NetworkSettings, network
from ring.settings.sources import read_config

if TYPE_CHECKING:
    from pathlib import Path


def load(directory: Path, lines: str) -> NetworkSettings:
    (directory / "config.toml").write_text(f"[server.network]\n{lines}\n")
    document = read_config(None, {"RING_CONFIG_DIR": str(directory)})
    return network(document.table("server").table("network"))


def test_defaults(tmp_path: Path) -> None:
    assert load(tmp_path, "") == NetworkSettings(
        pool=IPv4Network("10.46.0.0/16"),
        pool_is_set=False,
        pool_prefix=24,
        vm_pool=IPv4Network("10.42.0.0/16"),
        default_host_ip=None,
    )


def test_everything_is_said(tmp_path: Path) -> None:
    lines = "pool = '172.30.0.0/20'\npool_prefix = 26\nvm_pool = '10.99.0.0/16'\n"
    assert load(tmp_path, lines + "default_host_ip = '::1'") == NetworkSettings(
        pool=IPv4Network("172.30.0.0/20"),
        pool_is_set=True,
        pool_prefix=26,
        vm_pool=IPv4Network("10.99.0.0/16"),
        default_host_ip="::1",
    )


def test_a_small_pool_is_one_subnet(tmp_path: Path) -> None:
    assert load(tmp_path, "pool = '172.30.0.0/26'").pool_prefix == 26


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("pool = 1", "pool must be a non-empty string"),
        ("pool = '10.46.0.1/16'", "pool must be an IPv4 range such as '10.46.0.0/16', got"),
        ("pool = 'fd00::/64'", "pool must be an IPv4 range"),
        ("vm_pool = '10.99.0.0/24'", "vm_pool must be an IPv4 range of /16"),
        ("pool = '10.42.7.0/24'", "pool must be a range that does not overlap the other pool, 10."),
        ("vm_pool = '10.46.0.0/16'", "vm_pool must be a range that does not overlap"),
        ("pool_prefix = 15", "pool_prefix must be an integer from 16 to 29, got 15"),
        ("pool_prefix = 30", "pool_prefix must be an integer from 16 to 29, got 30"),
        ("pool_prefix = '24'", "pool_prefix must be an integer"),
        ("default_host_ip = 'localhost'", "default_host_ip must be an IPv4 or IPv6 address, got"),
    ],
)
def test_what_cannot_be(tmp_path: Path, line: str, says: str) -> None:
    with pytest.raises(UserError) as caught:
        load(tmp_path, line)
    assert f"server.network.{says}" in caught.value.message
