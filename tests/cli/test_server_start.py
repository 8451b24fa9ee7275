"""What stops `ring server start` before it serves anybody."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
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
    host.config.write_text(docker(host) + "[server.runtime.podman]\nenabled = true\n")
    ended = host.process("server", "start")
    assert (ended.code, ended.out) == (1, "")
    (line,) = [line for line in ended.err.splitlines() if "Refusing to start" in line]
    assert "enabled runtime unreachable: podman (not available in this version of Ring)" in line
    assert f"docker (unix://{host.home}/no.sock: " in line


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


def test_a_pool_that_nobody_takes_from_is_warned_about(host: Ring) -> None:
    host.config.write_text(docker(host) + "[server.network]\npool = '10.46.0.0/16'\n")
    assert "server.network.pool has no effect yet" in host.process("server", "start").err
