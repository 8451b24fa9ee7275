"""Mistakes that people make in YAML: one clear error each, with its line and column."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ring.manifest import ManifestError, load_manifest, source

WEB = """\
deployments:
  web:
    name: web
    namespace: shop
    image: nginx
"""
PLACE = re.compile(r"(?:Invalid YAML: )?ring\.yaml:(\d+):(\d+): \S")


def load(text: str) -> None:
    load_manifest(text, origin="ring.yaml", lookup=lambda _: None, directory=Path("/nowhere"))


def refused(text: str) -> list[str]:
    with pytest.raises(ManifestError) as caught:
        load(text)
    return caught.value.message.splitlines()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (WEB + "\treplicas: 2\n", "ring.yaml:6:1: "),
        (WEB + "    command:\n\t- a\n", "ring.yaml:7:1: "),
        (WEB + "    image: other\n", "ring.yaml:6:5: key 'image' is given twice"),
        (WEB + WEB, "ring.yaml:6:1: key 'deployments' is given twice"),
        (WEB + "---\n" + WEB, "ring.yaml:6:1: more than one document"),
        (WEB + "...\n---\n", "ring.yaml:7:1: more than one document"),
        (WEB + "   replicas: 2\n", "ring.yaml:6:4: "),
        (WEB + "    image nginx\n", "ring.yaml:"),
        (WEB + "    command: [a, b\n", "ring.yaml:"),
        (WEB + "    command: ['a]\n", "ring.yaml:"),
        (WEB + "    labels: { a: b\n", "ring.yaml:"),
        (WEB + "    command: @a\n", "ring.yaml:6:14: "),
        (WEB + "    command: %a\n", "ring.yaml:6:14: "),
        (WEB + "    image: `x`\n", "ring.yaml:6:12: "),
        (WEB + "    command: !Ref x\n", "ring.yaml:6:14: tag '!Ref' is not allowed"),
        (WEB + "    command: !!python/name:os.system\n", "is not allowed"),
        (WEB + "    command: *base\n", "ring.yaml:6:14: alias '*base'"),
        (WEB + "    ? { a: b }\n    : x\n", "ring.yaml:6:7: a key must be a scalar"),
        (WEB + "    <<: x\n", "ring.yaml:6:9: '<<' merges a map"),
        (WEB + "    hostname: a\x00b\n", "ring.yaml:6:16: character U+0000 is not allowed"),
        (WEB + "    hostname: a\x08b\n", "ring.yaml:6:16: character U+0008 is not allowed"),
        (WEB + "    command: run it\n", "ring.yaml:6:5: deployments.web.command: must be a list"),
        (WEB + "    replicas: many\n", "ring.yaml:6:5: deployments.web.replicas: must be an int"),
        (WEB + "    replicas: -1\n", "ring.yaml:6:5: deployments.web.replicas: must be between"),
        (WEB + "    replicas: 1.5\n", "ring.yaml:6:5: deployments.web.replicas: must be an int"),
        (WEB + "    ports: 80:80\n", "ring.yaml:6:5: deployments.web.ports: must be a list"),
        (WEB + "    ports: ['80:80']\n", "ring.yaml:6:13: deployments.web.ports[0]: must be an"),
        (WEB + "    environment: [A=b]\n", "ring.yaml:6:5: deployments.web.environment: must be"),
        (WEB + "    environment: { A: }\n", "ring.yaml:6:20: deployments.web.environment.A: must"),
        (WEB + "    labels: edge\n", "ring.yaml:6:13: deployments.web.labels: labels must be"),
        (WEB + "    init: yes\n", "ring.yaml:6:5: deployments.web.init: must be true or false"),
        (WEB + "    kind: Job\n", "ring.yaml:6:5: deployments.web.kind: 'Job' is not supported"),
        ("deployments:\n  - name: web\n", "ring.yaml:1:1: deployments: must be an object"),
        ("deployments: web\n", "ring.yaml:1:1: deployments: must be an object, not a string"),
        ("deployments:\n  web:\n", "ring.yaml:2:3: deployments.web: must be an object, not null"),
        ("namespaces: [shop]\n", "ring.yaml:1:1: namespaces: must be an object, not a list"),
        ("namespaces: { a: shop }\n", "ring.yaml:1:15: namespaces.a: must be an object"),
        ("namespaces: { a: {} }\n", "ring.yaml:1:15: namespaces.a.name: name is required"),
        ("configs: { a: { name: b, namespace: c } }\n", "ring.yaml:1:12: config 'a': either"),
        ("- a\n", "ring.yaml:1:1: a manifest is a map"),
        ("web\n", "ring.yaml:1:1: a manifest is a map"),
        ("", "ring.yaml:1:1: the manifest is empty"),
        ("---\n...\n", "ring.yaml:1:1: the manifest is empty"),
        ("services: { web: { image: x } }\n", "ring.yaml:1:1: a manifest needs deployments"),
        ("kind: Deployment\nmetadata: {}\n", "ring.yaml:1:1: a manifest needs deployments"),
        ("{'deployments': {'a': }", "ring.yaml:1:"),
        ('{"deployments": {"a": {"name": "x",}}}', "ring.yaml:1:18: deployments.a.namespace"),
        ("{% if x %}\n", "ring.yaml:1:2: "),
        ("%YAML 9.9\n---\na: b\n", "ring.yaml:"),
        ("%YAML 1.29\n---\na: b\n", "ring.yaml:"),
        ("%YAML 99999999999999999999.1\n---\na: b\n", "ring.yaml:"),
        ("%FOO\n", "ring.yaml:"),
        ("a: \"\\q\"\n", "ring.yaml:1:"),
        ("a: \"\\UFFFFFFFF\"\n", "ring.yaml:1:"),
        ("a: \"\\x4\"\n", "ring.yaml:1:"),
        ("<<<<<<< HEAD\n" + WEB, "ring.yaml:"),
    ],
    ids=lambda value: repr(value[-24:]),
)  # fmt: skip
def test_one_clear_error(text: str, says: str) -> None:
    lines = refused(text)
    assert says in lines[0]
    for line in lines:
        assert PLACE.match(line), line


def test_what_looks_like_a_mistake_and_is_none() -> None:
    for more in (
        "    command:\n    - a\n",
        "    labels: null\n",
        "    environment: { A: 'x\ty' }\n",
        "    # a comment with a \t tab\n",
        "    command: &x [a]\n",
        "...\n",
        "    command: ! [a]\n",
    ):
        load(WEB + more)
    load("---\r\n" + WEB.replace("\n", "\r\n"))
    load("%YAML 1.1\n---\n" + WEB)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 10_000,
        "{a: " * 10_000,
        "- " * 10_000 + "x",
        "? " * 10_000 + "x",
        "\n".join(" " * depth + "a:" for depth in range(1_000)),
        '{"a":' * 10_000 + "1" + "}" * 10_000,
        '{"deployments":' + "[" * 10_000 + "]" * 10_000 + "}",
    ],
    ids=["lists", "maps", "block lists", "keys", "block maps", "json maps", "json lists"],
)
def test_nesting_beyond_reason(text: str) -> None:
    (line,) = refused(text)
    assert PLACE.match(line)
    assert "levels deep" in line


def test_an_alias_bomb_ends_early() -> None:
    bomb = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    bomb += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    (line,) = refused("\n".join(bomb))
    assert PLACE.match(line)
    assert "once aliases are spelled out" in line


def test_more_values_than_any_manifest_has_end_early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "HEAVIEST", 500)
    (line,) = refused("deployments:\n" + "  - x\n" * 1_000)
    assert line == "Invalid YAML: ring.yaml:499:5: more than 500 values"


@given(
    cut=st.integers(0, len(WEB)),
    drop=st.integers(0, 6),
    put=st.text(alphabet="a:-[]{},&*!?|>'\"%@` \n\t#~<0\\\x00\x85\u2028U", max_size=6),
)
def test_a_damaged_manifest_is_read_or_refused_with_a_place(cut: int, drop: int, put: str) -> None:
    text = WEB[:cut] + put + WEB[cut + drop :]
    try:
        load(text)
    except ManifestError as error:
        assert all(PLACE.match(line) for line in error.message.splitlines())  # noqa: PT017 - both ends are right
