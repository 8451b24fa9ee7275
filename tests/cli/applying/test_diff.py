"""`ring diff`: every entry beside what the server has."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.applying.test_apply import DEAD, deployments
from tests.cli.applying.test_dry_run import rolls
from tests.cli.stub import Answer, problem
from tests.cli.test_hostile import FORBIDDEN, nasty, replaced

if TYPE_CHECKING:
    from tests.cli.conftest import Ended, Ring
    from tests.cli.stub import Request, Stub

CHANGES = [
    {"path": "image", "before": "web:1", "after": "web:2"},
    {"path": "environment.LOG", "before": None, "after": "debug"},
    {"path": "labels.tier", "before": "front", "after": None},
]
RENEWED = {"path": "environment.DB (secret 'a' has changed)", "before": "a", "after": "a"}

STARTED = {"path": "stopped", "before": True, "after": None}


def diff(ring: Ring, text: str, *words: str) -> Ended:
    path = ring.home / "ring.yaml"
    path.write_text(text)
    return ring("diff", "-f", str(path), *words)


def answering(**answers: dict[str, Any]) -> Any:
    def answer(asked: Request) -> Answer:
        body = asked.json
        assert isinstance(body, dict)
        return rolls(**answers[body["name"]])

    return answer


@pytest.mark.parametrize(
    ("answer", "head"),
    [
        ({"action": "create", "changes": []}, "shop/a: created"),
        ({"action": "unchanged", "changes": []}, "shop/a: unchanged"),
        (
            {
                "action": "scale",
                "changes": [{"path": "replicas", "before": 2, "after": 5}],
            },
            "shop/a: scaled from 2 to 5",
        ),
        ({"action": "scale", "changes": []}, "shop/a: scaled"),
        ({"action": "scale", "changes": [STARTED]}, "shop/a: scaled (stopped changes)"),
        ({}, "shop/a: rolled (image changes)"),
        ({"changes": [RENEWED]}, "shop/a: rolled (environment.DB (secret 'a' has changed))"),
        ({"changes": CHANGES}, "shop/a: rolled (image, environment.LOG, labels.tier change)"),
        ({"reason": "the tag has moved"}, "shop/a: rolled (the tag has moved)"),
        (
            {"action": "replace", "reason": "it publishes host port 80"},
            "shop/a: replaced at once (it publishes host port 80)",
        ),
        ({"action": "teleport", "changes": []}, "shop/a: teleport"),
    ],
)
def test_the_head_of_a_deployment(
    ring: Ring, stub: Stub, answer: dict[str, Any], head: str
) -> None:
    stub.on("POST /deployments/diff", rolls(**answer))
    ended = diff(ring, deployments("a"))
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.splitlines()[0] == head


def test_field_by_field(ring: Ring, stub: Stub) -> None:
    stub.on("POST /deployments/diff", rolls(changes=CHANGES))
    assert diff(ring, deployments("a")).out == (
        "shop/a: rolled (image, environment.LOG, labels.tier change)\n"
        '  image: "web:1" -> "web:2"\n'
        '  environment.LOG: - -> "debug"\n'
        '  labels.tier: "front" -> -\n'
        "\n"
        "Summary: 1 rolled\n"
    )


def test_what_only_refers_to_a_change_is_its_path(ring: Ring, stub: Stub) -> None:
    stub.on("POST /deployments/diff", rolls(changes=[RENEWED], reason="secret 'a' has changed"))
    assert diff(ring, deployments("a")).out.splitlines()[:3] == [
        "shop/a: rolled (secret 'a' has changed)",
        "  environment.DB (secret 'a' has changed)",
        "",
    ]


def test_of_many_changes_the_head_names_the_first(ring: Ring, stub: Stub) -> None:
    many = [{"path": f"labels.l{number}", "before": None, "after": "x"} for number in range(6)]
    stub.on("POST /deployments/diff", rolls(changes=many))
    head, *lines = diff(ring, deployments("a")).out.splitlines()
    assert head == ("shop/a: rolled (labels.l0, labels.l1, labels.l2, labels.l3 and 2 more change)")
    assert lines[5] == '  labels.l5: - -> "x"'


def test_namespaces_and_configs(ring: Ring, stub: Stub) -> None:
    text = (
        "namespaces:\n"
        "  s: {name: shop}\n"
        "  n: {name: new}\n"
        "  c: {name: other, network: {gateway: 10.9.0.1}}\n"
        "configs:\n"
        "  a: {name: a, namespace: shop, data: {k: v}}\n"
        "  b: {name: b, namespace: shop, data: {k: v}}\n"
        "  c: {name: c, namespace: new, data: {k: v}}\n"
        "  d: {name: d, namespace: shop, data: {k: v}}\n"
    )

    def configs(asked: Request) -> Answer:
        name = dict(asked.query)["name"]
        data = {"a": '{"k": "v"}', "b": '{"k": "w"}'}
        if name == "c":
            return problem(404, "Not Found")
        return Answer(200, [{"id": name, "data": data[name]}] if name in data else [])

    stub.on("GET /namespaces/shop", Answer(200, {"name": "shop"}))
    stub.on("GET /namespaces/other", Answer(200, {"name": "other", "network": {}}))
    stub.on("GET /configs", configs)
    ended = diff(ring, text, "--exit-code")
    assert (ended.code, ended.err) == (2, "")
    assert ended.out == (
        "namespace shop: unchanged\n"
        "namespace new: created\n"
        "namespace other: updated\n"
        "config shop/a: unchanged\n"
        "config shop/b: updated\n"
        "config new/c: created\n"
        "config shop/d: created\n"
        "\n"
        "Summary: 3 created, 2 updated, 2 unchanged\n"
    )
    assert {one.method for one in stub.requests} == {"GET"}


def test_what_would_be_pruned(ring: Ring, stub: Stub) -> None:
    row = {"id": "7", "namespace": "shop", "name": "old", "manifest": "site", "status": "running"}
    stub.on("GET /deployments", Answer(200, [row, {**row, "manifest": "other"}]))
    stub.on("POST /deployments/diff", rolls(action="unchanged", changes=[]))
    text = "name: site\n" + deployments("a")
    ended = diff(ring, text, "--prune", "--exit-code")
    assert (ended.code, ended.err) == (2, "")
    assert ended.out == (
        "shop/a: unchanged\n"
        "shop/old: deleted (not in the manifest)\n"
        "\n"
        "Summary: 1 deleted, 1 unchanged\n"
    )
    assert diff(ring, text, "--exit-code").code == 0
    nameless = diff(ring, deployments("a"), "--prune")
    assert nameless.code == 1
    assert nameless.err.startswith("Error: --prune goes by the manifest's own name")


@pytest.mark.parametrize(
    ("words", "environ", "query"),
    [
        ((), {}, [("if_changed", "true")]),
        (("--force",), {}, [("force", "true")]),
        (("--redeploy",), {}, []),
        ((), {"RING_APPLY_REDEPLOY": "1"}, []),
    ],
)
def test_as_an_apply_would(
    ring: Ring,
    stub: Stub,
    words: tuple[str, ...],
    environ: dict[str, str],
    query: list[tuple[str, str]],
) -> None:
    ring.environ |= environ
    stub.on("POST /deployments/diff", rolls())
    assert diff(ring, deployments("a"), *words).code == 0
    assert stub.requests[0].query == query


def test_json(ring: Ring, stub: Stub) -> None:
    stub.on("POST /deployments/diff", rolls(warnings=["odd"]))
    stub.on("GET /deployments", Answer(200, []))
    text = "name: site\nnamespaces: {s: {name: shop}}\n" + deployments("a")
    ended = diff(ring, text, "-o", "json", "--prune", "--exit-code")
    assert (ended.code, ended.err) == (2, "")
    answer = rolls(warnings=["odd"]).body
    assert isinstance(answer, dict)
    assert json.loads(ended.out) == {
        "namespaces": [{"name": "shop", "action": "create"}],
        "configs": [],
        "deployments": [{"namespace": "shop", "name": "a", **answer}],
        "deleted": [],
    }
    assert ended.out.count("\n") == 1


@pytest.mark.parametrize(("status", "code"), [(401, 2), (403, 2), (404, 4), (409, 5), (422, 1)])
def test_every_entry_is_tried_and_the_first_failure_decides(
    ring: Ring, stub: Stub, status: int, code: int
) -> None:
    def answer(asked: Request) -> Answer:
        body = asked.json
        assert isinstance(body, dict)
        return problem(status, "No", "", ("x", "y")) if body["name"] == "a" else rolls()

    stub.on("POST /deployments/diff", answer)
    ended = diff(ring, deployments("a", "b"), "--exit-code")
    assert ended.code == code
    assert ended.err == f"Unable to compare deployment 'a': No ({status})\n  * x: y\n"
    assert ended.out.endswith("Summary: 1 rolled\n")


def test_what_the_client_refuses(ring: Ring, stub: Stub) -> None:
    ended = diff(ring, "deployments: {k: {name: a, namespace: shop, image: ' '}}\n")
    assert ended.code == 1
    assert ended.err == (
        "Warning: Skipping 'k': Validation error: Deployment image cannot be empty\n"
        "Error: Validation error: Deployment image cannot be empty\n"
    )
    assert stub.requests == []


def test_a_server_that_is_away_is_said_once(ring: Ring) -> None:
    ring.config.write_text(DEAD)
    ended = diff(ring, "namespaces: {s: {name: shop}}\n" + deployments("a", "b"))
    assert ended.code == 3
    assert len(ended.err.splitlines()) == 1


def test_without_credentials(ring: Ring, stub: Stub) -> None:
    del ring.environ["RING_TOKEN"]
    ended = diff(ring, deployments("a"))
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("error: no credentials for context 'default'")
    assert stub.requests == []


def test_nothing_to_compare(ring: Ring) -> None:
    ended = diff(ring, "name: site\ndeployments: {}\n", "--exit-code")
    assert (ended.code, ended.out) == (0, "\nSummary: nothing to compare\n")


def test_answers_of_any_shape(ring: Ring, stub: Stub) -> None:
    good = rolls(changes=CHANGES[:1], warnings=["w"]).body
    for body in [nasty(good), *replaced(good)]:
        stub.on("POST /deployments/diff", Answer(200, body))
        for words in ((), ("-o", "json")):
            ended = diff(ring, deployments("a"), *words)
            assert ended.code in {0, 1}
            assert not FORBIDDEN & set(ended.out + ended.err)
            assert "internal error" not in ended.err


def test_help_and_misuse(ring: Ring) -> None:
    shown = ring("diff", "--help")
    assert (shown.code, shown.err) == (0, "")
    assert shown.out.startswith("Usage: ring diff [OPTIONS]\n")
    assert ring("diff", "-o", "yaml").code == 2
    assert ring("diff", "x").code == 2
