from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING

import pytest

from ring.core.model.failures import FailureClass
from ring.runtimes.base import RuntimeFailure
from ring.runtimes.containerd.oci.init import find_init

if TYPE_CHECKING:
    from pathlib import Path

LOAD, INTERPRETER = 1, 3


def elf(*segments: int, is_wide: bool = True) -> bytes:
    """As much of a program as tells whether it needs others."""
    kind, size = (b"\x02", 56) if is_wide else (b"\x01", 32)
    head = b"\x7fELF" + kind + b"\x01\x01" + bytes(9) + bytes(16)
    if is_wide:
        head += (
            struct.pack("<Q", 64) + bytes(14) + struct.pack("<HH", size, len(segments)) + bytes(6)
        )
    else:
        head = head[:28] + struct.pack("<I", 52) + bytes(10)
        head += struct.pack("<HH", size, len(segments)) + bytes(6)
    return head + b"".join(struct.pack("<I", each) + bytes(size - 4) for each in segments)


def put(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    path.chmod(0o755)


@pytest.mark.parametrize("is_wide", [True, False])
def test_the_first_that_needs_nothing_else(tmp_path: Path, is_wide: bool) -> None:
    put(tmp_path / "tini", elf(INTERPRETER, LOAD, is_wide=is_wide))
    put(tmp_path / "catatonit", elf(LOAD, is_wide=is_wide))
    assert find_init(os.fspath(tmp_path)) == f"{tmp_path}/catatonit"
    put(tmp_path / "tini-static", elf(LOAD, is_wide=is_wide))
    (tmp_path / "docker-init").symlink_to("tini-static")
    assert find_init(os.fspath(tmp_path)) == f"{tmp_path}/tini-static"


def test_there_is_none(tmp_path: Path) -> None:
    put(tmp_path / "tini", elf(INTERPRETER))
    with pytest.raises(RuntimeFailure, match="docker-init, tini nor catatonit") as caught:
        find_init(os.fspath(tmp_path))
    assert caught.value.failure.kind is FailureClass.INSTANCE_REJECTED
    assert "install the package" in caught.value.message
