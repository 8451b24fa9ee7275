"""Configs of a manifest: which text they come to, and everything that can be wrong with one."""

from __future__ import annotations

import json
import os
from textwrap import dedent, indent
from typing import TYPE_CHECKING, Any

import pytest

from ring.manifest import Manifest, ManifestError, load_manifest

if TYPE_CHECKING:
    from pathlib import Path

VARIABLES = {"APP": "x", "NS": "prod", "ODD": 'a"b\nc', "TWICE": "$APP"}


def loaded(text: str, directory: Path) -> Manifest:
    return load_manifest(
        dedent(text), origin="ring.yaml", lookup=VARIABLES.get, directory=directory
    )


def config(members: str, directory: Path) -> dict[str, Any]:
    """The body of a config that sets these members, one a line."""
    lines = indent(dedent(members).strip(), "    ")
    text = f"configs:\n  key:\n    namespace: shop\n    name: conf\n{lines}\n"
    return loaded(text, directory).configs[0].body


def refused(members: str, directory: Path) -> str:
    with pytest.raises(ManifestError) as caught:
        config(members, directory)
    return caught.value.message


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "app.conf").write_bytes(b"root $host;\r\nname $APP ${APP};\n")
    return tmp_path


def test_data_alone(here: Path) -> None:
    assert config('data: \'{ "b": "1", "a": 2 }\'', here) == {
        "namespace": "shop",
        "name": "conf",
        "data": '{ "b": "1", "a": 2 }',
    }
    assert config("data: no object", here)["data"] == "no object"
    assert config("data: ''", here)["data"] == ""


def test_data_as_a_map_is_compact_json_with_sorted_keys(here: Path) -> None:
    made = config("data: { b: 8080, a: on, c: 'é' }", here)
    assert made["data"] == '{"a":"on","b":"8080","c":"é"}'
    assert config("data: {}", here)["data"] == "{}"


def test_the_documented_example(here: Path) -> None:
    manifest = loaded(
        """
        configs:
          gateway:
            namespace: $NS
            name: gateway-$APP
            files: { gateway.conf: ./app.conf }
        """,
        here,
    )
    (entry,) = manifest.configs
    assert (entry.key, entry.namespace, entry.name) == ("gateway", "prod", "gateway-x")
    assert json.loads(entry.body["data"]) == {"gateway.conf": "root $host;\r\nname $APP ${APP};\n"}
    assert manifest.warnings == ()


def test_files_stand_beside_data(here: Path) -> None:
    made = config('data: \'{"z": "$APP", "n": 1}\'\nfiles: { a.conf: app.conf }', here)
    assert made["data"] == json.dumps(
        {"a.conf": "root $host;\r\nname $APP ${APP};\n", "n": 1, "z": "x"}, separators=(",", ":")
    )


