"""How many files may be open, and that no core is left."""

from __future__ import annotations

import resource
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from ring.process import open_more_files

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def files() -> Iterator[int]:
    """As many as may be open at most; what is allowed at once is put back."""
    before, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield most
    resource.setrlimit(resource.RLIMIT_NOFILE, (before, most))


def test_as_many_files_are_opened_as_may_be(files: int) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(files, 512), files))
    for _ in range(2):
        open_more_files()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (files, files)


def test_a_machine_that_allows_no_more_files_is_served_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refused(*_: object) -> None:
        raise ValueError("not allowed to raise maximum limit")

    monkeypatch.setattr(resource, "setrlimit", refused)
    open_more_files()


def test_no_core_is_left_by_a_server() -> None:
    """In a process of its own: neither can be taken back."""
    program = (
        "import ctypes, resource; from ring.process import leave_no_core; leave_no_core();"
        "print(resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ended.stdout.strip() == "(0, 0) 0"
