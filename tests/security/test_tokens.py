from __future__ import annotations

import re

import pytest

from ring.security.tokens import is_shaped, mint, token_hash


def test_a_token_has_its_shape_and_differs_each_time() -> None:
    first, second = mint(), mint()
    assert re.fullmatch("ring_pat_[0-9a-f]{64}", first.clear)
    assert first.clear != second.clear
    assert is_shaped(first.clear)


def test_what_is_stored_is_a_digest_and_fifteen_characters() -> None:
    token = mint()
    assert token.hash == token_hash(token.clear)
    assert re.fullmatch("[0-9a-f]{64}", token.hash)
    assert token.prefix == token.clear[:15]


def test_the_clear_value_is_not_in_its_representation() -> None:
    token = mint()
    assert token.clear not in repr(token)


@pytest.mark.parametrize(
    "text", ["", "ring_pat_", "ring_pat_" + "A" * 64, "ring_pat_" + "a" * 64 + "\n", "x" * 73]
)
def test_other_text_is_no_token(text: str) -> None:
    assert not is_shaped(text)
