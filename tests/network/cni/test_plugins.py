from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ring.network.cni import plugins

if TYPE_CHECKING:
    from pathlib import Path


def program(root: Path, path: str, mode: int = 0o755) -> None:
    place = root / path.lstrip("/")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.touch(mode=mode)


@pytest.mark.parametrize(
    ("written", "named", "found"),
    [
        ((), "/named", ("/named",)),
        (("/a",), "/named:/other", ("/named", "/other")),
        (("/a", "/b"), "  ", ("/a", "/b")),
        ((), "", plugins.USUAL),
    ],
)
def test_where_they_are(
    written: tuple[str, ...], named: str, found: tuple[str, ...], tmp_path: Path
) -> None:
    assert plugins.directories(written, named, lambda path: tmp_path / path[1:]) == found


def test_the_first_of_the_usual_places_that_has_any(tmp_path: Path) -> None:
    program(tmp_path, "/opt/cni/bin/bridge", mode=0o644)
    program(tmp_path, "/usr/libexec/cni/bridge")
    found = plugins.directories((), "", lambda path: tmp_path / path[1:])
    assert found == ("/usr/libexec/cni",)


def test_one_that_is_missing(tmp_path: Path) -> None:
    program(tmp_path, "/a/bridge")
    program(tmp_path, "/b/portmap")

    def at(path: str) -> Path:
        return tmp_path / path[1:]

    places = ("/a", "/b/")
    assert plugins.find("portmap", places, at) == "/b/portmap"
    assert plugins.missing(("bridge", "portmap", "firewall"), places, at) == ["firewall"]
