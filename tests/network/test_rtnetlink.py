"""Messages of the kernel, taken apart; whole, cut off and of nonsense."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ring.network.rtnetlink import (
    ALIAS,
    HEADER,
    LINK,
    MASTER,
    NAME,
    NEW_LINK,
    attribute,
    attributes,
    messages,
    name_in,
)


def _message(kind: int, payload: bytes) -> bytes:
    whole = HEADER.pack(HEADER.size + len(payload), kind, 0, 1, 0) + payload
    return whole + b"\0" * (-len(whole) % 4)


@given(st.dictionaries(st.sampled_from([NAME, MASTER, ALIAS]), st.binary(max_size=20)))
def test_what_is_packed_is_read(told: dict[int, bytes]) -> None:
    packed = b"".join(attribute(kind, value) for kind, value in told.items())
    payload = LINK.pack(0, 0, 1, 0, 0) + packed
    both = _message(NEW_LINK, payload) + _message(3, b"")
    assert list(messages(both)) == [(NEW_LINK, payload), (3, b"")]
    assert attributes(payload) == told


@given(st.binary(max_size=200))
def test_nonsense_is_no_message(content: bytes) -> None:
    for _, payload in messages(content):
        assert payload in content
        attributes(payload)


def test_what_is_cut_off_is_left_out() -> None:
    whole = _message(NEW_LINK, LINK.pack(0, 0, 1, 0, 0) + attribute(NAME, b"eth0\0"))
    assert list(messages(whole[:-1])) == []
    assert list(messages(whole + whole[:-1])) == [(NEW_LINK, whole[HEADER.size :])]


def test_an_interface_by_its_name() -> None:
    assert name_in({NAME: b"eth0\0", ALIAS: b"other\0"}) == "eth0"
    assert name_in({ALIAS: b"other\0"}) is None
