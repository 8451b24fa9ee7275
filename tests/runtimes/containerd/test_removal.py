"""Folders go, however deep a program has made them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ring.runtimes.containerd import removal

if TYPE_CHECKING:
    from pathlib import Path


def test_what_is_not_there_is_gone(tmp_path: Path) -> None:
    removal.remove(tmp_path / "nothing")


def test_a_folder_with_all_that_is_in_it(tmp_path: Path) -> None:
    folder = tmp_path / "volume"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "file").write_text("x")
    removal.remove(folder)
    assert not folder.exists()


def test_one_that_is_deeper_than_python_goes(tmp_path: Path) -> None:
    folder = tmp_path / "volume"
    folder.mkdir()
    at = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    for _ in range(1500):
        os.mkdir("a", dir_fd=at)
        inner = os.open("a", os.O_RDONLY | os.O_DIRECTORY, dir_fd=at)
        os.close(at)
        at = inner
    os.close(at)
    removal.remove(folder)
    assert not folder.exists()
