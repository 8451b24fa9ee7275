from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """What helpers get: programs of the test go before those of the machine."""
    folder = tmp_path / "bin"
    folder.mkdir()
    return {"PATH": f"{folder}:{os.environ.get('PATH', os.defpath)}"}


@pytest.fixture
def helper(tmp_path: Path, environment: dict[str, str]) -> Callable[[str, str], None]:
    """Makes a credential helper out of a name and shell text."""
    assert environment

    def make(name: str, text: str) -> None:
        path = tmp_path / "bin" / f"docker-credential-{name}"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    return make
