from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ring.runtimes.distribution.client import Registries

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def hosts_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "certs.d"
    folder.mkdir()
    return folder


@pytest.fixture
async def registries(hosts_dir: Path) -> AsyncIterator[Registries]:
    client = Registries(hosts_dir)
    yield client
    await client.close()
