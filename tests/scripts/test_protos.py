from __future__ import annotations

from typing import TYPE_CHECKING

from scripts.lib import protos

if TYPE_CHECKING:
    from pathlib import Path


def test_the_modules_in_the_tree_are_those_that_their_sources_make(tmp_path: Path) -> None:
    protos.make(tmp_path)
    assert protos.stale(tmp_path) == []


def test_a_module_that_is_missing_or_other_is_stale(tmp_path: Path) -> None:
    protos.make(tmp_path)
    made = tmp_path / protos.FOLDER
    (made / "diff_pb2.py").unlink()
    (made / "tasks_pb2.pyi").write_text("")
    assert protos.stale(tmp_path) == ["diff_pb2.py", "tasks_pb2.pyi"]
