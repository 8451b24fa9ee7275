"""What host-local's files tell of an address."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ring.runtimes.containerd.networking import leased

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = {"name": "ring_shop", "cniVersion": "1.0.0", "plugins": []}


def test_an_address_is_found_by_its_holder(tmp_path: Path) -> None:
    network = tmp_path / "ring_shop"
    network.mkdir()
    (network / "10.46.3.2").write_text("shop_web_1\r\neth0")
    (network / "10.46.3.3").write_text("shop_web_2\neth0")
    (network / "10.46.3.4").write_bytes(b"\xff")
    (network / "last_reserved_ip.0").write_text("10.46.3.3")
    (network / "lock").touch()
    assert leased.holders("ring_shop", tmp_path) == {
        "10.46.3.2": "shop_web_1",
        "10.46.3.3": "shop_web_2",
    }
    assert leased.result(CONFIG, "shop_web_1", tmp_path) == {
        "cniVersion": "1.0.0",
        "ips": [{"address": "10.46.3.2/32"}],
    }


def test_who_has_none_has_no_result(tmp_path: Path) -> None:
    assert leased.result(CONFIG, "shop_web_1", tmp_path) is None


def test_addresses_of_those_that_are_gone_are_free_again(tmp_path: Path) -> None:
    network = tmp_path / "ring_shop"
    network.mkdir()
    for number in (2, 3, 4):
        (network / f"10.46.3.{number}").write_text(f"shop_web_{number}\neth0")
    (network / "last_reserved_ip.0").write_text("10.46.3.4")
    gone = leased.release("ring_shop", {"shop_web_2", "shop_web_4"}.__contains__, tmp_path)
    assert sorted(gone) == ["shop_web_2", "shop_web_4"]
    assert leased.holders("ring_shop", tmp_path) == {"10.46.3.3": "shop_web_3"}
    assert (network / "last_reserved_ip.0").exists()
