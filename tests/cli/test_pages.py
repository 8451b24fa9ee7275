"""Every manifest shown in the documentation is one that this version takes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from scripts.docs import ROOT

from tests.e2e.pages import Block, blocks

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Ring

TOP_LEVEL = ("name:", "namespaces:", "configs:", "deployments:")
SHOWN = [
    (page, number, block)
    for page in sorted((ROOT / "docs").rglob("*.md"))
    for number, block in enumerate(blocks(page))
    if block.language == "yaml"
    and block.text.startswith(("name:", "namespaces:", "configs:", "deployments:"))
]


@pytest.mark.parametrize(
    ("page", "number", "block"), SHOWN, ids=[f"{page.stem}-{number}" for page, number, _ in SHOWN]
)
def test_a_manifest_that_is_shown(
    ring: Ring, tmp_path: Path, page: Path, number: int, block: Block
) -> None:
    for named in re.findall(r": \./(\S+)", block.text):
        (tmp_path / named).touch()
    manifest = tmp_path / "shown.yaml"
    manifest.write_text(block.text)
    outcome = ring("apply", "--dry-run", "-f", str(manifest))
    assert outcome.code == 0, outcome
    assert "unknown field" not in outcome.err


def test_manifests_are_shown() -> None:
    assert len(SHOWN) >= 3