def test_a_relative_path_starts_at_the_manifest_and_an_absolute_one_stands(
    here: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    relative = config("files: { k: app.conf }", here)
    assert relative == config(f"files: {{ k: {here}/app.conf }}", here)


@pytest.mark.parametrize(
    ("switch", "inline", "from_file"),
    [
        ("", "x", "root $host;\r\nname $APP ${APP};\n"),
        ("interpolate: null", "x", "root $host;\r\nname $APP ${APP};\n"),
        ("interpolate: true", "x", "root $host;\r\nname x ${APP};\n"),
        ("interpolate: false", "$APP", "root $host;\r\nname $APP ${APP};\n"),
    ],
)
def test_where_variables_are_replaced(here: Path, switch: str, inline: str, from_file: str) -> None:
    both = config(f"data: {{ a: $APP }}\nfiles: {{ k: app.conf }}\n{switch}", here)
    assert json.loads(both["data"]) == {"a": inline, "k": from_file}
    text = config(f"data: just $APP\n{switch}", here)
    assert text["data"] == f"just {inline}"


def test_a_value_cannot_break_the_json(here: Path) -> None:
    made = config('data: \'{"$APP": "$ODD", "deep": [{"k": "$TWICE"}]}\'', here)
    assert json.loads(made["data"]) == {"$APP": 'a"b\nc', "deep": [{"k": "$APP"}]}
    assert config("data: is $ODD", here)["data"] == 'is a"b\nc'


def test_undefined_variables_warn_once_a_field(here: Path) -> None:
    text = """
        configs:
          c:
            namespace: shop
            name: conf
            data: { a: $NOPE $NADA $NOPE, b: $APP }
            files: { k: app.conf }
            interpolate: true
        """
    assert loaded(text, here).warnings == (
        "undefined variable '$NOPE', '$NADA' left as is (configs.c.data.a)",
        "undefined variable '$host' left as is (configs.c.files.k)",
    )


def test_labels(here: Path) -> None:
    assert "labels" not in config("data: x", here)
    assert config("data: x\nlabels: any $APP", here)["labels"] == "any $APP"
    made = config("data: x\nlabels: { tier: 1, app: $APP }", here)
    assert made["labels"] == '{"app":"x","tier":"1"}'


def test_half_a_surrogate_pair_stays_an_escape(here: Path) -> None:
    made = config('data: \'{"a": "\\ud800 $APP"}\'', here)
    assert made["data"] == '{"a":"\\ud800 x"}'


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_data_that_is_nested_beyond_reason_is_text(here: Path, opening: str) -> None:
    text = opening * 50_000
    assert config(f"data: '{text}'", here)["data"] == text
    closed = '{"a":' * 500 + '"$APP"' + "}" * 500
    assert '"x"' in config(f"data: '{closed}'", here)["data"]


@pytest.mark.parametrize("members", ["labels: x", "files: {}", "files: null\ndata: null"])
def test_neither_data_nor_files(here: Path, members: str) -> None:
    assert refused(members, here) == (
        "ring.yaml:2:3: config 'key': either 'data' or 'files' must be set"
    )


@pytest.mark.parametrize("data", ["text", "[1]", "'\"a\"'", "'{\"a\": NaN}'", "'{'", "''"])
def test_files_need_an_object_beside_them(here: Path, data: str) -> None:
    message = refused(f"data: {data}\nfiles: {{ k: app.conf }}", here)
    if data == "[1]":
        assert "configs.key.data: must be a string or an object, not a list" in message
    else:
        assert message.startswith("ring.yaml:5:5: config 'key': 'data' must be a JSON object")


def test_a_key_that_is_given_twice(here: Path) -> None:
    message = refused("data: { k: 1, l: 2 }\nfiles: { l: app.conf, k: app.conf }", here)
    assert message.splitlines() == [
        "ring.yaml:6:14: config 'key': key 'l' is in both 'data' and 'files'",
        "ring.yaml:6:27: config 'key': key 'k' is in both 'data' and 'files'",
    ]


def test_files_that_cannot_be_read(here: Path) -> None:
    (here / "bad").write_bytes(b"ok\n\xc3\xa9\xff")
    os.mkfifo(here / "pipe")
    message = refused('files: { a: gone, b: ., c: bad, d: pipe/x, e: $APP, f: "a\\0b" }', here)
    head = "ring.yaml:5:{}: config 'key': failed to read file '{}' for key '{}': {}"
    assert message.splitlines() == [
        head.format(14, here / "gone", "a", "no such file or directory"),
        head.format(23, here, "b", "is a directory"),
        head.format(29, here / "bad", "c", "not UTF-8 text (byte 0xff) at 2:2"),
        head.format(37, here / "pipe/x", "d", "not a directory"),
        head.format(48, here / "$APP", "e", "no such file or directory"),
        head.format(57, f"{here}/a\\x00b", "f", "no such file or directory"),
    ]


def test_every_problem_is_told_at_once(here: Path) -> None:
    with pytest.raises(ManifestError) as caught:
        loaded(
            """
            configs:
              one: { namespace: a, name: b }
              two: { namespace: a, name: b, files: { k: gone } }
            """,
            here,
        )
    assert [problem.mark.line for problem in caught.value.problems] == [3, 4]


def test_types(here: Path) -> None:
    assert refused("data: { a: [1] }", here).endswith(
        ":5:13: configs.key.data.a: must be a string, not a list"
    )
    assert "configs.key.interpolate: must be true or false, not a string" in refused(
        "data: x\ninterpolate: yes", here
    )
    assert "configs.key.files.k: must be a string, not null" in refused("files: { k: }", here)
