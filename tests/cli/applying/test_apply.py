"""`ring apply`: what it sends, what it says, and how it ends."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.conftest import TOKEN
from tests.cli.stub import Answer, problem

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Ended, Ring
    from tests.cli.stub import Request, Stub

DEAD = '[contexts.default]\nhost = "127.0.0.1"\napi.scheme = "http"\napi.port = 1\n'
CANNOT_REACH = "cannot reach the server at http://127.0.0.1:1 — is it running? (connection refused)"


def deployments(*names: str, extra: str = "") -> str:
    entries = "".join(
        f"  {name}-key: {{name: {name}, namespace: shop, image: 'nginx:1.27'{extra}}}\n"
        for name in names
    )
    return f"deployments:\n{entries}"


def created(request: Request) -> Answer:
    body = request.json
    assert isinstance(body, dict)
    return Answer(201, {**body, "id": f"id-of-{body['name']}"})


@pytest.fixture
def manifest(ring: Ring) -> Path:
    return ring.home / "ring.yaml"


@pytest.fixture
def server(stub: Stub) -> Stub:
    """Takes everything."""
    stub.on("POST /namespaces", created)
    stub.on("POST /deployments", created)
    return stub


def apply(ring: Ring, manifest: Path, text: str, *words: str) -> Ended:
    manifest.write_text(text)
    return ring("apply", "-f", str(manifest), *words)


def sent(stub: Stub, path: str = "/deployments") -> list[Any]:
    return [request.json for request in stub.requests if request.path == path]


def test_everything_in_order(ring: Ring, server: Stub, manifest: Path) -> None:
    text = "namespaces: {s: {name: shop}}\n" + deployments("a", "b", "c")
    ended = apply(ring, manifest, text)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == (
        "Namespace 'shop' created\n"
        "Processing deployment 'a-key'\n"
        "Deployment 'a' created\n"
        "  id: id-of-a\n"
        "Processing deployment 'b-key'\n"
        "Deployment 'b' created\n"
        "  id: id-of-b\n"
        "Processing deployment 'c-key'\n"
        "Deployment 'c' created\n"
        "  id: id-of-c\n"
        "\n"
        "Summary:\n"
        "  Successful: 3\n"
    )
    assert server.seen() == ["POST /namespaces", *["POST /deployments"] * 3]
    assert sent(server)[0] == {
        "name": "a",
        "namespace": "shop",
        "image": "nginx:1.27",
        "runtime": "docker",
        "kind": "worker",
        "replicas": 1,
        "labels": {},
        "environment": {},
        "volumes": [],
    }
    headers = server.requests[-1].headers
    assert headers["Authorization"] == f"Bearer {TOKEN}"
    assert headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("words", "environ", "query"),
    [
        ((), {}, [("if_changed", "true")]),
        (("--force",), {}, [("force", "true")]),
        (("--redeploy",), {}, []),
        ((), {"RING_APPLY_REDEPLOY": "1"}, []),
        ((), {"RING_APPLY_REDEPLOY": "0"}, [("if_changed", "true")]),
        (("--force", "--redeploy"), {}, [("force", "true")]),
    ],
)
def test_how_a_deployment_is_to_be_taken(
    ring: Ring,
    server: Stub,
    manifest: Path,
    *,
    words: tuple[str, ...],
    environ: dict[str, str],
    query: list[tuple[str, str]],
) -> None:
    ring.environ |= environ
    assert apply(ring, manifest, deployments("a"), *words).code == 0
    assert server.requests[0].query == query


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        (Answer(200, {"id": "7"}, {"X-Ring-Change": "unchanged"}), "Deployment 'a' unchanged\n"),
        (
            Answer(200, {"id": "7"}, {"X-Ring-Change": "scaled; from=2; to=5"}),
            "Deployment 'a' scaled from 2 to 5\n",
        ),
        (
            Answer(201, {"id": "7", "parent_id": "6"}),
            "Deployment 'a' created\n  id: 7\n  rolling update of 6\n",
        ),
        (Answer(202, {"id": "7"}), "Deployment 'a' created\n"),
    ],
)
def test_what_became_of_it(
    ring: Ring, stub: Stub, manifest: Path, answer: Answer, line: str
) -> None:
    stub.on("POST /deployments", answer)
    ended = apply(ring, manifest, deployments("a"))
    assert ended.code == 0
    assert ended.out == (f"Processing deployment 'a-key'\n{line}\nSummary:\n  Successful: 1\n")


def test_a_namespace_that_is_there_is_skipped(ring: Ring, stub: Stub, manifest: Path) -> None:
    stub.on("POST /namespaces", problem(409, "Conflict", "namespace 'shop' already exists"))
    ended = apply(ring, manifest, "namespaces: {s: {name: shop}}\n")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == ("Namespace 'shop' already exists, skipping\n\nSummary:\n  Successful: 0\n")


def test_one_invalid_among_three(ring: Ring, stub: Stub, manifest: Path) -> None:
    refusal = problem(422, "Validation failed", "x", ("replicas", "must be 1 for a job"))

    def answer(request: Request) -> Answer:
        body = request.json
        assert isinstance(body, dict)
        return refusal if body["name"] == "b" else created(request)

    stub.on("POST /deployments", answer)
    ended = apply(ring, manifest, deployments("a", "b", "c"))
    assert ended.code == 1
    assert ended.err == (
        "Unable to apply deployment 'b': Validation failed (422)\n"
        "  * replicas: must be 1 for a job\n"
    )
    assert ended.out.endswith("\nSummary:\n  Successful: 2\n  Failed: 1\n")
    assert len(sent(stub)) == 3


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, 1), (401, 2), (403, 2), (404, 4), (408, 1), (409, 5), (422, 1), (500, 1), (503, 1)],
)
def test_the_first_error_decides(
    ring: Ring, stub: Stub, manifest: Path, status: int, code: int
) -> None:
    stub.on("POST /namespaces", problem(status if status != 409 else 418, "First"))
    stub.on("POST /deployments", problem(status, "Second", "why"))
    assert apply(ring, manifest, deployments("a")).code == code
    both = apply(ring, manifest, "namespaces: {s: {name: shop}}\n" + deployments("a", "b"))
    assert both.code == (code if status != 409 else 1)
    assert "Failed to create namespace 'shop': First" in both.err
    assert both.err.count("Unable to apply deployment") == 2
    assert "API returned status" not in both.err
    assert "Error:" not in both.err


def test_what_the_client_refuses_is_not_sent(ring: Ring, server: Stub, manifest: Path) -> None:
    text = (
        "deployments:\n"
        "  one: {name: '', namespace: shop, image: x}\n"
        "  two: {name: b, namespace: shop, image: x, runtime: lxc}\n"
        "  three: {name: c, namespace: shop, image: x}\n"
    )
    ended = apply(ring, manifest, text)
    assert ended.code == 1
    lines = ended.err.splitlines()
    empty = "Validation error: Deployment name cannot be empty"
    assert lines[0] == f"Warning: Skipping 'one': {empty}"
    assert lines[1].startswith("Warning: Skipping 'two': Validation error: Runtime 'lxc' not")
    assert lines[2:] == [f"Error: {empty}"]
    assert ended.out.endswith("  Successful: 1\n  Failed: 2\n")
    assert [body["name"] for body in sent(server)] == ["c"]


def test_a_server_that_is_away_is_said_for_each_entry(ring: Ring, manifest: Path) -> None:
    ring.config.write_text(DEAD)
    ended = apply(ring, manifest, "namespaces: {s: {name: shop}}\n" + deployments("a", "b"))
    assert ended.code == 3
    assert ended.err == (
        f"Failed to create namespace 's': {CANNOT_REACH}\n"
        f"Failed to deploy 'a-key': {CANNOT_REACH}\n"
        f"Failed to deploy 'b-key': {CANNOT_REACH}\n"
        f"Error: {CANNOT_REACH}\n"
    )
    assert ended.out.endswith("  Successful: 0\n  Failed: 2\n")


def test_without_credentials_nothing_is_sent(ring: Ring, stub: Stub, manifest: Path) -> None:
    del ring.environ["RING_TOKEN"]
    ended = apply(ring, manifest, deployments("a"))
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == "Error: Auth error: Account not found. Login first or set RING_TOKEN\n"
    ring.auth.write_text('{"other":{"token":"t"}}')
    assert apply(ring, manifest, deployments("a")).code == 2
    assert stub.requests == []


def test_warnings_of_the_server_name_the_deployment(ring: Ring, stub: Stub, manifest: Path) -> None:
    warned = Answer(201, {"id": "1"}, {"X-Ring-Warnings": "unknown field 'args' ignored; odd"})
    stub.on("POST /deployments", warned)
    ended = apply(ring, manifest, deployments("a"))
    assert ended.code == 0
    assert ended.err == "Warning: 'a': unknown field 'args' ignored\nWarning: 'a': odd\n"


def test_warnings_of_the_manifest(ring: Ring, server: Stub, manifest: Path) -> None:
    ended = apply(ring, manifest, deployments("a", extra=", args: [x], command: [$NOPE]"))
    assert ended.code == 0
    assert "Warning: unknown field 'deployments.a-key.args' ignored\n" in ended.err
    assert "Warning: undefined variable '$NOPE' left as is" in ended.err
    assert sent(server)[0]["command"] == ["$NOPE"]


def test_fields_that_the_runtime_ignores(ring: Ring, server: Stub, manifest: Path) -> None:
    extra = (
        ", runtime: cloud-hypervisor, config: {image_pull_policy: Never, server: r, password: p}"
        ", resources: {requests: {cpu: 1}}"
    )
    text = deployments("a", extra=extra)
    warning = (
        "Warning: 'a': fields ignored by the cloud-hypervisor runtime: resources.requests, "
        "config.image_pull_policy, config.server, config.password\n"
    )
    ended = apply(ring, manifest, text)
    assert (ended.code, ended.err) == (0, warning)
    assert apply(ring, manifest, text, "--dry-run").err.startswith(warning)


def test_the_environment_comes_before_the_env_file(
    ring: Ring, server: Stub, manifest: Path
) -> None:
    variables = ring.home / "vars"
    variables.write_text("# note\nexport ONE=file\nTWO='file'\nbroken\n")
    ring.environ["ONE"] = "process"
    text = deployments("a", extra=", environment: {A: $ONE, B: $TWO}")
    ended = apply(ring, manifest, text, "--env-file", str(variables))
    assert ended.code == 0
    assert ended.err == f"Warning: Invalid env line 4 in '{variables}': broken\n"
    assert sent(server)[0]["environment"] == {"A": "process", "B": "file"}


def test_a_missing_env_file_is_a_warning(ring: Ring, server: Stub, manifest: Path) -> None:
    ended = apply(ring, manifest, deployments("a"), "-e", "/missing")
    assert ended.code == 0
    assert ended.err.startswith("Warning: Failed to read env file '/missing': ")
    assert len(sent(server)) == 1


def test_from_standard_input_and_by_default(ring: Ring, server: Stub, manifest: Path) -> None:
    text = deployments("a")
    assert ring.process("apply", "-f", "-", stdin=text).code == 0
    manifest.write_text(text)
    assert ring.process("apply").code == 0
    as_json = {"deployments": {"k": {"name": "a", "namespace": "shop", "image": "nginx:1.27"}}}
    assert ring.process("apply", "-f", "-", stdin=json.dumps(as_json)).code == 0
    first, second, third = sent(server)
    assert first == second == third


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "Error: Failed to read file: ring.yaml: no such file or directory\n"),
        (b"\xff", "Error: Failed to read file: ring.yaml:1:1: not UTF-8 text (byte 0xff)\n"),
        (b"deployments: [", "Error: Invalid YAML: ring.yaml:1:"),
        (b"deployments: {a: {name: 1}}", "Error: Invalid YAML: ring.yaml:1:"),
        (b"configs: {a: {name: x, namespace: y}}", "Error: ring.yaml:1:11: config 'a': either "),
    ],
)
def test_what_is_no_manifest(ring: Ring, stub: Stub, content: bytes | None, says: str) -> None:
    if content is not None:
        (ring.home / "ring.yaml").write_bytes(content)
    ended = ring.process("apply")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith(says)
    assert stub.requests == []


def test_verbose_shows_the_body_and_no_password(ring: Ring, server: Stub, manifest: Path) -> None:
    text = deployments("a", extra=", config: {server: r, username: u, password: s3cret}")
    ended = apply(ring, manifest, text, "--verbose")
    assert ended.code == 0
    assert "s3cret" not in ended.out + ended.err
    _, _, rest = ended.out.partition("Configuration:\n")
    shown = json.loads(rest.partition("Deployment 'a' created")[0])
    assert shown["config"]["password"] == "***"
    assert '  "name": "a",\n' in ended.out
    assert sent(server)[0]["config"]["password"] == "s3cret"


@pytest.mark.parametrize(
    "answer",
    [
        Answer(204),
        Answer(200, b"<html>welcome</html>", {"Content-Type": "text/html"}),
        Answer(201, [{"id": "7"}]),
        Answer(201, {"name": "a"}),
        Answer(201, b'{"id":' + b"[" * 100_000),
    ],
)
def test_an_answer_that_is_no_deployment_is_no_success(
    ring: Ring, stub: Stub, manifest: Path, answer: Answer
) -> None:
    stub.on("POST /deployments", answer)
    ended = apply(ring, manifest, deployments("a"))
    assert ended.code == 1
    assert ended.err == (
        f"Unable to apply deployment 'a': the answer of {stub.url} is not a deployment: "
        "is this a Ring server?\n"
    )
    assert ended.out.endswith("  Successful: 0\n  Failed: 1\n")


def test_a_server_cannot_forge_lines(ring: Ring, stub: Stub, manifest: Path) -> None:
    stub.on("POST /namespaces", Answer(201, {}, {"X-Ring-Warnings": "odd%0AError: %E2%80%ABx"}))
    stub.on("POST /deployments", problem(422, "Bad\nDeployment 'a' created", "\u200b"))
    ended = apply(ring, manifest, "namespaces: {s: {name: shop}}\n" + deployments("a"))
    assert ended.code == 1
    assert ended.err == (
        "Warning: 'shop': odd Error: \\u202bx\n"
        "Unable to apply deployment 'a': Bad Deployment 'a' created (422)\n"
        "  \\u200b\n"
    )
