"""Which words are coloured, on a terminal and for who wants it, and where none ever is."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest

from ring.cli.main import run
from ring.cli.session import Session
from ring.cli.terminal import Terminal
from tests.cli.catalogue import CHECK, DELIVERY, DEPLOYMENT, EVENT, MADE, TOKEN, WEBHOOK
from tests.cli.stub import Answer, problem

if TYPE_CHECKING:
    from tests.cli.conftest import Ring
    from tests.cli.stub import Stub

GREEN, RED, YELLOW = "\x1b[32m", "\x1b[31m", "\x1b[33m"


class Screen(io.StringIO):
    """A terminal that keeps what it shows."""

    def isatty(self) -> bool:
        return True


def on_screens(ring: Ring, *words: str, no_colour: str = "") -> tuple[str, str]:
    """What two terminals show."""
    environ = {**ring.environ, "NO_COLOR": no_colour}
    out, err = Screen(), Screen()
    run(words, Session(environ, Terminal(out, environ), Terminal(err, environ)))
    return out.getvalue(), err.getvalue()


REVOKED = {**WEBHOOK, "revoked_at": MADE}
Case = tuple[tuple[str, ...], str, Any, str | None]
"""A command, what it asks, the answer, and what is coloured in it."""
CASES: list[Case] = [
    (("token",), "GET /tokens", [TOKEN], f"{GREEN}active"),
    (("token",), "GET /tokens", [{**TOKEN, "revoked_at": MADE}], f"{RED}revoked"),
    (("token",), "GET /tokens", [{**TOKEN, "expire_at": "x"}], f"{RED}expired"),
    (("webhook",), "GET /webhooks", [WEBHOOK], f"{GREEN}active"),
    (("webhook",), "GET /webhooks", [REVOKED], f"{RED}revoked"),
    *(
        (
            ("webhook", "inspect", "x"),
            "GET /webhooks/x/events",
            [{**DELIVERY, "status": status}],
            colour and colour + status,
        )
        for status, colour in (("delivered", GREEN), ("dead", RED), ("pending", None))
    ),
    *(
        (
            ("deployment", "health-checks", "x"),
            "GET /deployments/x/health-checks",
            [{**CHECK, "status": status}],
            colour and colour + status,
        )
        for status, colour in (
            ("success", GREEN),
            ("failed", RED),
            ("timeout", RED),
            ("odd", None),
        )
    ),
    *(
        (
            ("deployment",),
            "GET /deployments",
            [{**DEPLOYMENT, "status": status}],
            colour and colour + status,
        )
        for status, colour in (
            ("running", GREEN),
            ("completed", GREEN),
            ("pending", YELLOW),
            ("creating", YELLOW),
            ("deleted", YELLOW),
            ("failed", RED),
            ("error", RED),
            ("crash_loop_back_off", RED),
            ("image_pull_back_off", RED),
            ("create_container_error", RED),
            ("network_error", RED),
            ("config_error", RED),
            ("file_system_error", RED),
            ("insufficient_resources", RED),
            ("odd", None),
        )
    ),
]


@pytest.mark.parametrize("case", CASES)
def test_status_words(ring: Ring, stub: Stub, case: Case) -> None:
    words, route, body, shown = case
    stub.on(route, Answer(200, body))
    out, _ = on_screens(ring, *words)
    if shown is None:
        assert "\x1b" not in out
    else:
        assert shown in out
    assert "\x1b" not in on_screens(ring, *words, no_colour="1")[0]
    assert "\x1b" not in ring(*words).out
    assert "\x1b" not in on_screens(ring, *words, "-o", "json")[0]


def test_success_failure_and_warning(ring: Ring, stub: Stub) -> None:
    stub.on("DELETE /users/u1", Answer(204, None, {"X-Ring-Warnings": "careful"}))
    stub.on("DELETE /users/u2", problem(403, "Forbidden"))
    assert on_screens(ring, "user", "delete", "u1") == (
        f"{GREEN}User u1 deleted\x1b[0m\n",
        f"{YELLOW}Warning: careful\x1b[0m\n",
    )
    assert on_screens(ring, "user", "delete", "u2") == (
        "",
        f"{RED}error: not authorized to act on user 'u2'\x1b[0m\n",
    )


def test_what_is_captured_is_never_coloured(ring: Ring, stub: Stub) -> None:
    stub.on("POST /tokens", Answer(201, {**TOKEN, "token": "ring_pat_00"}))
    stub.on("POST /webhooks", Answer(201, WEBHOOK))
    assert on_screens(ring, "token", "create", "ci", "-s", "admin")[0] == "ring_pat_00\n"
    assert on_screens(ring, "webhook", "create", "https://example.org")[0] == "w1\n"


def test_following_a_pipe_shows_no_escape(ring: Ring, stub: Stub) -> None:
    def stop(_: float) -> None:
        raise KeyboardInterrupt

    ring.pause = stop
    stub.on("GET /deployments/x/events", Answer(200, [{**EVENT, "level": "error"}]))
    ended = ring("deployment", "events", "x", "--follow")
    assert ended.code == 130
    assert "\x1b" not in ended.out + ended.err
