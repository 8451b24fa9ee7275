"""What the runtime does of its own beside handing calls on."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from ring.network.pools import Pools
from ring.runtimes.containerd import adapter, execs
from ring.runtimes.containerd.adapter import ContainerdRuntime
from ring.runtimes.containerd.settings import TABLE, Settings
from ring.runtimes.logins.host import host_files

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio


async def test_a_process_that_cannot_be_looked_into_keeps_nobody_from_events(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    held = threading.Event()
    monkeypatch.setattr(execs, "end_ownerless", lambda _: held.wait())
    monkeypatch.setattr(adapter, "SWEEP_WITHIN_S", 0.05)
    settings = Settings(
        socket=tmp_path / "none.sock", state_dir=tmp_path / "state", run_dir=tmp_path / "run"
    )
    runtime = ContainerdRuntime(settings, host_files(TABLE, {}), server_id="s-1", pools=Pools())
    try:
        await runtime._ended()
        assert "what commands have left behind may still be there" in caplog.text
    finally:
        held.set()
        await runtime.close()
