"""Where the key comes from, in which order, and how a bad one is told."""

from __future__ import annotations

import base64
import os
from typing import TYPE_CHECKING

import pytest

from ring.core.errors import HostError
from ring.settings.secret_key import load_secret_key

if TYPE_CHECKING:
    from pathlib import Path

ZEROS = base64.b64encode(bytes(32)).decode()
ONES = base64.b64encode(b"\x01" * 32).decode()
TWOS = base64.b64encode(b"\x02" * 32).decode()


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"RING_CONFIG_DIR": str(tmp_path)}


def key_file(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def test_the_variable_wins_over_its_file_and_that_over_the_directory(
    environ: dict[str, str], tmp_path: Path
) -> None:
    key_file(tmp_path / "secret-key", TWOS)
    assert load_secret_key(environ).value == b"\x02" * 32
    environ["RING_SECRET_KEY_FILE"] = str(key_file(tmp_path / "other", ONES))
    assert load_secret_key(environ).value == b"\x01" * 32
    environ["RING_SECRET_KEY"] = ZEROS
    assert load_secret_key(environ).value == bytes(32)


def test_blanks_around_a_key_do_not_matter(environ: dict[str, str], tmp_path: Path) -> None:
    environ["RING_SECRET_KEY"] = f"  {ZEROS}\n"
    assert load_secret_key(environ).value == bytes(32)


def test_the_key_does_not_show(environ: dict[str, str]) -> None:
    environ["RING_SECRET_KEY"] = ONES
    assert "\\x01" not in repr(load_secret_key(environ))


def test_without_any_source_it_is_said_how_to_get_one(environ: dict[str, str]) -> None:
    assert_refused(environ, "RING_SECRET_KEY is not set", "openssl rand -base64 32")


@pytest.mark.parametrize(
    ("value", "word"),
    [("%%%", "base64"), ("aGVsbG8=", "32 bytes"), ("aGVsbG8", "base64"), ("é" * 40, "base64")],
)
def test_what_is_no_key_is_refused_and_not_repeated(
    environ: dict[str, str], value: str, word: str
) -> None:
    environ["RING_SECRET_KEY"] = value
    assert value not in assert_refused(environ, "RING_SECRET_KEY", word)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o606, 0o700])
def test_a_key_that_others_may_read_is_refused(
    environ: dict[str, str], tmp_path: Path, mode: int
) -> None:
    key_file(tmp_path / "secret-key", ZEROS, mode)
    assert_refused(environ, "0600", f"{mode:04o}", str(tmp_path / "secret-key"))


def test_a_named_file_that_is_not_there_is_no_reason_to_look_elsewhere(
    environ: dict[str, str], tmp_path: Path
) -> None:
    key_file(tmp_path / "secret-key", ZEROS)
    environ["RING_SECRET_KEY_FILE"] = str(tmp_path / "missing")
    assert_refused(environ, str(tmp_path / "missing"), "no such file")


def test_a_pipe_in_place_of_the_file_does_not_hold_up_the_start(
    environ: dict[str, str], tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    environ["RING_SECRET_KEY_FILE"] = str(tmp_path / "pipe")
    assert_refused(environ, "is not a file")


def assert_refused(environ: dict[str, str], *words: str) -> str:
    with pytest.raises(HostError) as caught:
        load_secret_key(environ)
    for word in words:
        assert word in caught.value.message
    return caught.value.message
