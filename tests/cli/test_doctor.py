"""`ring doctor`: its form and its exit code. What it finds is tested in tests/doctor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.stub import Answer, serving
from tests.runtimes.docker.scripted import VERSION

if TYPE_CHECKING:
    from tests.cli.conftest import Ring

KEY = "A" * 43 + "="


@pytest.fixture
def host(anyone: Ring) -> Ring:
    """A user with a key, and no programs."""
    anyone.environ |= {"RING_SECRET_KEY": KEY, "PATH": str(anyone.home / "none")}
    return anyone


def engine(ring: Ring, port: int) -> None:
    ring.config.write_text(
        f'[server.runtime.docker]\nenabled = true\nhost = "tcp://127.0.0.1:{port}"\n'
        # ranges that no machine has a route to
        '[server.network]\npool = "240.0.0.0/16"\nvm_pool = "241.0.0.0/16"\n'
    )


def test_all_is_well(host: Ring) -> None:
    with serving() as stub:
        stub.on("GET /version", Answer(200, VERSION | {"Version": "26.1.4"}))
        stub.on("GET /v1.41/_ping", Answer(200, "OK"))
        engine(host, stub.port)
        ended = host("doctor")
    assert (ended.code, ended.err) == (0, "")
    blocks = ended.out.split("\n\n")
    assert [block.splitlines()[0] for block in blocks if block] == ["Server", "Docker"]
    assert blocks[0].splitlines()[1] == "  [+] RING_SECRET_KEY: set by RING_SECRET_KEY"
    assert "  [+] docker: engine 26.1.4, API 1.12 to 1.41" in blocks[1]
    assert blocks[1].splitlines()[-1] == "  [+] maturity: production"
    assert KEY not in ended.out


def test_a_bad_key_is_enough_to_fail(host: Ring) -> None:
    host.environ["RING_SECRET_KEY"] = "%%%"
    with serving() as stub:
        stub.on("GET /version", Answer(200, VERSION | {"Version": "26.1.4"}))
        stub.on("GET /v1.41/_ping", Answer(200, "OK"))
        engine(host, stub.port)
        ended = host("doctor")
    assert (ended.code, ended.err) == (1, "")
    assert [line for line in ended.out.splitlines() if "[-]" in line] == [
        "  [-] RING_SECRET_KEY: is not valid base64: it is the output of `openssl rand -base64 32`"
    ]


def test_a_host_with_containerd_alone_is_not_judged_on_another(host: Ring) -> None:
    host.config.write_text("[server.runtime.containerd]\nenabled = true\nsocket = '/none'\n")
    ended = host("doctor")
    assert ended.code == 1
    assert "Docker" not in ended.out
    assert "\ncontainerd\n" in ended.out


def test_a_broken_config_file_is_a_line(host: Ring) -> None:
    host.config.write_text("[server\n")
    ended = host("doctor")
    assert (ended.code, ended.err) == (1, "")
    assert f"  [-] config: cannot parse {host.config}: " in ended.out
