"""Who is told of what surrounds the server."""

from __future__ import annotations

from typing import get_args

from ring.core.model.spec import RuntimeName
from ring.settings.surroundings import RUNTIMES


def test_every_runtime_that_a_manifest_may_name_has_its_surroundings() -> None:
    assert tuple(RUNTIMES) == get_args(RuntimeName)
