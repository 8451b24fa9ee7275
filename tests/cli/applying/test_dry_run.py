"""`ring apply --dry-run`: what would be sent, and what the server says that it would do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.applying.test_apply import DEAD, apply, deployments
from tests.cli.stub import Answer, problem

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Ring
    from tests.cli.stub import Stub

UNREACHABLE = (
    "Warning: offline preview: cannot reach the server at http://127.0.0.1:1 — is it running? "
    "(connection refused)\n"
)
NO_CREDENTIALS = (
    "Warning: offline preview: no credentials for context 'default' — "
    "run `ring login` or set RING_TOKEN\n"
)
END = (
    "\nDRY RUN COMPLETE - No actual changes were made\n"
    "To deploy for real, remove the --dry-run flag\n"
)


def rolls(**changes: Any) -> Answer:
    return Answer(
        200,
        {
            "action": "roll",
            "reason": None,
            "deployment_id": "x",
            "revision": 5,
            "changes": [{"path": "image", "before": "web:1", "after": "web:2"}],
            "warnings": [],
            **changes,
        },
    )


@pytest.fixture
def manifest(ring: Ring) -> Path:
    return ring.home / "ring.yaml"


def test_without_credentials_it_asks_nobody(anyone: Ring) -> None:
    anyone.config.write_text(DEAD)
    text = "namespaces: {s: {name: shop}}\n" + deployments("a", "b")
    ended = anyone.process("apply", "-f", "-", "--dry-run", "--force", stdin=text)
    assert (ended.code, ended.err) == (0, NO_CREDENTIALS)
    assert ended.out == (
        "DRY RUN - Would create namespace 'shop'\n"
        "Processing deployment 'a-key'\n"
        "DRY RUN - Deployment 'a'\n"
        "Would POST to: http://127.0.0.1:1/deployments\n"
        "Force mode enabled\n"
        "---\n"
        "Processing deployment 'b-key'\n"
        "DRY RUN - Deployment 'b'\n"
        "Would POST to: http://127.0.0.1:1/deployments\n"
        "Force mode enabled\n"
        "---\n"
        "\n"
        "Summary:\n"
        "  Successful: 2\n" + END
    )


def test_a_server_that_is_away_is_said_once(ring: Ring, manifest: Path) -> None:
    ring.config.write_text(DEAD)
    ended = apply(ring, manifest, deployments("a", "b"), "-d")
    assert (ended.code, ended.err) == (0, UNREACHABLE)
    assert ended.out.endswith("  Successful: 2\n" + END)


def test_unreadable_credentials_are_none(ring: Ring, manifest: Path) -> None:
    del ring.environ["RING_TOKEN"]
    ring.auth.write_text("{")
    ended = apply(ring, manifest, deployments("a"), "-d")
    assert ended.code == 0
    assert ended.err.startswith("Warning: offline preview: ")


@pytest.mark.parametrize("status", [401, 403, 404, 405, 500])
def test_a_server_that_does_not_tell(ring: Ring, stub: Stub, manifest: Path, status: int) -> None:
    stub.on("POST /deployments/diff", problem(status, "No"))
    ended = apply(ring, manifest, deployments("a", "b"), "-d")
    assert ended.code == 0
    assert ended.err == f"Warning: offline preview: the server answered {status}\n"
    assert stub.seen() == ["POST /deployments/diff"]


@pytest.mark.parametrize(
    ("words", "query"),
    [
        ((), [("if_changed", "true")]),
        (("--force",), [("force", "true")]),
        (("--redeploy",), []),
    ],
)
def test_the_server_says_what_it_would_do(
    ring: Ring, stub: Stub, manifest: Path, words: tuple[str, ...], query: list[Any]
) -> None:
    stub.on("POST /deployments/diff", rolls(warnings=["unknown field 'args' ignored"]))
    ended = apply(ring, manifest, deployments("a"), "-d", *words)
    assert (ended.code, ended.err) == (0, "Warning: 'a': unknown field 'args' ignored\n")
    assert (
        "---\n"
        "shop/a: rolled (image changes)\n"
        '  image: "web:1" -> "web:2"\n'
        "\n"
        "Summary:\n"
        "  Successful: 1\n" + END
    ) in ended.out
    (asked,) = stub.requests
    assert asked.query == query
    assert asked.json["name"] == "a"  # type: ignore[index] # an object


def test_what_the_server_refuses_has_failed(ring: Ring, stub: Stub, manifest: Path) -> None:
    refusal = problem(422, "Validation failed", "", ("runtime", "is not enabled"))
    stub.on("POST /deployments/diff", refusal)
    ended = apply(ring, manifest, deployments("a"), "-d")
    assert ended.code == 1
    assert ended.err == (
        "Unable to apply deployment 'a': Validation failed (422)\n  * runtime: is not enabled\n"
    )
    assert ended.out.endswith("  Successful: 0\n  Failed: 1\n" + END)


@pytest.mark.parametrize(
    ("action", "code"), [("unchanged", 0), ("create", 2), ("scale", 2), ("roll", 2), ("replace", 2)]
)
def test_the_exit_code_tells_whether_anything_would_change(
    ring: Ring, stub: Stub, manifest: Path, action: str, code: int
) -> None:
    stub.on("POST /deployments/diff", rolls(action=action, changes=[]))
    stub.on("GET /namespaces/shop", Answer(200, {"name": "shop"}))
    text = "namespaces: {s: {name: shop}}\n" + deployments("a")
    assert apply(ring, manifest, text, "-d", "--exit-code").code == code
    assert apply(ring, manifest, text, "-d").code == 0


def test_a_namespace_that_is_not_there_is_a_change(ring: Ring, manifest: Path) -> None:
    text = "namespaces: {s: {name: shop}}\n"
    assert apply(ring, manifest, text, "-d", "--exit-code").code == 2


def test_without_a_server_the_exit_code_cannot_tell(ring: Ring, manifest: Path) -> None:
    ring.config.write_text(DEAD)
    ended = apply(ring, manifest, deployments("a"), "-d", "--exit-code")
    assert ended.code == 1
    assert ended.err == (
        UNREACHABLE + "error: only the server can tell whether anything would change\n"
    )


def test_the_exit_code_is_for_a_dry_run(ring: Ring, stub: Stub, manifest: Path) -> None:
    ended = apply(ring, manifest, deployments("a"), "--exit-code")
    assert ended.code == 2
    assert ended.err.startswith("error: --exit-code is for --dry-run.\nUsage: ")
    assert stub.requests == []


def test_what_would_be_pruned(ring: Ring, stub: Stub, manifest: Path) -> None:
    row = {"id": "7", "namespace": "shop", "name": "old", "manifest": "site", "status": "running"}
    stub.on("GET /deployments", Answer(200, [row]))
    stub.on("POST /deployments/diff", rolls(action="unchanged", changes=[]))
    text = "name: site\n" + deployments("a")
    ended = apply(ring, manifest, text, "-d", "--prune", "--exit-code")
    assert (ended.code, ended.err) == (2, "")
    assert "it does not declare, in namespaces: shop\n  - shop/old (7)\n\nSummary:" in ended.out
    assert {one.method for one in stub.requests} == {"GET", "POST"}


def test_the_body_is_shown_once(ring: Ring, stub: Stub, manifest: Path) -> None:
    del ring.environ["RING_TOKEN"]
    text = deployments("a", extra=", config: {server: r, username: u, password: s3cret}")
    ended = apply(ring, manifest, text, "-d", "--verbose")
    assert ended.out.count("Configuration:") == 1
    assert "s3cret" not in ended.out
    assert "Force mode" not in ended.out
    assert stub.requests == []


def test_what_the_rules_refuse_is_not_asked_about(ring: Ring, stub: Stub, manifest: Path) -> None:
    stub.on("POST /deployments/diff", rolls())
    one, other = deployments("a", extra=", environment: {1BAD: x}"), deployments("b")
    ended = apply(ring, manifest, one + other.removeprefix("deployments:\n"), "-d", "--exit-code")
    assert ended.code == 1
    assert ended.err.startswith(
        "Unable to apply deployment 'a': Validation failed (dry run)\n  * environment.1BAD: "
    )
    assert "Error:" not in ended.err
    assert "  Successful: 1\n  Failed: 1\n" in ended.out
    assert "DRY RUN COMPLETE" in ended.out
    assert [asked.json["name"] for asked in stub.requests] == ["b"]  # type: ignore[index] # objects


def test_what_the_client_refuses(ring: Ring, stub: Stub, manifest: Path) -> None:
    text = "deployments: {k: {name: a, namespace: shop, image: ' '}}\n"
    ended = apply(ring, manifest, text, "-d")
    assert ended.code == 1
    assert "Skipping 'k': Validation error: Deployment image cannot be empty" in ended.err
    assert "Would POST" not in ended.out
    assert stub.requests == []
