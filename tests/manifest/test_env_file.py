from __future__ import annotations

from typing import TYPE_CHECKING

from ring.manifest import env_file

if TYPE_CHECKING:
    from pathlib import Path


def test_grammar() -> None:
    text = (
        "# comment\n"
        "\n"
        "  A = b # c \n"
        'K="v"\n'
        "L='v'\n"
        "export M=v\n"
        "N=a=b\n"
        "EMPTY=\r\n"
        "QUOTED=\"'x'\"\n"
        "RAW=$A\\n\n"
        "K=later\n"
    )
    assert env_file.parse(text, "x.env") == (
        {
            "A": "b # c",
            "K": "later",
            "L": "v",
            "M": "v",
            "N": "a=b",
            "EMPTY": "",
            "QUOTED": "x",
            "RAW": "$A\\n",
        },
        (),
    )


def test_line_without_equals_warns_with_its_number() -> None:
    variables, warnings = env_file.parse("A=1\n\n  nonsense \nB=2", "x.env")
    assert variables == {"A": "1", "B": "2"}
    assert warnings == ("Invalid env line 3 in 'x.env': nonsense",)


def test_read(tmp_path: Path) -> None:
    path = tmp_path / "x.env"
    path.write_bytes(b"\xef\xbb\xbfA=\xc3\xa9\n")
    assert env_file.read(path) == ({"A": "é"}, ())


def test_a_file_that_cannot_be_read_warns(tmp_path: Path) -> None:
    missing = tmp_path / "nope.env"
    assert env_file.read(missing) == (
        {},
        (f"Failed to read env file '{missing}': no such file or directory",),
    )
    binary = tmp_path / "bin.env"
    binary.write_bytes(b"A=\xff")
    assert env_file.read(binary) == (
        {},
        (f"Failed to read env file '{binary}': not UTF-8 text (byte 0xff)",),
    )
    assert env_file.read(tmp_path) == (
        {},
        (f"Failed to read env file '{tmp_path}': is a directory",),
    )
