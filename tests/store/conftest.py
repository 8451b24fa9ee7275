from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.store.builders import ManualClock, done, memory_store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ring.store.store import Store


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def store(clock: ManualClock) -> Iterator[Store]:
    opened = memory_store(clock)
    yield opened
    done(opened.close())
