from __future__ import annotations

import resource

import pytest

from ring.api.capacity import RESERVED_FILES, SPARE, most_connections
from ring.engine.reading import places


@pytest.mark.parametrize(
    ("files", "connections"),
    [(resource.RLIM_INFINITY, 1000), (65536, 1000), (1024, 576), (100, 16)],
)
def test_connections_leave_files_for_the_rest(
    monkeypatch: pytest.MonkeyPatch, files: int, connections: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (files, files))
    assert most_connections() == connections


def test_all_logs_that_may_be_read_leave_files_for_healing() -> None:
    assert RESERVED_FILES - places.MOST - SPARE >= 128
