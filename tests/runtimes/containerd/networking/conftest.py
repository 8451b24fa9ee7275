from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ring.network import netns
from ring.runtimes.containerd.networking import iptables
from tests.runtimes.containerd.networking.hosts import Host

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    monkeypatch.setattr(iptables, "_PLACES", (str(tmp_path), "/usr/bin", "/bin"))
    host = Host(tmp_path)
    yield host
    for path in netns.DIRECTORY.glob(f"{host.mark}_*"):
        netns.remove(path.name)
