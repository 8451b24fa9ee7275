"""What stands in a JSON column is a value, or damage of one kind."""

from __future__ import annotations

import pytest

from ring.store.decoding import json_value


def test_json_text_is_its_value() -> None:
    assert json_value('{"a":[1,"b",null]}') == {"a": [1, "b", None]}


@pytest.mark.parametrize("text", ["", "{", "nope", None, 7, 1.5, "[" * 100_000, b"\xff", "\0"])
def test_anything_else_is_damage(text: object) -> None:
    with pytest.raises(ValueError, match=r".+"):
        json_value(text)
