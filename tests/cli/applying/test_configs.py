"""`ring apply` and configs: made once, updated where they differ, failures in their own words."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.cli.stub import Answer, problem

if TYPE_CHECKING:
    from tests.cli.conftest import Ended, Ring
    from tests.cli.stub import Stub

HEAD = "configs: {k: {namespace: shop, name: conf, "
EXISTS = problem(409, "Conflict", "configuration 'conf' already exists in namespace 'shop'")
NOTHING = "\nSummary:\n  Successful: 0\n"


def apply(ring: Ring, members: str, *words: str) -> Ended:
    (ring.home / "ring.yaml").write_text(f"{HEAD}{members}}}}}\n")
    return ring("apply", "-f", str(ring.home / "ring.yaml"), *words)


def stored(stub: Stub, data: str, labels: str = "") -> None:
    stub.on("POST /configs", EXISTS)
    row = {"id": "7", "namespace": "shop", "name": "conf", "data": data, "labels": labels}
    stub.on("GET /configs", Answer(200, [row]))
    stub.on("PUT /configs/7", Answer(200, row))


def test_a_new_one(ring: Ring, stub: Stub) -> None:
    stub.on("POST /configs", Answer(201, {"id": "7"}))
    ended = apply(ring, "data: {a: 1}, labels: {b: c}")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == f"Config 'conf' created in namespace 'shop'\n{NOTHING}"
    (request,) = stub.requests
    assert request.json == {
        "namespace": "shop", "name": "conf", "data": '{"a":"1"}', "labels": '{"b":"c"}',
    }  # fmt: skip


@pytest.mark.parametrize(
    ("members", "data", "labels"),
    [
        ("data: {b: 1, a: 2}", '{ "a": "2", "b": "1" }', ""),
        ("data: text", "text", ""),
        ("data: x, labels: ''", "x", ""),
        ("data: x, labels: {a: b}", "x", '{"a": "b"}'),
    ],
)
def test_an_equal_one_is_left_alone(
    ring: Ring, stub: Stub, members: str, data: str, labels: str
) -> None:
    stored(stub, data, labels)
    ended = apply(ring, members)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == f"Config 'conf' already exists, skipping\n{NOTHING}"
    assert stub.seen() == ["POST /configs", "GET /configs"]
    assert stub.requests[1].query == [("namespace", "shop"), ("name", "conf")]


@pytest.mark.parametrize(
    ("members", "data", "labels"),
    [
        ("data: {a: 2}", '{"a":"1"}', ""),
        ("data: 'true'", "1", ""),
        ("data: '[true]'", "[1]", ""),
        ("data: x", "x", "old"),
        ("data: text", "other text", ""),
        ("data: '{'", "{ ", ""),
    ],
)
def test_a_changed_one_is_updated(
    ring: Ring, stub: Stub, members: str, data: str, labels: str
) -> None:
    stored(stub, data, labels)
    ended = apply(ring, members)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == (
        "Config 'conf' already exists, updating\n"
        f"Config 'conf' updated in namespace 'shop'\n{NOTHING}"
    )
    assert stub.seen() == ["POST /configs", "GET /configs", "PUT /configs/7"]
    assert stub.requests[2].json == stub.requests[0].json


def test_a_name_that_needs_encoding(ring: Ring, stub: Stub) -> None:
    stub.on("POST /configs", EXISTS)
    stub.on("GET /configs", Answer(200, []))
    (ring.home / "ring.yaml").write_text("configs: {k: {namespace: 'a&b', name: 'c d=é', data: x}}")
    ring("apply", "-f", str(ring.home / "ring.yaml"))
    assert stub.requests[1].target == "/configs?namespace=a%26b&name=c%20d%3D%C3%A9"


@pytest.mark.parametrize(
    ("status", "code"), [(400, 1), (401, 2), (403, 2), (404, 4), (422, 1), (500, 1)]
)
def test_failures_in_their_own_words(ring: Ring, stub: Stub, status: int, code: int) -> None:
    refusal = problem(status, "No", "", ("data", "too long"))
    for route, context in (
        ("PUT /configs/7", "Failed to update config 'conf'"),
        ("GET /configs", "Failed to look up existing config 'conf'"),
        ("POST /configs", "Failed to create config 'conf'"),
    ):
        stored(stub, "old")
        stub.on(route, refusal)
        ended = apply(ring, "data: new")
        assert ended.code == code
        assert ended.err == f"{context}: No ({status})\n  * data: too long\n"


def test_one_that_is_there_and_is_not(ring: Ring, stub: Stub) -> None:
    stub.on("POST /configs", EXISTS)
    stub.on("GET /configs", Answer(200, []))
    ended = apply(ring, "data: x")
    assert ended.code == 1
    assert ended.err == (
        "Failed to look up existing config 'conf': the server says that it exists in namespace "
        "'shop', but it was not found there\n"
    )


def test_an_answer_in_another_shape(ring: Ring, stub: Stub) -> None:
    stub.on("POST /configs", EXISTS)
    for body in (b"<html>", {"id": "7"}, [7]):
        stub.on("GET /configs", Answer(200, body))
        ended = apply(ring, "data: x")
        assert ended.code == 1
        assert ended.err.startswith("error: the server ")


def test_a_server_that_is_away(ring: Ring) -> None:
    ring.config.write_text(
        '[contexts.default]\nhost = "127.0.0.1"\napi.scheme = "http"\napi.port = 1\n'
    )
    ended = apply(ring, "data: x")
    assert ended.code == 3
    reason = "cannot reach the server at http://127.0.0.1:1 — is it running? (connection refused)"
    assert ended.err == f"Failed to create config 'k': {reason}\nError: {reason}\n"


def test_a_failed_config_decides_the_code_and_deployments_go_on(ring: Ring, stub: Stub) -> None:
    stub.on("POST /configs", problem(403, "Forbidden"))
    stub.on("POST /deployments", Answer(201, {"id": "1"}))
    (ring.home / "ring.yaml").write_text(
        "deployments: {d: {name: a, namespace: shop, image: x}}\n"
        f"{HEAD}data: x}}}}\nnamespaces: {{n: {{name: shop}}}}\n"
    )
    stub.on("POST /namespaces", Answer(201, {"id": "2"}))
    ended = ring("apply", "-f", str(ring.home / "ring.yaml"))
    assert ended.code == 2
    assert stub.seen() == ["POST /namespaces", "POST /configs", "POST /deployments"]
    assert ended.out.endswith("  Successful: 1\n")
    assert ended.err == "Failed to create config 'conf': Forbidden (403)\n"


def test_warnings_name_the_config(ring: Ring, stub: Stub) -> None:
    stub.on("POST /configs", Answer(201, {"id": "7"}, {"X-Ring-Warnings": "odd"}))
    assert apply(ring, "data: x").err == "Warning: 'conf': odd\n"


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ("labels: x", "either 'data' or 'files' must be set"),
        ("data: x, files: {a: f}", "must be a JSON object"),
        ("data: {a: x}, files: {a: f}", "both 'data' and 'files'"),
        ("files: {a: gone}", "failed to read file"),
    ],
)
def test_what_cannot_be_made_aborts_before_any_request(
    ring: Ring, stub: Stub, members: str, says: str
) -> None:
    (ring.home / "f").write_text("x")
    for words in ((), ("--dry-run",)):
        ended = apply(ring, members, *words)
        assert (ended.code, ended.out) == (1, "")
        assert ended.err.startswith(f"Error: {ring.home}/ring.yaml:1:")
        assert "config 'k': " in ended.err
        assert says in ended.err
    assert stub.requests == []


def test_files_stand_beside_the_manifest_or_in_the_working_directory(
    ring: Ring, stub: Stub
) -> None:
    stub.on("POST /configs", Answer(201, {"id": "7"}))
    deep = ring.home / "deep"
    deep.mkdir()
    (deep / "f").write_text("beside")
    (ring.home / "f").write_text("here")
    text = f"{HEAD}files: {{a: f}}}}}}"
    (deep / "ring.yaml").write_text(text)
    assert ring.process("apply", "-f", "deep/ring.yaml").code == 0
    assert ring.process("apply", "-f", "-", stdin=text).code == 0
    sent = [request.json for request in stub.requests]
    assert [json.loads(body["data"]) for body in sent if isinstance(body, dict)] == [
        {"a": "beside"},
        {"a": "here"},
    ]


def test_a_dry_run_shows_it_and_asks_nobody(anyone: Ring) -> None:
    ended = apply(anyone, "data: {password: s3cret}", "-d", "--verbose")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("DRY RUN - Would create config 'conf' in namespace 'shop'\n")
    assert "s3cret" not in ended.out
