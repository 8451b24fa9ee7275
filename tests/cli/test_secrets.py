"""`ring secret`: where a value may come from, and that it goes nowhere else."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.cli.catalogue import SECRET
from tests.cli.conftest import environment
from tests.cli.stub import Answer, problem

if TYPE_CHECKING:
    from tests.cli.conftest import Ring
    from tests.cli.stub import Request, Stub

CREATED = "Secret 'db' created in namespace 'shop' (id: s1)\n"
CREATE = ("secret", "create", "db", "-n", "shop")
USED = Answer(
    409,
    {
        "type": "about:blank",
        "title": "Conflict",
        "status": 409,
        "detail": "Secret is referenced by deployments",
        "violations": [],
        "deployments": ["media/encoder", "media/web"],
        "hint": "Use ?force=true to delete anyway",
    },
    {"Content-Type": "application/problem+json"},
)
QUESTION = "These deployments will fail on next restart. Continue? [y/N] "


@pytest.fixture(autouse=True)
def made(stub: Stub) -> None:
    stub.on("POST /secrets", Answer(201, SECRET))


def sent(stub: Stub) -> object:
    (asked,) = stub.requests
    return asked.json


class TestCreate:
    def test_from_the_command_line(self, ring: Ring, stub: Stub) -> None:
        ended = ring(*CREATE, "-v", "hunter2")
        assert (ended.code, ended.out, ended.err) == (0, CREATED, "")
        assert sent(stub) == {"namespace": "shop", "name": "db", "value": "hunter2"}

    @pytest.mark.parametrize(
        ("piped", "value"), [("hunter2\n", "hunter2"), ("a\n\n", "a\n"), ("a b", "a b")]
    )
    def test_from_standard_input(self, ring: Ring, stub: Stub, piped: str, value: str) -> None:
        ended = ring.process(*CREATE, stdin=piped)
        assert (ended.code, ended.out, ended.err) == (0, CREATED, "")
        assert sent(stub) == {"namespace": "shop", "name": "db", "value": value}

    def test_from_a_file_as_it_is(self, ring: Ring, stub: Stub) -> None:
        file = ring.home / "key.pem"
        file.write_bytes("-----\r\nü\n".encode())
        ended = ring(*CREATE, "--from-file", str(file))
        assert (ended.code, ended.out, ended.err) == (0, CREATED, "")
        assert sent(stub) == {"namespace": "shop", "name": "db", "value": "-----\r\nü\n"}

    def test_from_a_prompt_that_shows_nothing(self, ring: Ring, stub: Stub) -> None:
        ended = ring.on_terminal(*CREATE, typed=[("Value: ", "hunter2\n")])
        assert (ended.code, ended.out) == (0, CREATED)
        assert "hunter2" not in ended.err
        assert sent(stub) == {"namespace": "shop", "name": "db", "value": "hunter2"}

    @pytest.mark.parametrize(
        ("content", "says"),
        [
            (b"\xff", "is not UTF-8 text"),
            (b"x" * ((1 << 20) + 2), "is larger than a secret may be (1 MiB)"),
        ],
    )
    def test_what_cannot_be_a_value(
        self, ring: Ring, stub: Stub, content: bytes, says: str
    ) -> None:
        file = ring.home / "value"
        file.write_bytes(content)
        ended = ring(*CREATE, "--from-file", str(file))
        assert (ended.code, ended.err) == (1, f"error: the content of '{file}' {says}\n")
        done = subprocess.run(
            [sys.executable, "-m", "ring", *CREATE],
            input=content,
            capture_output=True,
            env=environment(ring),
            check=False,
        )
        assert done.returncode == 1
        assert done.stderr.decode() == f"error: the value on standard input {says}\n"
        assert stub.requests == []

    def test_the_largest_value_with_its_line_end(self, ring: Ring, stub: Stub) -> None:
        assert ring.process(*CREATE, stdin="x" * (1 << 20) + "\n").code == 0
        assert sent(stub) == {"namespace": "shop", "name": "db", "value": "x" * (1 << 20)}

    @pytest.mark.parametrize(
        ("path", "reason"),
        [
            ("/missing", "no such file or directory"),
            ("/", "is a directory"),
            ("a\0b", "not a path"),
        ],
    )
    def test_a_file_that_cannot_be_read(
        self, ring: Ring, stub: Stub, path: str, reason: str
    ) -> None:
        ended = ring(*CREATE, "--from-file", path)
        shown = path.replace("\0", "\\x00")
        assert (ended.code, ended.err) == (1, f"error: cannot read '{shown}': {reason}\n")
        assert stub.requests == []

    @pytest.mark.parametrize(
        "words",
        [("secret", "create", "db", "-v", "x"), (*CREATE, "-v", "x", "--from-file", "y")],
    )
    def test_misuse(self, ring: Ring, stub: Stub, words: tuple[str, ...]) -> None:
        assert ring(*words).code == 2
        assert stub.requests == []

    def test_nobody_is_asked_without_credentials(self, ring: Ring) -> None:
        del ring.environ["RING_TOKEN"]
        ended = ring.on_terminal(*CREATE, typed=[])
        assert ended.code == 2
        assert "Value" not in ended.err

    def test_a_missing_namespace(self, ring: Ring, stub: Stub) -> None:
        detail = "namespace 'shop' does not exist"
        stub.on("POST /secrets", problem(404, "Not Found", detail))
        ended = ring(*CREATE, "-v", "hunter2")
        assert (ended.code, ended.out) == (4, "")
        assert ended.err == f"Failed to create secret 'db': Not Found (404)\n  {detail}\n"

    def test_a_refused_name(self, ring: Ring, stub: Stub) -> None:
        violations = [("name", "must contain only letters"), ("namespace", "must be 2 to 63")]
        stub.on("POST /secrets", problem(422, "Validation failed", "x", *violations))
        ended = ring("secret", "create", "pg pass", "-n", "s", "-v", "hunter2")
        assert ended.code == 1
        assert ended.err == (
            "Failed to create secret 'pg pass': Validation failed (422)\n"
            "  * name: must contain only letters\n"
            "  * namespace: must be 2 to 63\n"
        )

    def test_help_says_what_is_safer(self, ring: Ring) -> None:
        text = " ".join(ring("secret", "create", "--help").out.split())
        assert "standard input or --from-file is safer" in text


class TestList:
    def test_table_without_values(self, ring: Ring, stub: Stub) -> None:
        stub.on("GET /secrets", Answer(200, [{**SECRET, "value": "hunter2"}]))
        ended = ring("secret", "list", "-n", "shop", "-n", "b&d")
        assert (ended.code, ended.err) == (0, "")
        assert ended.out == (
            "+----+------+-----------+---------------------+------------------+\n"
            "| Id | Name | Namespace | Created at (UTC)    | Updated at (UTC) |\n"
            "+----+------+-----------+---------------------+------------------+\n"
            "| s1 | db   | shop      | 2026-02-11 08:14:09 |                  |\n"
            "+----+------+-----------+---------------------+------------------+\n"
        )
        assert stub.requests[0].query == [("namespace[]", "shop"), ("namespace[]", "b&d")]

    @pytest.mark.parametrize(
        ("status", "code", "reason"),
        [
            (403, 2, "not authorized"),
            (404, 4, "namespace not found"),
            (502, 1, "request failed (502)"),
        ],
    )
    def test_refusals(self, ring: Ring, stub: Stub, status: int, code: int, reason: str) -> None:
        stub.on("GET /secrets", problem(status, "x"))
        ended = ring("secret")
        assert ended.code == code
        assert ended.err == f"error: cannot list secrets in namespace 'all': {reason}\n"


class TestDelete:
    def used_unless_forced(self, stub: Stub) -> None:
        def answer(request: Request) -> Answer:
            return Answer(204) if request.query == [("force", "true")] else USED

        stub.on("DELETE /secrets/s1", answer)

    def test_of_one_that_nobody_uses(self, ring: Ring, stub: Stub) -> None:
        stub.on("DELETE /secrets/s1", Answer(204))
        ended = ring("secret", "delete", "s1")
        assert (ended.code, ended.out, ended.err) == (0, "Secret s1 deleted\n", "")
        assert stub.requests[0].query == [("force", "false")]

    def test_of_one_in_use_without_a_terminal(self, ring: Ring, stub: Stub) -> None:
        self.used_unless_forced(stub)
        ended = ring.process("secret", "delete", "s1", stdin="y\n")
        assert (ended.code, ended.out) == (5, "")
        assert ended.err == (
            "error: secret 's1' already exists or still has dependents\n"
            "  - media/encoder\n  - media/web\n  use --force to delete it anyway\n"
        )
        assert len(stub.requests) == 1

    @pytest.mark.parametrize("flag", ["-f", "--force"])
    def test_by_force(self, ring: Ring, stub: Stub, flag: str) -> None:
        self.used_unless_forced(stub)
        ended = ring.process("secret", "delete", "s1", flag)
        assert (ended.code, ended.out, ended.err) == (0, "Secret s1 deleted\n", "")
        assert stub.requests[0].query == [("force", "true")]

    @pytest.mark.parametrize("answer", ["y\n", "YES\n"])
    def test_asked_and_agreed(self, ring: Ring, stub: Stub, answer: str) -> None:
        self.used_unless_forced(stub)
        ended = ring.on_terminal("secret", "delete", "s1", typed=[(QUESTION, answer)])
        assert (ended.code, ended.out) == (0, "Secret s1 deleted\n")
        assert ended.err.startswith(
            f"Secret 's1' is used by:\n  - media/encoder\n  - media/web\n{QUESTION}"
        )
        assert [request.query for request in stub.requests] == [
            [("force", "false")],
            [("force", "true")],
        ]

    @pytest.mark.parametrize("answer", ["\n", "n\n", "perhaps\n", "\x04"])
    def test_asked_and_not_agreed(self, ring: Ring, stub: Stub, answer: str) -> None:
        self.used_unless_forced(stub)
        ended = ring.on_terminal("secret", "delete", "s1", typed=[(QUESTION, answer)])
        assert (ended.code, ended.out) == (1, "")
        assert "Cancelled\n" in ended.err
        assert len(stub.requests) == 1

    @pytest.mark.parametrize(
        ("status", "code", "line"),
        [
            (404, 4, "error: secret 'x' not found"),
            (409, 5, "error: secret 'x' already exists or still has dependents"),
            (500, 1, "error: secret 'x': request failed (500)"),
        ],
    )
    def test_refusals(self, ring: Ring, stub: Stub, status: int, code: int, line: str) -> None:
        stub.on("DELETE /secrets/x", problem(status, "no"))
        ended = ring("secret", "delete", "x")
        assert (ended.code, ended.out, ended.err) == (code, "", line + "\n")
