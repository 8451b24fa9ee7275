from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ring.manifest.errors import InvalidManifest, Mark
from ring.manifest.source import DEEPEST, Mapping, Node, Scalar, Sequence, load


def plain(node: Node) -> Any:
    """Nodes as bare values, by the core schema."""
    if isinstance(node, Scalar):
        return node.resolve()
    if isinstance(node, Sequence):
        return [plain(item) for item in node.items]
    return {key: plain(value) for key, value in node.entries.items()}


def refused(text: str) -> str:
    with pytest.raises(InvalidManifest) as caught:
        load(text, "ring.yaml")
    return caught.value.message


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("0o17", 15),
        ("0xff", 255),
        ("010", 10),
        ("-3", -3),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("1e999", "1e999"),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("yes", "yes"),
        ("off", "off"),
        ("12:30", "12:30"),
        ("1_000", "1_000"),
        ("2026-01-31", "2026-01-31"),
        ("0b1", "0b1"),
        ("'true'", "true"),
        ('"5"', "5"),
        ("!!str 5", "5"),
        ("! 5", "5"),
        ("!!int 5", 5),
        ("!!int '5'", 5),
    ],
)
def test_core_schema(text: str, value: Any) -> None:
    found = plain(load(f"a: {text}", "x"))["a"]
    assert found == value
    assert type(found) is type(value)


def test_marks_and_source_text_are_kept() -> None:
    root = load("a:\n  b: [010, 'x']\n", "x")
    assert isinstance(root, Mapping)
    inner = root.entries["a"]
    assert isinstance(inner, Mapping)
    assert root.key_marks["a"] == Mark(1, 1)
    assert inner.key_marks["b"] == Mark(2, 3)
    items = inner.entries["b"]
    assert isinstance(items, Sequence)
    first, second = items.items
    assert isinstance(first, Scalar)
    assert (first.text, first.mark, first.plain) == ("010", Mark(2, 7), True)
    assert isinstance(second, Scalar)
    assert (second.text, second.mark, second.plain) == ("x", Mark(2, 12), False)


def test_keys_are_their_source_text() -> None:
    assert plain(load("on: 1\nY: 2\n1: 3\ntrue: 4\n1.10: 5\n", "x")) == {
        "on": 1,
        "Y": 2,
        "1": 3,
        "true": 4,
        "1.10": 5,
    }


def test_anchors_aliases_and_merge_keys() -> None:
    text = """
base: &base { a: 1, b: 2 }
more: &more { b: 3, c: 4 }
one: { <<: *base, b: 9 }
two: { <<: [*base, *more] }
list: &l [x]
same: *l
quoted: { "<<": 1 }
"""
    found = plain(load(text, "x"))
    assert found["one"] == {"a": 1, "b": 9}
    assert found["two"] == {"a": 1, "b": 2, "c": 4}
    assert found["same"] == ["x"]
    assert found["quoted"] == {"<<": 1}


def test_an_anchor_may_be_given_again() -> None:
    assert plain(load("a: &x 1\nb: *x\nc: &x 2\nd: *x\n", "x")) == {"a": 1, "b": 1, "c": 2, "d": 2}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [", "ring.yaml:1:5:"),
        ("a: b: c", "ring.yaml:1:5:"),
        ("a: 1\n---\nb: 2\n", "more than one document"),
        ("a: 1\na: 2\n", "ring.yaml:2:1: key 'a' is given twice"),
        ("on: 1\n'on': 2\n", "given twice"),
        ("{a: {b: 1, b: 2}}", "given twice"),
        ("a: !!python/object:os.system x", "is not allowed"),
        ("a: !secret x", "tag '!secret' is not allowed"),
        ("a: !!binary aGk=", "is not allowed"),
        ("a: *nowhere", "points to no value"),
        ("a: &x [*x]", "points to no value"),
        ("a: &x 1\nb: &x [*x]", "points to no value"),
        ("? [a]\n: 1\n", "a key must be a scalar"),
        ("a: &x 1\n<<: *x\n", "'<<' merges a map"),
        ("<<: [{a: 1}, 2]\n", "'<<' merges a map"),
        ("a: 1\nb: é\x00", "ring.yaml:2:5: character U+0000 is not allowed"),
        ("\x1b[2J", "ring.yaml:1:1: character U+001B is not allowed"),
        ('["\\ud800"]', "surrogate"),
        ("a: @x", "ring.yaml:1:4:"),
        ("[" * (DEEPEST + 2), "levels deep"),
        ("[" * 5000 + "]" * 5000, "levels deep"),
        ("\t- a", "ring.yaml:1:1:"),
    ],
    ids=lambda value: value[:20],
)
def test_refused(text: str, words: str) -> None:
    message = refused(text)
    assert message.startswith("Invalid YAML: ring.yaml:")
    assert words in message
    assert "\n" not in message


def test_an_alias_bomb_is_refused_before_it_is_spelled_out() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]
    assert "once aliases are spelled out" in refused("\n".join(lines))
    merges = ["m0: &m0 {" + ", ".join(f"k{n}: [x, x, x]" for n in range(10)) + "}"]
    merges += [
        f"m{n}: &m{n} {{ <<: *m{n - 1}, a{n}: *m{n - 1}, b{n}: *m{n - 1} }}" for n in range(1, 30)
    ]
    assert "once aliases are spelled out" in refused("\n".join(merges))


def test_json_with_tabs_and_pairs_of_escapes() -> None:
    text = '{\n\t"a":\t["\\ud83d\\ude00", "\\/", "x\\ty", 1e2, -0.5, true, null],\t"b":{}}'
    assert plain(load(text, "x")) == json.loads(text)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(10**18), 10**18) | st.text(),
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4)
        ),
        max_leaves=15,
    ).filter(lambda value: isinstance(value, list | dict))
)
def test_json_reads_as_json(value: Any) -> None:
    for text in (json.dumps(value), json.dumps(value, indent="\t")):
        assert plain(load(text, "x")) == json.loads(text)


@given(st.text(alphabet="a:-[]{},&*!?|>'\"%@` \n\t#~<0", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        node = load(text, "x")
    except InvalidManifest as error:
        assert str(error.problems[0].mark.line).isdigit()  # noqa: PT017 - both ends are right
        return
    assert isinstance(node, Scalar | Sequence | Mapping)
