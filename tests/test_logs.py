from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

import pytest

from ring import logs

if TYPE_CHECKING:
    from collections.abc import Iterator

LOG = logging.getLogger("ring.server")


@pytest.fixture(autouse=True)
def _root_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    logging.getLogger("uvicorn").setLevel(logging.NOTSET)


def test_a_json_line_has_the_agreed_shape(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "json")
    LOG.info("müde\nand %d", 3, extra={"deployment": "d1"})
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith('{"timestamp":"')
    assert err.count("\n") == 1
    assert "müde" in err
    line = json.loads(err)
    assert line["timestamp"].endswith("Z")
    del line["timestamp"]
    assert line == {
        "level": "INFO",
        "fields": {"message": "müde\nand 3", "deployment": "d1"},
        "target": "ring.server",
    }


def test_a_json_line_carries_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "json")
    try:
        raise ValueError("broken")
    except ValueError:
        LOG.exception("failed")
    fields = json.loads(capsys.readouterr().err)["fields"]
    assert fields["message"] == "failed"
    assert "ValueError: broken" in fields["exception"]


def test_a_text_message_cannot_forge_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "text")
    LOG.warning("name %s", "a\n2027-01-01 INFO ring: all is well\x1b[2J", extra={"row": 1})
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "\x1b" not in err
    assert " WARNING ring.server: name a\\n2027" in err
    assert err.endswith(" row=1\n")


def test_a_text_traceback_follows_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "")
    try:
        raise ValueError("broken")
    except ValueError:
        LOG.exception("failed")
    assert capsys.readouterr().err.endswith("ValueError: broken\n")


def test_a_text_traceback_cannot_forge_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "text")
    forged = "2027-01-01T00:00:00Z INFO    ring.server: all is well"
    try:
        raise ValueError(f"broken\n{forged}\r{forged}\x1b[2J")
    except ValueError:
        LOG.exception("failed", extra={"row": Wordy()})
    first, *rest = capsys.readouterr().err.splitlines()
    assert first.endswith(" ERROR   ring.server: failed row=one\\ntwo")
    assert all(line.startswith("  | ") for line in rest)
    assert rest[-1] == f"  | {forged}\\r{forged}\\x1b[2J"


class Wordy:
    def __repr__(self) -> str:
        return "one\ntwo"


@pytest.mark.parametrize(
    ("level", "shown"),
    [
        ("debug", "diwe"),
        ("info", "iwe"),
        ("Warning ", "we"),
        ("warn", "we"),
        ("error", "e"),
        ("", "iwe"),
    ],
)
def test_the_level_decides(level: str, shown: str, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(level, "text")
    LOG.debug("d")
    LOG.info("i")
    LOG.warning("w")
    LOG.error("e")
    lines = capsys.readouterr().err.splitlines()
    assert "".join(line[-1] for line in lines) == shown


def test_an_unknown_level_is_named_and_replaced(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("loud", "text", default="warning")
    LOG.info("hidden")
    err = capsys.readouterr().err
    assert "unknown log level 'loud', using warning" in err
    assert "hidden" not in err


def test_configuring_twice_does_not_log_twice(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "text")
    logs.configure("info", "text")
    LOG.info("once")
    assert capsys.readouterr().err.count("once") == 1
