"""How full a disk is."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from ring.engine.keeping.disk import percent_used

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_as_df_counts_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.statvfs(tmp_path)
    figures = list(real)
    figures[2:5] = [1000, 400, 200]  # blocks, free, free for others than root
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result(figures))
    assert asyncio.run(percent_used(tmp_path)) == 75.0


def test_this_machines(tmp_path: Path) -> None:
    percent = asyncio.run(percent_used(tmp_path))
    assert percent is not None
    assert 0 <= percent <= 100
    assert asyncio.run(percent_used(tmp_path / "no")) is None
