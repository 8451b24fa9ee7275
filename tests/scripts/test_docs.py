"""The pages that are made from the code say what the code says."""

from __future__ import annotations

import pytest

from scripts import docs


@pytest.mark.parametrize("name", docs.PAGES)
def test_generated_parts_are_current(name: str) -> None:
    page = (docs.ROOT / "docs" / name).read_text()
    assert docs.rendered(page) == page, "run scripts/docs.py"


def test_every_generated_part_is_on_a_page() -> None:
    pages = "".join((docs.ROOT / "docs" / name).read_text() for name in docs.PAGES)
    assert sorted(found[2] for found in docs.PART.finditer(pages)) == sorted(docs.PARTS)
