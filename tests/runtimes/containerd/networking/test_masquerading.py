"""The chain of an instance whose interface went before it: the bridge plugin leaves it for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ring.runtimes.containerd.networking import iptables, masquerading

if TYPE_CHECKING:
    from pathlib import Path

NETWORK, ID = "ring_shop", "shop_web_0123abcd"
CHAIN = masquerading.chain_of(NETWORK, ID)
CALL = f'-s 10.46.0.2/32 -m comment --comment "name: \\"{NETWORK}\\" id: \\"{ID}\\"" -j {CHAIN}'


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(iptables, "_PLACES", (str(tmp_path), "/usr/bin", "/bin"))
    for name, text in {
        "iptables": f"cat {tmp_path}/shown",
        "iptables-restore": f"cat >{tmp_path}/told",
    }.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    return tmp_path


def test_the_chain_is_called_as_the_plugin_calls_it() -> None:
    """Seen with version 1.1.1 of the plugins."""
    found = masquerading.chain_of("ring_t1ab6c437d7", "t1ab6c437d7_web_05c24b96")
    assert found == "CNI-a4697721c8c5f32435078ed3"


def test_the_chain_and_what_calls_it_go_at_once(machine: Path) -> None:
    (machine / "shown").write_text(
        "-P POSTROUTING ACCEPT\n"
        "-N CNI-other\n"
        f"-N {CHAIN}\n"
        "-A POSTROUTING -s 10.46.0.3/32 -j CNI-other\n"
        f"-A POSTROUTING {CALL}\n"
        f"-A {CHAIN} -d 10.46.0.0/24 -j ACCEPT\n"
    )
    masquerading.end(NETWORK, ID, machine / "lock")
    assert (machine / "told").read_text().splitlines() == [
        "*nat",
        f"-D POSTROUTING {CALL}",
        f"-F {CHAIN}",
        f"-X {CHAIN}",
        "COMMIT",
    ]


def test_where_there_is_none_nothing_is_changed(machine: Path) -> None:
    (machine / "shown").write_text("-P POSTROUTING ACCEPT\n-N CNI-other\n")
    masquerading.end(NETWORK, ID, machine / "lock")
    assert not (machine / "told").exists()
