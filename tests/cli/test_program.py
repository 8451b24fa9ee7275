"""The program itself: versions, help, misuse, and what it loads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from ring.cli.completions.tree import places
from ring.cli.main import ring as root
from tests.cli.catalogue import EVERY, READS, Command, name_of
from tests.cli.conftest import SOURCE
from tests.cli.stub import Answer

if TYPE_CHECKING:
    from tests.cli.conftest import Ring
    from tests.cli.stub import Stub

HEAVY = ("pydantic", "ruamel", "rich", "asyncio", "aiohttp", "importlib.metadata", "starlette")


def test_version_is_one_line(anyone: Ring) -> None:
    ended = anyone.process("--version")
    assert (ended.code, ended.err) == (0, "")
    name, version = ended.out.split()
    assert name == "ring"
    assert version.count(".") == 2


def test_version_after_another_option_reads_the_same(anyone: Ring) -> None:
    assert anyone("--context", "x", "--version").out == anyone.process("--version").out


def test_no_arguments_show_help(anyone: Ring) -> None:
    ended = anyone()
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("Usage: ring ")
    assert "deployment" in ended.out


@pytest.mark.parametrize(
    "words",
    [
        ("deployment", "list", "--help"),
        ("help", "deployment", "list"),
        ("deployment", "-o", "json", "--help"),
    ],
)
def test_help_of_a_command(anyone: Ring, words: tuple[str, ...]) -> None:
    ended = anyone(*words)
    assert (ended.code, ended.err) == (0, "")
    assert "Usage: ring deployment list [OPTIONS]" in ended.out
    assert "--label" in ended.out


def test_help_of_a_group(anyone: Ring) -> None:
    ended = anyone("deployment", "--help")
    assert ended.code == 0
    assert "inspect" in ended.out


def test_no_summary_of_a_command_is_cut(anyone: Ring, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    groups = [place.path for place in places(root) if place.commands]
    assert "deployment" in groups
    for group in groups:
        _, _, summaries = anyone(*group.split(), "--help").out.partition("\nCommands:\n")
        assert summaries
        assert "..." not in summaries, group


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("nope",), "No such command 'nope'"),
        (("help", "nope"), "No such command 'nope'"),
        (("deployment", "nope"), "No such command 'nope'"),
        (("deployment", "list", "-o", "yaml"), "'yaml' is not one of 'table', 'json'"),
        (("deployment", "list", "--type", "cron"), "'cron' is not one of 'worker', 'job'"),
        (("deployment", "list", "-c", "x"), "No such option"),
        (("deployment", "inspect"), "Missing argument"),
        (("deployment", "delete"), "Missing argument"),
        (("deployment", "list", "-s", "runing"), "'runing' is not one of 'pending', 'creating', "),
        (("deployment", "events", "x", "--limit", "0"), "Invalid value for '--limit'"),
        (("deployment", "events", "x", "--limit", "x"), "'x' is not a valid integer."),
        (("server", "start", "--dashboard"), "--dashboard is not available yet"),
        (("server", "--dashboard"), "--dashboard is not available yet"),
    ],
)
def test_misuse_exits_2_with_a_usage_line(anyone: Ring, words: tuple[str, ...], says: str) -> None:
    ended = anyone(*words)
    assert (ended.code, ended.out) == (2, "")
    first, second = ended.err.splitlines()[:2]
    assert first.startswith("error: ")
    assert says in first
    assert second.startswith("Usage: ring")


def test_misuse_as_a_process(anyone: Ring) -> None:
    ended = anyone.process("nope")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("error: ")


def test_the_door_to_the_server(anyone: Ring) -> None:
    anyone.environ["RING_SECRET_KEY"] = "A" * 43 + "="
    anyone.environ["RING_DATABASE_PATH"] = str(anyone.home / "ring.db")
    ended = anyone.process("server")
    assert (ended.code, ended.out) == (1, "")
    assert "no container runtime is enabled" in ended.err
    assert "Traceback" not in ended.err


def test_version_loads_no_click(anyone: Ring) -> None:
    code = (
        "import sys; sys.argv = ['ring', '--version']; import ring.__main__ as m; m.main();"
        "sys.stderr.write(' '.join(sys.modules))"
    )
    loaded = _python(anyone, code).stderr.split()
    assert "ring" in loaded
    assert "click" not in loaded
    assert "json" not in loaded


@pytest.mark.parametrize("command", READS, ids=name_of)
def test_reading_loads_nothing_of_weight(ring: Ring, stub: Stub, command: Command) -> None:
    stub.on(command.route, Answer(200, command.body))
    code = (
        f"import sys; sys.argv = ['ring', *{command.words!r}]; import ring.__main__ as m;"
        "assert m.main() == 0; sys.stderr.write(' '.join(sys.modules))"
    )
    done = _python(ring, code)
    loaded = done.stderr.split()
    assert done.stdout
    assert "http.client" in loaded
    assert not [name for name in HEAVY if name in loaded]
    assert "ring.core.model.spec" not in loaded


@pytest.mark.parametrize("command", READS, ids=name_of)
def test_every_reading_command_gives_the_body_as_json(
    ring: Ring, stub: Stub, command: Command
) -> None:
    noisy = Answer(200, command.body, {"X-Ring-Warnings": "careful"})
    stub.on(command.route, noisy)
    ended = ring(*command.words, "-o", "json")
    assert (ended.code, ended.err) == (0, "")
    body = json.dumps(command.body, ensure_ascii=False, separators=(",", ":"))
    assert ended.out == body + "\n"
    assert ring(*command.words).err == "Warning: careful\n"


@pytest.mark.parametrize("command", EVERY, ids=name_of)
def test_every_command_has_help_and_no_other_format(ring: Ring, command: Command) -> None:
    path = command.words[:2]
    ended = ring(*path, "--help")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith(f"Usage: ring {' '.join(path)} ")
    assert ring(*command.words, "-o", "yaml").code == 2


@pytest.mark.parametrize("group", sorted({command.words[0] for command in READS}))
def test_a_group_runs_its_default_with_its_flags(ring: Ring, stub: Stub, group: str) -> None:
    default = next(command for command in READS if command.words[0] == group)
    stub.on(default.route, Answer(200, default.body))
    for flags in ((), ("-o", "json"), ("--output=json", "--context", "default")):
        ended = ring(group, *flags)
        assert ended.code == 0
        assert ended.out == ring(*default.words, *flags).out


def test_a_closed_reader_ends_quietly(ring: Ring, stub: Stub) -> None:
    stub.on("GET /namespaces", Answer(200, [{"id": "1", "name": "n" * 200_000}]))
    with subprocess.Popen(
        [sys.executable, "-m", "ring", "namespace", "list"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=_environment(ring),
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()
        assert running.stderr.read() == b""


@pytest.mark.parametrize(
    "words", [("namespace", "list"), ("--version",), ("--help",), ("namespace", "list", "-h")]
)
def test_a_full_disk_is_one_line(ring: Ring, stub: Stub, words: tuple[str, ...]) -> None:
    stub.on("GET /namespaces", Answer(200, []))
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - a device, opened as one
        done = subprocess.run(
            [sys.executable, "-m", "ring", *words],
            stdout=full,
            stderr=subprocess.PIPE,
            env=_environment(ring),
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == b"error: cannot write the output: no space left on device\n"


@pytest.mark.parametrize("words", [("--version",), ("--help",)])
def test_a_closed_stdout_is_silence(anyone: Ring, words: tuple[str, ...]) -> None:
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" >&-', "sh", sys.executable, "-m", "ring", *words],
        stderr=subprocess.PIPE,
        env=_environment(anyone),
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_an_internal_error_is_one_line(ring: Ring, stub: Stub) -> None:
    def break_down(_: float) -> None:
        raise ZeroDivisionError("impossible")

    stub.on("GET /deployments/x/events", Answer(200, []))
    ring.pause = break_down
    ended = ring("deployment", "events", "x", "--follow")
    assert ended.code == 1
    assert ended.err == "error: internal error: ZeroDivisionError: impossible\n"
    ring.environ["RING_LOG"] = "debug"
    assert "Traceback" in ring("deployment", "events", "x", "--follow").err


def _python(ring: Ring, code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        encoding="utf-8",
        env=_environment(ring),
        timeout=30,
        check=True,
    )


def _environment(ring: Ring) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(SOURCE), **ring.environ}


def test_a_log_level_that_is_none_is_named(ring: Ring, stub: Stub) -> None:
    stub.on("GET /namespaces", Answer(200, []))
    ring.environ["RING_LOG"] = "loud"
    ended = ring("namespace", "list")
    assert ended.code == 0
    assert ended.err == (
        "Warning: RING_LOG 'loud' is not debug, info, warning or error; using warning\n"
    )
    ring.environ["RING_LOG"] = "WARN"
    assert ring("namespace", "list").err == ""
