from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ring.settings.files import files_dir, run_dir, state_dir

if TYPE_CHECKING:
    import pytest


def test_a_config_directory_that_is_named_has_them() -> None:
    expected = Path("/srv/ring/run/configs")
    assert files_dir({"RING_CONFIG_DIR": "/srv/ring", "HOME": "/home/mira"}) == expected


def test_without_one_it_depends_on_who_runs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    environ = {"HOME": "/home/mira"}
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert files_dir(environ) == Path("/var/lib/ring/configs")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert files_dir(environ) == Path("/home/mira/.config/ring/run/configs")


def test_it_is_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert files_dir({"RING_CONFIG_DIR": "here"}) == tmp_path / "here" / "run" / "configs"


def test_variables_of_their_own_name_them_beside_a_config_directory() -> None:
    environ = {"RING_CONFIG_DIR": "/etc/ring", "RING_STATE_DIR": "/var/lib/ring"}
    assert state_dir(environ) == Path("/var/lib/ring")
    assert files_dir(environ) == Path("/var/lib/ring/configs")
    assert run_dir(environ) == Path("/etc/ring/run")
    assert run_dir({**environ, "RING_RUN_DIR": " /run/ring "}) == Path("/run/ring")


def test_an_empty_variable_names_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environ = {"RING_CONFIG_DIR": "/srv/ring", "RING_STATE_DIR": " ", "RING_RUN_DIR": ""}
    assert state_dir(environ) == run_dir(environ) == Path("/srv/ring/run")
    monkeypatch.chdir(tmp_path)
    assert state_dir({**environ, "RING_STATE_DIR": "here"}) == tmp_path / "here"
