"""What the server says when it is ready."""

from __future__ import annotations

import pytest

from ring.banner import lan_address, render


def banner(host: str, *, color: bool = False, lan: str | None = None) -> str:
    return render(
        host=host,
        port=4100,
        runtimes=["podman", "docker"],
        version="1.2.3",
        color=color,
        lan=lan,
    )


def test_a_loopback_server() -> None:
    assert banner("127.0.0.1") == (
        "\n"
        "  Ring 1.2.3  ready\n"
        "\n"
        "  ➜  Local:     http://127.0.0.1:4100\n"
        "  ➜  Dashboard: disabled\n"
        "  ➜  Runtimes:  docker, podman\n"
        "\n"
    )


@pytest.mark.parametrize(
    ("host", "lan", "lines"),
    [
        ("localhost", None, ["Local:     http://localhost:4100"]),
        ("::1", None, ["Local:     http://[::1]:4100"]),
        ("10.9.0.14", None, ["Network:   http://10.9.0.14:4100"]),
        (
            "0.0.0.0",  # noqa: S104 - only shown
            "10.9.0.14",
            ["Local:     http://127.0.0.1:4100", "Network:   http://10.9.0.14:4100"],
        ),
        (
            "0.0.0.0",  # noqa: S104 - only shown
            None,
            ["Local:     http://127.0.0.1:4100", "Network:   (no LAN address detected)"],
        ),
        ("::", None, ["Local:     http://[::1]:4100", "Network:   (no LAN address detected)"]),
    ],
)
def test_where_it_is(host: str, lan: str | None, lines: list[str]) -> None:
    shown = [line.removeprefix("  ➜  ") for line in banner(host, lan=lan).splitlines()]
    assert shown[3:-3] == lines


def test_colour_is_asked_for() -> None:
    assert "\x1b" not in banner("127.0.0.1")
    coloured = banner("127.0.0.1", color=True)
    assert "\x1b[32mRing\x1b[0m" in coloured
    assert coloured.count("\x1b[32m➜\x1b[0m") == 3


def test_the_lan_address_is_none_or_not_loopback() -> None:
    address = lan_address()
    assert address is None or not address.startswith(("127.", "0."))
