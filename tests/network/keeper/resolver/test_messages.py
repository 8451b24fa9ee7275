from __future__ import annotations

import struct

import pytest
from dnslib import EDNS0, QTYPE, RCODE, DNSRecord
from hypothesis import given
from hypothesis import strategies as st

from ring.network.keeper.resolver import messages
from ring.network.keeper.resolver.messages import Malformed
from tests.network.keeper.loopback import code, found, query

GOOD = query("web.shop")


def _extended(room: int) -> bytes:
    record = DNSRecord.question("web")
    record.add_ar(EDNS0(udp_len=room))
    return bytes(record.pack())


def _said(message: bytes) -> bytes | None:
    with pytest.raises(Malformed) as raised:
        messages.parse(message)
    return raised.value.answer


def test_a_name_is_read_without_case_and_last_dot() -> None:
    read = messages.parse(query("Web.SHOP."))
    assert (read.name, read.kind, read.is_internet) == ("web.shop", QTYPE.A, True)


def test_a_label_with_a_dot_in_it_is_no_name() -> None:
    assert messages.parse(GOOD.replace(b"\x03web\x04shop", b"\x08web.shop")).name == ""


@pytest.mark.parametrize("message", [b"", b"\0" * 11, b"\0\0\x80\0" + GOOD[4:]])
def test_what_asks_nothing_is_not_answered(message: bytes) -> None:
    """Nor is an answer: two resolvers would never end."""
    assert _said(message) is None


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (GOOD[:2] + b"\x21\0" + GOOD[4:], RCODE.NOTIMP),
        (GOOD[:4] + b"\0\2" + GOOD[6:], RCODE.FORMERR),
        (GOOD[:4] + b"\0\0" + GOOD[6:], RCODE.FORMERR),
        (GOOD[:6] + b"\0\1" + GOOD[8:], RCODE.FORMERR),
        (GOOD[:10] + b"\xff\xff" + GOOD[12:], RCODE.FORMERR),
        (GOOD[:-1], RCODE.FORMERR),
        (GOOD[:12] + b"\xc0\x0c\0\1\0\1", RCODE.FORMERR),
        (GOOD[:12] + b"\x7f" + b"a" * 127 + b"\0\0\1\0\1", RCODE.FORMERR),
        (GOOD[:12] + b"\x02\xff\xfe\0\0\1\0\1", RCODE.FORMERR),
    ],
)
def test_what_is_malformed_is_told_so(message: bytes, said: int) -> None:
    answer = _said(message)
    assert answer is not None
    assert (answer[:2], code(answer)) == (message[:2], said)


@given(st.binary(max_size=600))
def test_garbage_is_never_an_error(message: bytes) -> None:
    _never_an_error(message)


@given(st.binary(max_size=80), st.integers(0, 6))
def test_garbage_that_begins_well_is_never_an_error(rest: bytes, extras: int) -> None:
    _never_an_error(struct.pack("!HHHHHH", 7, 0x0100, 1, 0, 0, extras) + rest)


@given(st.binary(max_size=80), st.sampled_from([1, 12, 33, 41, 46, 250, 257, 65535]))
def test_garbage_beside_a_question_is_never_an_error(rest: bytes, kind: int) -> None:
    extra = struct.pack("!BHHIH", 0, kind, 1, 0, len(rest)) + rest
    _never_an_error(GOOD[:10] + b"\0\1" + GOOD[12:] + extra)


def _never_an_error(message: bytes) -> None:
    try:
        read = messages.parse(message)
    except Malformed:
        return
    messages.addresses(read, ["10.0.0.1"], [], read.room)
    messages.servfail(read)


def test_an_answer_keeps_to_what_the_query_has_room_for() -> None:
    addresses = [f"10.0.{n // 200}.{n % 200}" for n in range(400)]
    for message, room in ((query("web"), 512), (_extended(900), 900), (_extended(9000), 1232)):
        read = messages.parse(message)
        answer = messages.addresses(read, addresses, [], read.room)
        assert room - 32 < len(answer) <= room
        assert DNSRecord.parse(answer).header.tc == 1
        assert found(answer) == addresses[: len(found(answer))]
    assert len(found(messages.addresses(read, addresses, [], 65535))) == 400


def test_only_who_extends_is_answered_so() -> None:
    for message, extras in ((query("web"), 0), (_extended(1232), 1)):
        answer = messages.addresses(messages.parse(message), ["10.0.0.1"], [], 512)
        assert len(DNSRecord.parse(answer).ar) == extras


@pytest.mark.parametrize(
    ("reply", "is_answer"),
    [
        (GOOD[:2] + b"\x81\x80" + GOOD[4:], True),
        (GOOD[:2] + b"\x81\x80" + GOOD[4:].replace(b"web", b"WeB"), True),
        (GOOD, False),
        (b"\0\0\x81\x80" + GOOD[4:].replace(b"web", b"WeB"), False),
        (GOOD[:2] + b"\x81\x80" + query("other")[4:], False),
        (GOOD[:2] + b"\x81\x80" + GOOD[4:-4], False),
        (b"", False),
    ],
)
def test_an_answer_is_for_what_was_asked(reply: bytes, is_answer: bool) -> None:
    asked = b"\x12\x34" + GOOD[2:]
    reply = reply if reply[:2] == b"\0\0" else b"\x12\x34"[: len(reply)] + reply[2:]
    assert messages.answers(reply, asked, len(asked)) is is_answer
