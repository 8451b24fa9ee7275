from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ring.manifest.interpolate import interpolate

VARIABLES = {
    "APP": "x",
    "APPLE_2": "y",
    "SELF": "$SELF",
    "OTHER": "$APP",
    "EMPTY": "",
    "a": "b",
}


@pytest.mark.parametrize(
    ("text", "replaced", "undefined"),
    [
        ("$APP", "x", ()),
        ("-$APP-$APP.", "-x-x.", ()),
        ("$APPLE", "$APPLE", ("APPLE",)),
        ("$APPLE_2", "y", ()),
        ("${APP}", "${APP}", ()),
        ("$_X $1 $$ $", "$_X $1 $$ $", ()),
        ("$NOPE/$APP/$NOPE", "$NOPE/x/$NOPE", ("NOPE",)),
        ("$SELF$OTHER", "$SELF$APP", ()),
        ("[$EMPTY]", "[]", ()),
        ("$a", "b", ()),
        ("$APPé", "xé", ()),
        ("", "", ()),
    ],
)
def test_references(text: str, replaced: str, undefined: tuple[str, ...]) -> None:
    assert interpolate(text, VARIABLES.get) == (replaced, undefined)


@given(st.text())
def test_without_variables_nothing_changes(text: str) -> None:
    replaced, undefined = interpolate(text, lambda _: None)
    assert replaced == text
    assert all(f"${name}" in text for name in undefined)
