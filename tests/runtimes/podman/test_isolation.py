"""The rules that keep namespaces apart, and why there can be none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ring.runtimes.docker.connection import parse_host
from ring.runtimes.podman import isolation

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

HERE = parse_host("unix:///run/podman/podman.sock", "podman")


@pytest.fixture(autouse=True)
def _as_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the program of this test."""
    monkeypatch.setattr("os.geteuid", lambda: 0)
    whose(monkeypatch, is_users=False)
    monkeypatch.setattr(isolation, "_PLACES", f"{tmp_path}:/usr/bin:/bin")


def whose(monkeypatch: pytest.MonkeyPatch, *, is_users: bool) -> None:
    async def is_rootless(path: str | None) -> bool:
        return is_users

    monkeypatch.setattr(isolation, "is_rootless", is_rootless)


def program(folder: Path, text: str) -> None:
    path = folder / isolation.PROGRAM
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


async def test_the_bridge_is_told_apart_from_the_others(tmp_path: Path) -> None:
    program(tmp_path, f'printf %s "$1" >{tmp_path}/loaded')
    assert await isolation.keep_apart("podman1") == ""
    loaded = (tmp_path / "loaded").read_text()
    assert loaded == isolation.rules("podman1")
    assert 'within { "podman1" . "podman1" }' in loaded


def test_nothing_goes_between_it_and_another_engines() -> None:
    """But for what comes by a published port, and replies."""
    said = [line.partition(" forward ")[2] for line in isolation.rules("podman1").splitlines()]
    assert [rule for rule in said if rule and not rule.startswith("{")] == [
        "ct state established,related accept",
        "ct status dnat accept",
        "iifname . oifname @within accept",
        "iifname @bridges oifname @bridges counter drop",
        'iifname @bridges oifname "ring-*" counter drop',
        'iifname "ring-*" oifname @bridges counter drop',
        'iifname @bridges oifname "rbr-*" counter drop',
        'iifname "rbr-*" oifname @bridges counter drop',
        'iifname @bridges oifname "ringbr-*" counter drop',
        'iifname "ringbr-*" oifname @bridges counter drop',
    ]


async def test_what_the_program_says_is_told(tmp_path: Path) -> None:
    program(tmp_path, "echo 'Operation not supported' >&2; exit 1")
    assert await isolation.keep_apart("podman1") == "Operation not supported"


async def test_the_networks_of_this_machine_are_ours() -> None:
    assert await isolation.not_ours(HERE) == ""


async def test_without_root_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert await isolation.not_ours(HERE) == "Ring does not run as root"


async def test_of_the_engine_of_a_user_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bridge of this machine may have the name that one of its has."""
    whose(monkeypatch, is_users=True)
    assert "the engine is a user's" in await isolation.not_ours(HERE)


async def test_of_an_engine_elsewhere_it_is_told() -> None:
    elsewhere = parse_host("tcp://127.0.0.1:1", "podman")
    assert await isolation.not_ours(elsewhere) == "the engine is on another machine"
