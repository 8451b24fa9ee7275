from __future__ import annotations

from typing import Any

import pytest

from tests.runtimes.containerd import loops


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return "asyncio", {"loop_factory": loops.Plain}
