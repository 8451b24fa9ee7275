"""`ring context`: the contexts of the file, the picked one's name, its token."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Ring

FILE = """
[contexts.lab]
host = "10.9.0.14"
api.scheme = "http"
api.port = 4100
[contexts.plant]
current = true
host = "ring.plant.example"
api = { scheme = "https", port = 443 }
"""


@pytest.fixture
def two(anyone: Ring) -> Ring:
    """A user with two contexts."""
    anyone.config.write_text(FILE)
    return anyone


@pytest.mark.parametrize("words", [("context",), ("context", "configs")])
def test_configs(two: Ring, words: tuple[str, ...]) -> None:
    ended = two(*words)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == (
        "+-------+--------------------------------+---------+\n"
        "|  Name | Host                           | Current |\n"
        "+-------+--------------------------------+---------+\n"
        "|   lab | http://10.9.0.14:4100          |         |\n"
        "+-------+--------------------------------+---------+\n"
        "| plant | https://ring.plant.example:443 | *       |\n"
        "+-------+--------------------------------+---------+\n"
    )


def test_configs_as_json(two: Ring) -> None:
    assert json.loads(two("context", "-o", "json", "--context", "lab").out) == [
        {"name": "lab", "host": "http://10.9.0.14:4100", "current": True},
        {"name": "plant", "host": "https://ring.plant.example:443", "current": False},
    ]


def test_without_a_file_there_is_the_built_in_one(anyone: Ring) -> None:
    assert "| default | http://127.0.0.1:3030 | *       |" in anyone("context").out


@pytest.mark.parametrize(
    ("before", "name"),
    [((), "plant"), (("--context", "lab"), "lab"), (("-c", "lab"), "lab")],
)
def test_current_context_is_a_bare_name(two: Ring, before: tuple[str, ...], name: str) -> None:
    ended = two(*before, "context", "current-context")
    assert (ended.code, ended.out, ended.err) == (0, f"{name}\n", "")


def test_another_file(two: Ring) -> None:
    other = two.home / "other.toml"
    other.write_text(FILE.replace("plant", "mill"))
    assert two("--config", str(other), "context", "current-context").out == "mill\n"
    two.environ["RING_CONFIG_FILE"] = str(other)
    assert two("context", "current-context").out == "mill\n"


def test_user_token_is_a_bare_token(two: Ring) -> None:
    two.auth.write_text('{"plant":{"token":"ring_pat_1"},"lab":{"token":"ring_pat_2"}}')
    ended = two("context", "user-token")
    assert (ended.code, ended.out, ended.err) == (0, "ring_pat_1\n", "")
    assert two("context", "user-token", "--context", "lab").out == "ring_pat_2\n"
    two.environ["RING_TOKEN"] = "ring_pat_3"
    assert two("context", "user-token").out == "ring_pat_3\n"


def test_no_token_is_an_error(two: Ring) -> None:
    ended = two("context", "user-token")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == (
        "error: no token for context 'plant' — run `ring login` or set RING_TOKEN\n"
    )


def test_another_word_is_misuse(two: Ring) -> None:
    ended = two("context", "tokens")
    assert (ended.code, ended.out) == (2, "")
    assert "'tokens' is not one of 'configs', 'current-context', 'user-token'" in ended.err


def test_an_unknown_context(two: Ring) -> None:
    ended = two("--context", "x", "context")
    assert (ended.code, ended.out) == (1, "")
    assert "context 'x' not found" in ended.err
    assert "(available: lab, plant)" in ended.err
