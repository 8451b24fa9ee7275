"""What the user of a private Podman is given."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from scripts.engines import Engine
from scripts.lib import rootless

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_nothing_that_its_containers_have_left_becomes_the_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They hold links to files of the machine, where another start finds them."""
    given: list[Path] = []

    def chown(path: Path, _uid: int, _gid: int, *, follow_symlinks: bool) -> None:
        assert not follow_symlinks
        given.append(path)

    monkeypatch.setattr(os, "chown", chown)
    engine = Engine(tmp_path, "ring-test")
    layer = rootless.folder(engine) / "home" / "layer"
    layer.mkdir(parents=True)
    (layer / "awk").symlink_to("/usr/bin/mawk")
    rootless._hand_over(engine)
    home = rootless.folder(engine)
    assert {home, home / "home", home / "storage.conf", home / "passwd"} <= set(given)
    assert not [path for path in given if layer in {path, *path.parents}]
