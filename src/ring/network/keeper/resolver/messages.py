"""Queries as they come from anybody, and answers as they go out: the only door to dnslib."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dnslib import AAAA, EDNS0, PTR, QTYPE, RCODE, RR, A, DNSHeader, DNSQuestion, DNSRecord
from dnslib.dns import DNSError
from dnslib.label import DNSBuffer, DNSLabelError

if TYPE_CHECKING:
    from collections.abc import Sequence

TTL_S: Final = 5
HEADER_BYTES: Final = 12
USUAL_ROOM: Final = 512
"""Bytes that an answer by UDP may have where the query says nothing: RFC 1035 4.2.1."""
MOST_ROOM: Final = 1232
"""Where it says more: what is not cut up on the way (DNS flag day 2020)."""
INTERNET: Final = 1
"""The class IN."""
_MOST_LABEL: Final = 63
_MOST_EXTRA: Final = 4

_RESPONSE: Final = 0x8000
_OPCODE: Final = 0x7800
_RECURSION_DESIRED: Final = 0x0100

REVERSE: Final = QTYPE.PTR
V4: Final = QTYPE.A
V6: Final = QTYPE.AAAA
ANY: Final = QTYPE.ANY


class Malformed(Exception):
    """Not a query that can be answered."""

    def __init__(self, answer: bytes | None) -> None:
        """answer: what to say to it, if anything."""
        super().__init__()
        self.answer = answer


@dataclass(frozen=True, slots=True)
class Query:
    header: DNSHeader
    question: DNSQuestion
    name: str
    """In lower case, without the last dot; a label that has a dot in itself makes it empty."""
    kind: int
    is_internet: bool
    end: int
    """Where the question ends in the message."""
    room: int
    """Bytes that an answer by UDP may have."""
    is_extended: bool
    """It has EDNS, so must the answer."""


def parse(message: bytes) -> Query:
    """Raises Malformed."""
    if len(message) < HEADER_BYTES:
        raise Malformed(None)
    flags, questions, answers, authorities, extras = struct.unpack_from("!HHHHH", message, 2)
    if flags & _RESPONSE:
        raise Malformed(None)
    if flags & _OPCODE:
        raise Malformed(_bare(message, RCODE.NOTIMP))
    if (questions, answers, authorities) != (1, 0, 0) or extras > _MOST_EXTRA:
        raise Malformed(_bare(message, RCODE.FORMERR))
    buffer = DNSBuffer(message)
    try:
        header = DNSHeader.parse(buffer)
        question = DNSQuestion.parse(buffer)
        end = buffer.offset
        extra = [RR.parse(buffer) for _ in range(extras)]
    except (DNSError, DNSLabelError, ValueError, IndexError, struct.error) as error:
        raise Malformed(_bare(message, RCODE.FORMERR)) from error
    labels = question.qname.label
    length = HEADER_BYTES + sum(len(label) + 1 for label in labels) + 5
    if end != length or any(len(label) > _MOST_LABEL for label in labels):
        raise Malformed(_bare(message, RCODE.FORMERR))  # a pointer in the name, or no such label
    extended = next((one for one in extra if one.rtype == QTYPE.OPT), None)
    is_plain = not any(b"." in label for label in labels)
    return Query(
        header=header,
        question=question,
        name=b".".join(labels).decode("utf-8", "replace").lower() if is_plain else "",
        kind=question.qtype,
        is_internet=question.qclass == INTERNET,
        end=end,
        room=USUAL_ROOM if extended is None else max(USUAL_ROOM, min(extended.rclass, MOST_ROOM)),
        is_extended=extended is not None,
    )


def addresses(query: Query, v4: Sequence[str], v6: Sequence[str], room: int) -> bytes:
    """As many as there is room for, and a sign where these are not all."""
    found = [*((V4, A(one)) for one in v4), *((V6, AAAA(one)) for one in v6)]
    return _answer(query, found, room)


def names(query: Query, found: Sequence[str], room: int) -> bytes:
    return _answer(query, [(REVERSE, PTR(name)) for name in found], room)


def failure(query: Query, code: int) -> bytes:
    """code: of RCODE."""
    reply = _reply(query)
    reply.header.rcode = code
    return _packed(reply)


def servfail(query: Query) -> bytes:
    return failure(query, RCODE.SERVFAIL)


def refused(query: Query) -> bytes:
    return failure(query, RCODE.REFUSED)


def no_such_name(query: Query) -> bytes:
    return failure(query, RCODE.NXDOMAIN)


def with_id(message: bytes, number: int) -> bytes:
    return struct.pack("!H", number) + message[2:]


def answers(reply: bytes, asked: bytes, end: int) -> bool:
    """Whether this is for what was asked: its id and its question, which ends at `end`."""
    return (
        len(reply) >= end
        and reply[:2] == asked[:2]
        and bool(reply[2] & 0x80)
        # The length of a label is never that of a letter, so only letters change.
        and reply[HEADER_BYTES:end].lower() == asked[HEADER_BYTES:end].lower()
        and reply[4:6] == asked[4:6]
    )


def is_passed_over(reply: bytes) -> bool:
    """The server could or would not say: another one may."""
    return reply[3] & 0x0F in (RCODE.SERVFAIL, RCODE.NOTIMP, RCODE.REFUSED)


def _answer(query: Query, found: Sequence[tuple[int, object]], room: int) -> bytes:
    shown = len(found)
    while True:
        reply = _reply(query)
        for kind, data in found[:shown]:
            reply.add_answer(RR(query.question.qname, kind, ttl=TTL_S, rdata=data))
        reply.header.tc = int(shown < len(found))
        if len(packed := _packed(reply)) <= room or not shown:
            return packed
        shown = min(shown - 1, shown * room // len(packed))


def _reply(query: Query) -> DNSRecord:
    header = DNSHeader(id=query.header.id, qr=1, aa=1, ra=1, rd=query.header.rd)
    reply = DNSRecord(header, q=query.question)
    if query.is_extended:
        reply.add_ar(EDNS0(udp_len=MOST_ROOM))
    return reply


def _packed(reply: DNSRecord) -> bytes:
    return bytes(reply.pack())


def _bare(message: bytes, code: int) -> bytes:
    """An answer of a header alone."""
    number, flags = struct.unpack_from("!HH", message)
    kept = flags & (_OPCODE | _RECURSION_DESIRED)
    return struct.pack("!HHHHHH", number, _RESPONSE | kept | code, 0, 0, 0, 0)
