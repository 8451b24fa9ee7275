"""Places nobody named: used only when no stranger can have been there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ring.core.errors import HostError
from ring.settings import config_dir, load_context, trust
from ring.settings.trust import expect_own_database, expect_trusted


@pytest.fixture
def homeless(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The place without HOME, on ground that the test owns."""
    place = tmp_path / ".config" / "ring"
    monkeypatch.setattr(trust, "HOMELESS", place)
    return place


def refused(place: Path, why: str) -> None:
    for environ in ({}, {"HOME": ""}):
        with pytest.raises(HostError) as caught:
            load_context(None, None, environ)
        assert caught.value.message == (
            f"refusing to use {place}: {why}; "
            "set HOME, or name a config directory in RING_CONFIG_DIR"
        )


def test_the_place_without_home() -> None:
    assert Path("/tmp/.config/ring") == trust.HOMELESS  # noqa: S108 - the documented place


def test_ones_own_place_passes(homeless: Path) -> None:
    assert config_dir({}) == homeless
    homeless.mkdir(mode=0o700, parents=True)
    assert config_dir({}) == homeless


@pytest.mark.parametrize("mode", [0o770, 0o702, 0o1777])
def test_a_place_where_others_write(homeless: Path, mode: int) -> None:
    homeless.mkdir(mode=0o700, parents=True)
    homeless.chmod(mode)
    refused(homeless, "other users can write to it")
    homeless.parent.chmod(mode)
    refused(homeless.parent, "other users can write to it")


def test_the_place_of_another(homeless: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    homeless.mkdir(mode=0o700, parents=True)
    owner = os.geteuid()
    if owner == 0:
        owner = 4711
        os.chown(homeless, owner, -1)
        refused(homeless, "it belongs to another user")
        os.chown(homeless.parent, owner, -1)
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    refused(homeless.parent, "it belongs to another user")
    monkeypatch.setattr(os, "geteuid", lambda: owner)
    assert config_dir({}) == homeless


def test_a_link_is_looked_through(homeless: Path, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    homeless.parent.mkdir()
    homeless.symlink_to(shared)
    refused(homeless, "other users can write to it")


def test_a_place_that_somebody_named_passes(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    expect_trusted(tmp_path)
    assert config_dir({"RING_CONFIG_DIR": str(tmp_path)}) == tmp_path


def test_a_place_that_cannot_be_looked_at(tmp_path: Path) -> None:
    (tmp_path / "file").touch(mode=0o600)
    with pytest.raises(HostError, match=r"cannot look at .*: not a directory"):
        expect_own_database(tmp_path / "file" / "ring.db")
