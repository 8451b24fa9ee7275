"""JSON of an engine that nothing could store, or that would fill everything."""

from __future__ import annotations

import pytest

from ring.runtimes.base import Unavailable
from ring.runtimes.docker import payload
from ring.runtimes.docker.connection import LONGEST_TEXT, Answer


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (rb'{"message": "odd \ud800 half"}', "odd ? half"),
        (rb'{"message": "odd \uDFFF half"}', "odd ? half"),
        (rb'{"message": "\ud83d\ude80 whole"}', "\N{ROCKET} whole"),
        (rb'{"message": "\\ud800 said, not meant"}', "\\ud800 said, not meant"),
        ('{"message": "gr\u00fcn"}'.encode(), "gr\u00fcn"),
    ],
)
def test_what_is_told_can_be_stored_and_sent_on(content: bytes, text: str) -> None:
    told = payload.text(payload.as_payload(payload.decode(content)), "message")
    assert told == text
    assert told.encode()


def test_what_is_not_json_is_no_answer() -> None:
    with pytest.raises(Unavailable):
        payload.decode(b'{"message": "\\ud800')


def test_a_refusal_is_as_long_as_somebody_can_read() -> None:
    answer = Answer(500, b'{"message": "' + b"x" * 5_000_000 + b'"}')
    assert len(answer.message) == LONGEST_TEXT
