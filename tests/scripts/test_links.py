"""Every link in a page of the project leads somewhere, headings included."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from scripts.docs import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCED = re.compile(r"(?ms)^```.*?^```$")
HEADING = re.compile(r"(?m)^#+ +(.*)$")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_resolve(page: Path) -> None:
    broken = [link for link in links(page) if not resolves(page, link)]
    assert not broken


def test_there_are_links_to_check() -> None:
    assert sum(len(links(page)) for page in PAGES) > 30


def links(page: Path) -> list[str]:
    """Those within the project."""
    found = LINK.findall(FENCED.sub("", page.read_text()))
    return [link for link in found if not re.match(r"[a-z]+:", link)]


def resolves(page: Path, link: str) -> bool:
    place, _, anchor = link.partition("#")
    target = (page.parent / place).resolve() if place else page
    if not target.is_relative_to(ROOT) or not target.exists():
        return False
    return not anchor or anchor in anchors(target)


def anchors(page: Path) -> set[str]:
    """As they are made of headings: lower case, without punctuation, blanks as hyphens."""
    text = FENCED.sub("", page.read_text())
    return {
        re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
        for heading in HEADING.findall(text)
    }
