"""What people give `ring apply` as a file: one line, no traceback, no waiting, no request."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Ring
    from tests.cli.stub import Stub


def directory(path: Path) -> None:
    path.mkdir()


def pipe(path: Path) -> None:
    os.mkfifo(path)


def huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(100 << 20)


def dangling(path: Path) -> None:
    path.symlink_to("gone")


def binary(path: Path) -> None:
    path.write_bytes(b"\x7fELF\x02\x01\x01\x00")


def empty(path: Path) -> None:
    path.touch()


def utf16(path: Path) -> None:
    path.write_bytes("deployments: {}".encode("utf-16"))


def latin1(path: Path) -> None:
    path.write_bytes("deployments:\n  café: {}\n".encode("latin-1"))


def deep(path: Path) -> None:
    path.write_text("[" * 10_000)


def nul(path: Path) -> None:
    path.write_bytes(b"deployments:\n  a\x00: {}\n")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (directory, "Error: Failed to read file: ring.yaml: is a directory\n"),
        (pipe, "Error: Invalid YAML: ring.yaml:1:1: the manifest is empty\n"),
        (empty, "Error: Invalid YAML: ring.yaml:1:1: the manifest is empty\n"),
        (huge, "Error: Failed to read file: ring.yaml: larger than 8 MiB\n"),
        (dangling, "Error: Failed to read file: ring.yaml: no such file or directory\n"),
        (binary, "Error: Invalid YAML: ring.yaml:1:1: character U+007F is not allowed: "
         "in a quoted string write it as an escape\n"),
        (utf16, "Error: Failed to read file: ring.yaml:1:1: not UTF-8 text (byte 0xff)\n"),
        (latin1, "Error: Failed to read file: ring.yaml:2:6: not UTF-8 text (byte 0xe9)\n"),
        (deep, "Error: Invalid YAML: ring.yaml:1:62: more than 60 levels deep\n"),
        (nul, "Error: Invalid YAML: ring.yaml:2:4: character U+0000 is not allowed: "
         "in a quoted string write it as an escape\n"),
    ],
)  # fmt: skip
def test_one_line(ring: Ring, stub: Stub, make: object, says: str) -> None:
    assert callable(make)
    make(ring.home / "ring.yaml")
    ended = ring.process("apply")
    assert (ended.code, ended.out, ended.err) == (1, "", says)
    assert stub.requests == []


def test_standard_input_is_bounded_too(ring: Ring, stub: Stub) -> None:
    ended = ring.process("apply", "-f", "-", stdin="#" * (9 << 20))
    assert ended.err == "Error: Failed to read file: standard input: larger than 8 MiB\n"
    assert (ended.code, stub.requests) == (1, [])


def test_a_variable_that_holds_other_bytes_than_text(ring: Ring, stub: Stub) -> None:
    text = "deployments:\n  a:\n    {name: a, namespace: shop, image: $ODD}\n"
    (ring.home / "ring.yaml").write_text(text)
    ring.environ["ODD"] = os.fsdecode(b"\xff")
    for words in ((), ("--dry-run",)):
        ended = ring("apply", "-f", str(ring.home / "ring.yaml"), *words)
        assert (ended.code, ended.out) == (1, "")
        assert ended.err == (
            f"Error: {ring.home}/ring.yaml:3:32: deployments.a.image: "
            "the value of a variable is not UTF-8 text\n"
        )
    assert stub.requests == []


def test_a_process_substitution_is_a_file(ring: Ring) -> None:
    reader, writer = os.pipe()
    os.write(writer, b"deployments: {}\n")
    os.close(writer)
    ended = ring("apply", "--dry-run", "-f", f"/dev/fd/{reader}")
    os.close(reader)
    assert (ended.code, ended.err) == (0, "")
