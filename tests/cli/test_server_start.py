"""`ring server start`: what stops it before it serves anybody, and what it says when it does."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import SOURCE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.conftest import Ring

KEY = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="


@pytest.fixture
def host(anyone: Ring) -> Ring:
    """A user who may start a server."""
    anyone.environ |= {
        "RING_SECRET_KEY": KEY,
        "RING_DATABASE_PATH": str(anyone.home / "ring.db"),
    }
    return anyone


def docker(ring: Ring, *more: str) -> str:
    """The table of an engine that is not there."""
    lines = ("[server.runtime.docker]", "enabled = true", f'host = "unix://{ring.home}/no.sock"')
    return "\n".join((*lines, *more)) + "\n"


def test_all_runtimes_that_cannot_be_are_named_together(host: Ring) -> None:
    host.environ["RING_PODMAN_HOST"] = f"unix://{host.home}/none.sock"
    others = (
        "[server.runtime.podman]\nenabled = true\n[server.runtime.containerd]\nenabled = true\n"
        f'socket = "{host.home}/other.sock"\n'
    )
    host.config.write_text(docker(host) + others)
    ended = host.process("server", "start")
    assert (ended.code, ended.out) == (1, "")
    (line,) = [line for line in ended.err.splitlines() if "Refusing to start" in line]
    assert f"containerd (unix://{host.home}/other.sock: " in line
    assert f"docker (unix://{host.home}/no.sock: " in line
    assert f"podman (unix://{host.home}/none.sock: " in line


def test_a_host_of_another_scheme_is_refused_by_name(host: Ring) -> None:
    host.config.write_text("[server.runtime.docker]\nenabled = true\nhost = 'ssh://far'\n")
    ended = host.process("server", "start")
    assert (ended.code, ended.out) == (1, "")
    assert "Refusing to start: docker host 'ssh://far' has the unknown scheme 'ssh'" in ended.err


def test_an_optional_one_is_warned_about(host: Ring) -> None:
    text = "[server.runtime.firecracker]\nenabled = true\noptional = true\n"
    host.config.write_text(docker(host) + text)
    ended = host.process("server", "start")
    assert ended.code == 1
    (warning,) = [line for line in ended.err.splitlines() if " WARNING " in line]
    assert "the optional runtime firecracker is not available in this version" in warning
    assert "firecracker (" not in ended.err


@pytest.mark.parametrize(
    ("text", "environ"),
    [("", {"RING_DASHBOARD": "on"}), ("[server.dashboard]\nenabled = true\n", {})],
)
def test_a_dashboard_that_is_asked_for_is_not_left_out_in_silence(
    host: Ring, text: str, environ: dict[str, str]
) -> None:
    host.config.write_text(docker(host) + text)
    host.environ |= environ
    ended = host.process("server", "start")
    assert (ended.code, ended.out) == (1, "")
    assert "Refusing to start: the dashboard is not available yet" in ended.err


@pytest.mark.parametrize("words", [("server", "start"), ("deployment", "list"), ("context",)])
def test_a_syntax_error_is_told_with_its_line(host: Ring, words: tuple[str, ...]) -> None:
    host.config.write_text("[contexts.a]\nhost = \n")
    ended = host.process(*words)
    assert (ended.code, ended.out) == (1, "")
    assert f"cannot parse {host.config}: " in ended.err
    assert "line 2" in ended.err


@contextmanager
def serving(ring: Ring) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-m", "ring", "server", "start"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        cwd=ring.home,
        env={"PYTHONPATH": str(SOURCE), **ring.environ},
    ) as running:
        try:
            yield running
        finally:
            running.kill()


@pytest.fixture
def inited(anyone: Ring) -> tuple[Ring, int]:
    """A user after `ring init` alone, no key in the environment; and the port of the server.

    Nothing is there that a server could drive, and it may start all the same.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    anyone.environ["RING_PODMAN_HOST"] = f"unix://{anyone.home}/no.sock"
    assert anyone.process("init", "--runtime", "podman", "--port", str(port)).code == 0
    text = anyone.config.read_text()
    anyone.config.write_text(text.replace("# optional = false", "optional = true"))
    return anyone, port


def banner(running: subprocess.Popen[str]) -> list[str]:
    """Its lines; it comes once the server can be reached."""
    assert running.stdout is not None
    lines: list[str] = []
    while not any("Runtimes:" in line for line in lines):
        line = running.stdout.readline()
        assert line, running.stderr.read() if running.stderr else ""
        lines.append(line.rstrip())
    return [line for line in lines if line]


def test_after_init_it_starts_without_a_variable(inited: tuple[Ring, int]) -> None:
    ring, port = inited
    with serving(ring) as running:
        shown = banner(running)
        running.send_signal(signal.SIGTERM)
        _, err = running.communicate(timeout=60)
    assert running.returncode == 0
    assert shown[0].startswith("  Ring ")
    assert shown[0].endswith("  ready")
    assert shown[1] == f"  ➜  Local:     http://127.0.0.1:{port}"
    for said in (
        "INFO    ring.server: docker runtime disabled in config, skipping",
        "WARNING ring.server: the optional runtime podman is unreachable (",
        "INFO    ring.server: Starting scheduler with interval: 10s, apply timeout: 300s",
        "INFO    ring.server: shutdown signal received, draining in-flight requests",
        "INFO    ring.server: API server shut down gracefully",
    ):
        assert said in err
    assert err.splitlines()[-1].endswith("ring server stopped")
    assert (ring.home / "ring.db").exists()


def test_log_lines_as_json(inited: tuple[Ring, int]) -> None:
    ring, _ = inited
    ring.environ["RING_LOG_FORMAT"] = "json"
    with serving(ring) as running:
        shown = banner(running)
        running.send_signal(signal.SIGTERM)
        _, err = running.communicate(timeout=60)
    assert not [line for line in shown if line.startswith("{")]
    records = [json.loads(line) for line in err.splitlines()]
    assert all(line.startswith("{") for line in err.splitlines())
    for record in records:
        assert list(record) == ["timestamp", "level", "fields", "target"]
        assert record["fields"]["message"]
    assert records[-1]["fields"] == {"message": "ring server stopped"}
    assert (records[-1]["level"], records[-1]["target"]) == ("INFO", "ring.server")
