"""Completion: the scripts in the shells they are for, and the names they ask for."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from ring.cli.completions import names
from ring.cli.completions.tree import places
from ring.cli.main import ring as root
from tests.cli.conftest import SOURCE
from tests.cli.stub import Answer, problem
from tests.contract.outside import missing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Ring
    from tests.cli.stub import Request, Stub

SHELLS = ("bash", "zsh", "fish")
ID = "0b1f6d3e-5a53-4f3c-9a61-4f0f7b2f1d10"
OTHER = "7c1f6d3e-5a53-4f3c-9a61-4f0f7b2f1d10"
HOSTILE = ("$(touch x)", "a b", "-rf", "`id`", "a;b", "a\nb", "", None, 7, "é", "a'b")

ASK = """\
#!{python}
import os, sys
sys.path.insert(0, {source!r})
from ring.cli.completions.names import main
sys.exit(main(sys.argv[2:], os.environ, deadline_s=30))
"""
"""`ring` as the scripts call it, with time enough on a busy machine."""

BASH = """\
source "$1"
shift
COMP_WORDS=("$@")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_ring
printf '%s\\n' "${COMPREPLY[@]}"
"""
ZSH = """\
compdef() { }
_files() { print -r -- files }
compadd() {
  local -a flags
  while [[ $1 == -* ]]; do
    case $1 in
      --) shift; break ;;
      -d) shift 2 ;;
      -a) print -rl -- ${(P)2}; return ;;
      *) shift ;;
    esac
  done
  print -rl -- "${(@M)@:#$cur*}"
}
compset() { }
script=$1
shift
words=("$@")
CURRENT=${#words}
source $script
_ring
"""


def deployment(namespace: object, name: object, identity: str = ID, **more: object) -> object:
    return {"id": identity, "namespace": namespace, "name": name, "status": "running", **more}


@pytest.fixture
def stocked(ring: Ring, stub: Stub) -> Ring:
    """A user whose server holds something of every kind."""
    stub.on(
        "GET /deployments",
        Answer(200, [deployment("shop", "billing"), deployment("lab", "gate", OTHER)]),
    )
    stub.on("GET /namespaces", Answer(200, [{"name": "shop"}, {"name": "lab"}]))
    kept = [
        {"id": ID, "namespace": "shop", "name": "pg.pass"},
        {"id": OTHER, "namespace": "lab", "name": "tls"},
    ]
    stub.on("GET /secrets", Answer(200, kept))
    stub.on("GET /configs", Answer(200, kept))
    return ring


@pytest.fixture
def typed(stocked: Ring, tmp_path: Path) -> Callable[..., list[str]]:
    """What a shell offers for the last of these words."""
    program = tmp_path / "bin" / "ring"
    program.parent.mkdir()
    program.write_text(ASK.format(python=sys.executable, source=str(SOURCE)))
    program.chmod(0o755)
    environ = {**stocked.environ, "PATH": f"{program.parent}:{os.environ['PATH']}"}
    drive = {"bash": ["bash", "--norc", "-c", BASH, "x"], "zsh": ["zsh", "-f", "-c", ZSH, "x"]}

    def run(shell: str, *words: str) -> list[str]:
        if shutil.which(shell) is None:
            missing(f"{shell} is needed (scripts/engines.py ensure installs it)")
        script = tmp_path / f"completions.{shell}"
        script.write_text(stocked("completions", shell).out)
        if shell == "fish":
            line = " ".join(("ring", *words))
            command = ["fish", "-N", "-c", f"source {script}; complete -C '{line}'"]
        else:
            command = [*drive[shell], str(script), "ring", *words]
        done = subprocess.run(
            command, capture_output=True, text=True, env=environ, timeout=60, check=False
        )
        assert done.stderr == ""
        return [line.partition("\t")[0] for line in done.stdout.splitlines() if line]

    return run


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_holds_every_command_and_flag(anyone: Ring, shell: str) -> None:
    ended = anyone("completions", shell)
    assert (ended.code, ended.err) == (0, "")
    assert "--follow" in ended.out
    assert "health-checks" in ended.out
    for place in places(root):
        for word in (*place.path.split(), *place.flags):
            assert word in ended.out


def test_it_needs_neither_a_config_nor_a_network(anyone: Ring) -> None:
    anyone.config.write_text("broken = [")
    assert anyone("completions", "bash").code == 0


def test_another_shell_is_misuse(anyone: Ring) -> None:
    ended = anyone("completions", "powershell")
    assert (ended.code, ended.out) == (2, "")
    assert "'powershell' is not one of 'bash', 'zsh', 'fish'" in ended.err


@pytest.mark.parametrize("shell", SHELLS)
def test_the_shell_reads_it(anyone: Ring, tmp_path: Path, shell: str) -> None:
    if shutil.which(shell) is None:
        missing(f"{shell} is needed (scripts/engines.py ensure installs it)")
    script = tmp_path / "script"
    script.write_text(anyone("completions", shell).out)
    done = subprocess.run([shell, "-n", script], capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("dep",), ["deployment"]),
        (("deployment", "insp"), ["inspect"]),
        (("deployment", "logs", "--fol"), ["--follow"]),
        (("deployment", "--stat"), ["--status"]),
        (("deployment", "list", "-o", ""), ["json", "table"]),
        (("deployment", "list", "--type", "w"), ["worker"]),
        (
            ("deployment", "list", "-s", "c"),
            [
                "completed",
                "config_error",
                "crash_loop_back_off",
                "create_container_error",
                "creating",
            ],
        ),
        (("token", "create", "ci", "-s", "web"), ["webhooks:read", "webhooks:write"]),
        (("init", "--runtime", "p"), ["podman"]),
        (("-c", "d"), ["default"]),
        (("deployment", "inspect", "sh"), ["shop/billing"]),
        (("deployment", "logs", "--tail", "5", "lab/"), ["lab/gate"]),
        (("deployment", "inspect", "7c"), [OTHER]),
        (("deployment", "inspect", "shop/billing", ""), []),
        (("deployment", "delete", "shop/billing", "l"), ["lab/gate"]),
        (("deployment", "list", "-n", "s"), ["shop"]),
        (("deployment", "rest"), ["restart"]),
        (("deployment", "restart", "shop/billing", "l"), ["lab/gate"]),
        (("deployment", "scale", "lab/"), ["lab/gate"]),
        (("deployment", "scale", "lab/gate", ""), []),
        (("deployment", "wait", "--for", "de"), ["deleted"]),
        (("deployment", "history", "--d"), ["--diff"]),
        (("diff", "--ex"), ["--exit-code"]),
        (("apply", "--wa"), ["--wait"]),
        (("deployment", "logs", "-c", ""), []),
        (("namespace", "create", ""), []),
        (("completions", "z"), ["zsh"]),
        (("secret", "delete", "0b"), [ID]),
        (("secret", "create", "x", "-n", "l"), ["lab"]),
        (("config", "inspect", "-n", "lab", "t"), ["tls"]),
        (("login", "--username", "dep"), []),
    ],
)
def test_what_is_offered(
    typed: Callable[..., list[str]], shell: str, words: tuple[str, ...], offered: list[str]
) -> None:
    assert sorted(typed(shell, *words)) == offered


@pytest.mark.parametrize("words", [("--output", "=", "j"), ("--output", "=j")])
def test_bash_splits_at_an_equals_sign(
    typed: Callable[..., list[str]], words: tuple[str, ...]
) -> None:
    offered = typed("bash", "deployment", "list", *words)
    assert offered == (["json"] if len(words) == 3 else [])


def test_bash_completes_an_option_behind_an_equals_sign(typed: Callable[..., list[str]]) -> None:
    assert typed("bash", "deployment", "list", "--output", "=") == ["table", "json"]


@pytest.mark.parametrize("shell", SHELLS)
def test_the_words_before_say_which_server(
    typed: Callable[..., list[str]], stocked: Ring, stub: Stub, shell: str
) -> None:
    text = stocked.config.read_text()
    stocked.config.write_text(
        text.replace("default", "far") + "[contexts.default]\nhost = 'x'\napi.scheme = 'http'\n"
        "api.port = 1\ncurrent = true\n"
    )
    assert typed(shell, "-c", "far", "deployment", "list", "-n", "s") == ["shop"]
    assert typed(shell, "deployment", "list", "--context", "far", "-n", "s") == ["shop"]
    assert stub.seen() == ["GET /namespaces"] * 2


def test_bash_finds_an_id_by_the_name_it_stands_for(typed: Callable[..., list[str]]) -> None:
    assert typed("bash", "secret", "delete", "pg") == [ID]
    assert typed("bash", "config", "delete", "") == [f"{ID}  (shop/pg.pass)", f"{OTHER}  (lab/tls)"]


def test_bash_offers_files(typed: Callable[..., list[str]], tmp_path: Path) -> None:
    (tmp_path / "a b.yaml").touch()
    assert typed("bash", "apply", "-f", f"{tmp_path}/a") == [f"{tmp_path}/a b.yaml"]


def ask(ring: Ring, *arguments: str, deadline_s: float = 30) -> list[str]:
    ring.capture.readouterr()
    assert names.main(arguments, ring.environ, deadline_s=deadline_s) == 0
    out, err = ring.capture.readouterr()
    assert err == ""
    return out.splitlines()


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        (("deployments", ""), ["lab/gate", "shop/billing"]),
        (("namespaces", "l"), ["lab"]),
        (("secrets", "pg"), [f"{ID}\tshop/pg.pass"]),
        (("secrets", "lab/"), [f"{OTHER}\tlab/tls"]),
        (("secrets", "7"), [f"{OTHER}\tlab/tls"]),
        (("configs", ""), [f"{ID}\tshop/pg.pass", f"{OTHER}\tlab/tls"]),
        (("configs", "t", "--namespace", "lab"), ["tls"]),
        (("users", ""), []),
        (("contexts", ""), ["default"]),
        (("contexts", "x"), []),
        (("contexts", "", "--config", "/missing"), []),
        (("deployments",), []),
        ((), []),
        (("deployments", "", "--context"), []),
        (("deployments", "", "--context", "nowhere"), []),
        (("deployments", "", "--config", "/missing"), []),
    ],
)
def test_names(stocked: Ring, arguments: tuple[str, ...], lines: list[str]) -> None:
    assert ask(stocked, *arguments) == lines


def test_only_the_namespace_in_question_is_asked_for(stocked: Ring, stub: Stub) -> None:
    ask(stocked, "deployments", "shop/b")
    ask(stocked, "configs", "", "--namespace", "lab")
    assert [request.query for request in stub.requests] == [
        [("namespace", "shop")],
        [("namespace", "lab")],
    ]


def test_what_a_shell_would_not_take_as_a_word_is_left_out(ring: Ring, stub: Stub) -> None:
    rows = [deployment("shop", name, "x y") for name in HOSTILE] + [deployment("shop", "ok")]
    stub.on("GET /deployments", Answer(200, rows))
    stub.on("GET /namespaces", Answer(200, [{"name": name} for name in HOSTILE]))
    stub.on("GET /secrets", Answer(200, [{"id": name, "name": name} for name in HOSTILE]))
    assert ask(ring, "deployments", "") == ["shop/ok"]
    assert ask(ring, "namespaces", "") == []
    assert ask(ring, "secrets", "") == []


def test_deleted_ones_are_left_out(ring: Ring, stub: Stub) -> None:
    stub.on("GET /deployments", Answer(200, [deployment("shop", "old", status="deleted")]))
    assert ask(ring, "deployments", "") == []


@pytest.mark.parametrize(
    "answer", [problem(403, "no"), Answer(200, b"{"), Answer(200, {}), Answer(200, [1])]
)
def test_an_answer_that_is_none_is_silence(ring: Ring, stub: Stub, answer: Answer) -> None:
    stub.on("GET /deployments", answer)
    assert ask(ring, "deployments", "") == []


def test_without_a_token_nobody_is_asked(stocked: Ring, stub: Stub) -> None:
    del stocked.environ["RING_TOKEN"]
    assert ask(stocked, "deployments", "") == []
    assert stub.seen() == []
    stocked.auth.write_text('{"default":{"token":"ring_pat_1"}}')
    assert ask(stocked, "deployments", "l") == ["lab/gate"]


def test_a_server_that_is_away_is_silence(anyone: Ring) -> None:
    anyone.environ["RING_TOKEN"] = "t"
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        anyone.config.write_text(
            f'[contexts.a]\nhost = "127.0.0.1"\napi.scheme = "http"\napi.port = {port}\n'
        )
        assert ask(anyone, "deployments", "") == []


@pytest.fixture
def mute(anyone: Ring) -> Ring:
    """A user whose server takes connections and never answers."""
    anyone.environ["RING_TOKEN"] = "t"
    return anyone


def test_time_is_up_when_it_is_up(mute: Ring) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        mute.config.write_text(
            f'[contexts.a]\nhost = "127.0.0.1"\napi.scheme = "http"\n'
            f"api.port = {silent.getsockname()[1]}\n"
        )
        before = time.monotonic()
        assert ask(mute, "deployments", "", deadline_s=0.01) == []
        ended = mute.process("_complete", "deployments", "")
        assert (ended.code, ended.out, ended.err) == (0, "", "")
        assert time.monotonic() - before < 15  # the client's own patience is twice that


def test_a_broken_config_is_silence(stocked: Ring) -> None:
    stocked.config.write_text("broken = [")
    ended = stocked.process("_complete", "deployments", "")
    assert (ended.code, ended.out, ended.err) == (0, "", "")


def test_asking_loads_little(stocked: Ring, stub: Stub) -> None:
    def answered(_: Request) -> Answer:
        return Answer(200, [{"name": "shop"}])

    stub.on("GET /namespaces", answered)
    code = (
        "import os, sys; from ring.cli.completions import names;"
        "names.main(['namespaces', ''], os.environ, deadline_s=30);"
        "sys.stderr.write(' '.join(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(SOURCE), **stocked.environ},
        check=True,
    )
    assert done.stdout == "shop\n"
    loaded = done.stderr.split()
    heavy = ("click", "pydantic", "asyncio", "aiohttp", "ruamel", "starlette")
    assert not [name for name in heavy if name in loaded]
