from __future__ import annotations

import resource
from pathlib import Path

import pytest

from ring.api.capacity import CHANNELS, RESERVED_FILES, SPARE, most_connections
from ring.engine.reading import places


@pytest.mark.parametrize(
    ("files", "connections"),
    [(resource.RLIM_INFINITY, 1000), (65536, 1000), (1024, 448), (100, 16)],
)
def test_connections_leave_files_for_the_rest(
    monkeypatch: pytest.MonkeyPatch, files: int, connections: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (files, files))
    assert most_connections() == connections


def test_the_pages_say_how_many_files_are_kept() -> None:
    docs = Path(__file__).parents[2] / "docs"
    assert f"open files less {RESERVED_FILES} |" in (docs / "api.md").read_text()
    assert f" {RESERVED_FILES} are kept for " in (docs / "operations.md").read_text()


def test_all_logs_and_channels_leave_files_for_healing() -> None:
    assert RESERVED_FILES - places.MOST - CHANNELS - SPARE >= 128
