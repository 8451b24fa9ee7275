"""`ring apply --prune`: it deletes what the manifest has left behind, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.stub import Answer, problem

if TYPE_CHECKING:
    from tests.cli.conftest import Ended, Ring
    from tests.cli.stub import Request, Stub

MANIFEST = """\
name: site
namespaces: { s: { name: shop } }
configs: { c: { name: conf, namespace: extra, data: x } }
deployments:
  web: { name: web, namespace: shop, image: nginx }
  far: { name: far, namespace: other, image: nginx }
"""


def row(number: int, name: str, **more: Any) -> dict[str, Any]:
    usual = {"namespace": "shop", "manifest": "site", "status": "running"}
    return {"id": f"id-{number}", "name": name, **usual, **more}


ROWS = [
    row(1, "web"),
    row(2, "old"),
    row(3, "old", status="failed"),
    row(4, "gone", status="deleted"),
    row(5, "foreign", manifest="another"),
    row(6, "by-hand", manifest=None),
    row(7, "far"),
    row(8, "old", namespace="other"),
    row(9, "elsewhere", namespace="elsewhere"),
]
LISTED = """\

No longer in the manifest (4 deployments):
  - shop/old (id-2)
  - shop/old (id-3)
  - shop/far (id-7)
  - other/old (id-8)
"""
DOOMED = ["id-2", "id-3", "id-7", "id-8"]


@pytest.fixture
def server(stub: Stub) -> Stub:
    def created(request: Request) -> Answer:
        return Answer(201, {"id": "new"})

    for noun in ("namespaces", "configs", "deployments"):
        stub.on(f"POST /{noun}", created)
    stub.on("GET /deployments", Answer(200, ROWS))
    for number in range(10):
        stub.on(f"DELETE /deployments/id-{number}", Answer(204))
    return stub


def apply(ring: Ring, *words: str, text: str = MANIFEST) -> Ended:
    path = ring.home / "ring.yaml"
    path.write_text(text)
    return ring.process("apply", "-f", str(path), "--prune", *words)


def deleted(stub: Stub) -> list[str]:
    return [
        request.path.rpartition("/")[2] for request in stub.requests if request.method == "DELETE"
    ]


def test_it_deletes_what_was_left_behind_and_nothing_else(ring: Ring, server: Stub) -> None:
    ended = apply(ring, "--yes")
    assert (ended.code, ended.err) == (0, "")
    assert LISTED in ended.out
    assert ended.out.endswith(
        "Deployment 'shop/old' pruned\n"
        "Deployment 'shop/old' pruned\n"
        "Deployment 'shop/far' pruned\n"
        "Deployment 'other/old' pruned\n"
        "\nSummary:\n  Successful: 2\n"
    )
    assert deleted(server) == DOOMED
    (listing,) = [request for request in server.requests if request.method == "GET"]
    assert listing.query == [("namespace", "shop"), ("namespace", "extra"), ("namespace", "other")]
    assert server.seen()[:4] == [
        "POST /namespaces", "POST /configs", "POST /deployments", "POST /deployments",
    ]  # fmt: skip


def test_without_the_option_nothing_is_listed(ring: Ring, server: Stub) -> None:
    path = ring.home / "ring.yaml"
    path.write_text(MANIFEST)
    assert ring.process("apply").code == 0
    assert {request.method for request in server.requests} == {"POST"}


def test_nothing_left_behind_is_nothing_to_ask(ring: Ring, server: Stub) -> None:
    server.on("GET /deployments", Answer(200, ROWS[:1]))
    ended = apply(ring, "-y")
    assert (ended.code, ended.err) == (0, "")
    assert "No longer" not in ended.out


@pytest.mark.parametrize("words", [(), ("-f", "-")])
def test_without_a_terminal_nobody_is_asked(
    ring: Ring, server: Stub, words: tuple[str, ...]
) -> None:
    (ring.home / "ring.yaml").write_text(MANIFEST)
    ended = ring.process("apply", "--prune", *words, stdin=MANIFEST)
    assert (ended.code, ended.err) == (0, "")
    assert LISTED in ended.out
    assert deleted(server) == DOOMED


@pytest.mark.parametrize("name", ["", "name: ''\n", "name: null\n", "name: ' '\n"])
def test_it_needs_the_name_of_the_manifest(ring: Ring, server: Stub, name: str) -> None:
    text = MANIFEST.replace("name: site\n", name)
    for words in (("--yes",), ("--dry-run",)):
        ended = apply(ring, *words, text=text)
        assert (ended.code, ended.out) == (1, "")
        assert ended.err.startswith("Error: --prune goes by the manifest's own name")
    assert server.requests == []


def test_nothing_is_pruned_after_a_failure(ring: Ring, server: Stub) -> None:
    server.on("POST /configs", problem(422, "Validation failed"))
    ended = apply(ring, "--yes")
    assert ended.code == 1
    assert ended.err.endswith("Warning: nothing is pruned: not everything could be applied\n")
    assert "GET /deployments" not in server.seen()


def test_an_entry_that_is_skipped_keeps_everything(ring: Ring, server: Stub) -> None:
    ended = apply(ring, "--yes", text=MANIFEST.replace("image: nginx", "image: ' '", 1))
    assert ended.code == 1
    assert deleted(server) == []


def test_a_manifest_without_deployments_may_prune_all(ring: Ring, server: Stub) -> None:
    text = "name: site\nnamespaces: { s: { name: shop } }\n"
    assert apply(ring, "--yes", text=text).code == 0
    assert deleted(server) == ["id-1", "id-2", "id-3", "id-7"]


def test_a_manifest_that_names_no_namespace_prunes_nothing(ring: Ring, server: Stub) -> None:
    assert apply(ring, "--yes", text="name: site\ndeployments: {}\n").code == 0
    assert server.requests == []


def test_failures_of_the_list_and_of_a_deletion(ring: Ring, server: Stub) -> None:
    server.on("DELETE /deployments/id-2", problem(403, "Forbidden"))
    server.on("DELETE /deployments/id-3", problem(404, "Not Found"))
    ended = apply(ring, "--yes")
    assert ended.code == 2
    assert ended.err == "error: not authorized to act on deployment 'shop/old'\n"
    assert deleted(server) == DOOMED
    server.on("GET /deployments", problem(500, "Internal Server Error"))
    ended = apply(ring, "--yes")
    assert ended.code == 1
    assert ended.err == (
        "error: cannot list deployments in namespace 'shop,extra,other': request failed (500)\n"
    )


def test_a_dry_run_without_credentials_says_it(anyone: Ring) -> None:
    ended = apply(anyone, "--dry-run")
    assert ended.code == 0
    assert (
        "DRY RUN - Would delete deployments of manifest 'site' that it does not declare, "
        "in namespaces: shop, extra, other\n"
    ) in ended.out


@pytest.mark.parametrize(
    ("answer", "code", "gone"), [("y\n", 0, DOOMED), ("n\n", 1, []), ("\n", 1, [])]
)
def test_on_a_terminal_it_asks(
    ring: Ring, server: Stub, answer: str, code: int, gone: list[str]
) -> None:
    path = ring.home / "ring.yaml"
    path.write_text(MANIFEST)
    ended = ring.on_terminal(
        "apply", "-f", str(path), "--prune", typed=[("Delete? [y/N] ", answer)]
    )
    assert ended.code == code
    assert LISTED in ended.out
    assert ("Aborted." in ended.err) is (code == 1)
    assert deleted(server) == gone
