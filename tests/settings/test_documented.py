"""The variables that are read stand in the table of docs/configuration.md."""

from __future__ import annotations

import re

from scripts import docs

READERS = docs.ROOT / "src" / "ring" / "settings"
PARTS_TO_COME = {"RING_DASHBOARD", "RING_DASHBOARD_LISTEN", "RING_VIRTIOFSD"}
VARIABLE = r"(?:RING|DOCKER|REGISTRY)_[A-Z_]+"


def test_every_variable_that_settings_read_is_documented() -> None:
    sources = "".join(path.read_text() for path in sorted(READERS.rglob("*.py")))
    read = set(re.findall(f'"({VARIABLE})"', sources))
    page = (docs.ROOT / "docs" / "configuration.md").read_text()
    table = page.partition("| Variable | Read by | |")[2].partition("\n\n")[0]
    told = set(re.findall(f"`({VARIABLE})`", table))
    assert len(read) > 20
    assert read - told == PARTS_TO_COME
