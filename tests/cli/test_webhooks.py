"""`ring webhook`: made, listed, deleted, and what became of its events."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.catalogue import DELIVERY, MADE, NEW_WEBHOOK, WEBHOOK
from tests.cli.stub import Answer, problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.conftest import Ring
    from tests.cli.stub import Request, Stub

URL = "https://example.org/hook"
PLACE = "GET /webhooks/w1/events"


class TestCreate:
    @pytest.fixture(autouse=True)
    def making(self, stub: Stub) -> None:
        stub.on("POST /webhooks", Answer(201, NEW_WEBHOOK))

    def test_only_the_id_is_a_result(self, ring: Ring, stub: Stub) -> None:
        ended = ring.process("webhook", "create", URL, "--event", "deployment.*")
        assert (ended.code, ended.out) == (0, "w1\n")
        assert ended.err == (
            f"  URL    : {URL}\n  Events : deployment.*\n  Secret : whsec_00ff\n"
            "This is the only time the secret is shown: keep it somewhere safe.\n"
        )
        assert stub.requests[0].json == {"url": URL, "events": ["deployment.*"]}

    def test_a_given_secret_is_not_echoed(self, ring: Ring, stub: Stub) -> None:
        stub.on("POST /webhooks", Answer(201, {**NEW_WEBHOOK, "events": [], "secret": "mine"}))
        ended = ring("webhook", "create", URL, "-s", "mine")
        assert (ended.code, ended.out) == (0, "w1\n")
        assert ended.err == f"  URL    : {URL}\n  Events : all\n"
        assert stub.requests[0].json == {"url": URL, "events": [], "secret": "mine"}

    def test_it_may_be_told_of_some_namespaces_alone(self, ring: Ring, stub: Stub) -> None:
        assert ring("webhook", "create", URL, "-n", "shop", "--namespace", "media").code == 0
        sent = {"url": URL, "events": [], "namespaces": ["shop", "media"]}
        assert stub.requests[0].json == sent

    def test_refused(self, ring: Ring, stub: Stub) -> None:
        violation = ("events", "write * or deployment.* for 'deployment*'")
        stub.on("POST /webhooks", problem(422, "Validation failed", "", violation))
        ended = ring("webhook", "create", URL, "-e", "deployment*")
        assert (ended.code, ended.out) == (1, "")
        assert ended.err == (
            f"Failed to create webhook for '{URL}': Validation failed (422)\n"
            "  * events: write * or deployment.* for 'deployment*'\n"
        )

    def test_an_answer_without_an_id(self, ring: Ring, stub: Stub) -> None:
        stub.on("POST /webhooks", Answer(201, {**NEW_WEBHOOK, "id": None}))
        ended = ring("webhook", "create", URL)
        assert (ended.code, ended.out) == (1, "")
        assert ended.err == "error: the server answered with an object that has no id\n"


def test_list(ring: Ring, stub: Stub) -> None:
    gone = {**WEBHOOK, "id": "w2", "events": [], "revoked_at": MADE}
    stub.on("GET /webhooks", Answer(200, [WEBHOOK, gone]))
    ended = ring("webhook")
    assert (ended.code, ended.err) == (0, "")
    lines = [line for line in ended.out.splitlines() if line.startswith("|")]
    assert [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines] == [
        ["Id", "URL", "Events", "Status", "Created (UTC)"],
        ["w1", URL, "deployment.*", "active", "2026-02-11 08:14:09"],
        ["w2", URL, "all", "revoked", "2026-02-11 08:14:09"],
    ]
    assert "active" not in lines[2]


def test_list_refused(ring: Ring, stub: Stub) -> None:
    stub.on("GET /webhooks", problem(500, "x", "disk full"))
    ended = ring("webhook", "list")
    assert ended.code == 1
    assert ended.err == "error: cannot list webhooks: request failed (500): disk full\n"


def test_delete(ring: Ring, stub: Stub) -> None:
    stub.on("DELETE /webhooks/w1", Answer(204))
    ended = ring("webhook", "delete", "w1")
    assert (ended.code, ended.out, ended.err) == (0, "Webhook 'w1' deleted\n", "")
    stub.on("DELETE /webhooks/w2", problem(404, "Not Found", "webhook not found"))
    ended = ring("webhook", "delete", "w2")
    assert ended.code == 4
    assert ended.err == "Failed to delete webhook 'w2': Not Found (404)\n  webhook not found\n"


def event(number: int, **changes: Any) -> dict[str, Any]:
    return {**DELIVERY, "id": f"d{number}", **changes}


def test_inspect(ring: Ring, stub: Stub) -> None:
    done = event(2, status="delivered", last_error=None, updated_at="2026-02-12T00:00:00Z")
    stub.on(PLACE, Answer(200, [done, DELIVERY]))
    ended = ring("webhook", "inspect", "w1")
    assert (ended.code, ended.err) == (0, "")
    lines = [line for line in ended.out.splitlines() if line.startswith("|")]
    assert [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines] == [
        ["Id", "Kind", "Status", "Attempts", "Updated (UTC)", "Last error"],
        ["d2", "deployment.scaled", "delivered", "1", "2026-02-12 00:00:00", ""],
        [
            *("d1", "deployment.scaled", "pending", "1", "2026-02-11 08:14:09"),
            "subscriber returned 500",
        ],
    ]


def test_inspect_of_none(ring: Ring) -> None:
    for flags in ((), ("-f",)):
        ended = ring("webhook", "inspect", "w1", *flags)
        assert (ended.code, ended.out) == (4, "")
        assert ended.err == "error: webhook 'w1' not found\n"


class TestFollow:
    @pytest.fixture
    def tell(self, ring: Ring, stub: Stub) -> Callable[..., None]:
        """What the server answers poll after poll; after the last comes Ctrl-C."""

        def begin(*answers: Answer) -> None:
            left = list(answers)

            def answer(request: Request) -> Answer:
                assert request.query == [("limit", "200")]
                return left[0]

            def pause(seconds: float) -> None:
                assert seconds == 2
                del left[0]
                if not left:
                    raise KeyboardInterrupt

            stub.on(PLACE, answer)
            ring.pause = pause

        return begin

    def shown(self, out: str) -> list[tuple[str, str, str]]:
        rows = [line.split("|") for line in out.splitlines() if line.startswith("| d")]
        return [(row[1].strip(), row[3].strip(), row[4].strip()) for row in rows]

    def test_each_state_is_shown_once(self, ring: Ring, tell: Callable[..., None]) -> None:
        tell(
            Answer(200, [event(2), event(1)]),
            Answer(200, [event(2), event(1)]),
            Answer(200, [event(3), event(2, attempts=2), event(1, status="delivered")]),
        )
        ended = ring("webhook", "inspect", "w1", "--follow")
        assert (ended.code, ended.err) == (130, "")
        assert self.shown(ended.out) == [
            ("d1", "pending", "1"),
            ("d2", "pending", "1"),
            ("d1", "delivered", "1"),
            ("d2", "pending", "2"),
            ("d3", "pending", "1"),
        ]
        assert "\x1b" not in ended.out

    def test_an_empty_beginning(self, ring: Ring, tell: Callable[..., None]) -> None:
        tell(Answer(200, []), Answer(200, [event(1)]))
        ended = ring("webhook", "inspect", "w1", "-f")
        assert ended.out.splitlines()[1].startswith("| Id")
        assert self.shown(ended.out) == [("d1", "pending", "1")]

    def test_it_begins_with_the_last_fifty(self, ring: Ring, tell: Callable[..., None]) -> None:
        page = [event(number) for number in range(60, 0, -1)]
        tell(Answer(200, page), Answer(200, page))
        shown = self.shown(ring("webhook", "inspect", "w1", "-f").out)
        assert [row[0] for row in shown] == [f"d{number}" for number in range(11, 61)]

    def test_json_lines(self, ring: Ring, tell: Callable[..., None]) -> None:
        tell(Answer(200, [event(1)]), Answer(200, [event(2), event(1)]))
        ended = ring("webhook", "inspect", "w1", "-f", "-o", "json")
        assert (ended.code, ended.err) == (130, "")
        assert [json.loads(line) for line in ended.out.splitlines()] == [event(1), event(2)]

    def test_an_outage_is_said_once_and_outlasted(
        self, ring: Ring, tell: Callable[..., None]
    ) -> None:
        down = problem(503, "Service Unavailable")
        tell(Answer(200, []), down, down, Answer(200, [event(1)]))
        ended = ring("webhook", "inspect", "w1", "-f")
        assert ended.err == "error: webhook 'w1': request failed (503)\n"
        assert self.shown(ended.out) == [("d1", "pending", "1")]

    def test_it_ends_when_there_is_no_such_webhook_any_more(
        self, ring: Ring, tell: Callable[..., None]
    ) -> None:
        tell(Answer(200, []), problem(404, "Not Found"))
        ended = ring("webhook", "inspect", "w1", "-f")
        assert (ended.code, ended.err) == (0, "error: webhook 'w1' not found\n")
