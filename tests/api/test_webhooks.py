"""Webhooks over the API."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any

import pytest

from ring.store import webhooks

if TYPE_CHECKING:
    from tests.api.client import Reply
    from tests.api.world import World

URL = "http://172.17.0.1:9/x"


def make(world: World, **body: object) -> Reply:
    return world.call("POST", "/webhooks", body={"url": URL, **body})


def made(world: World, **body: object) -> dict[str, Any]:
    reply = make(world, **body)
    assert reply.status == 201, reply.body
    shape: dict[str, Any] = reply.json
    return shape


def deleted(world: World, namespace: str = "shop") -> str:
    """A deployment that came and went: one event."""
    deployment_id: str = world.apply(namespace=namespace).json["id"]
    world.call("DELETE", f"/deployments/{deployment_id}")
    return deployment_id


def test_a_webhook_is_made_with_a_secret_that_is_shown_once(world: World) -> None:
    reply = make(world)
    assert reply.status == 201
    assert list(reply.json) == [
        "id",
        "url",
        "events",
        "secret",
        "created_at",
        "message",
        "namespaces",
    ]
    assert re.fullmatch("whsec_[0-9a-f]{64}", reply.json["secret"])
    assert (reply.json["url"], reply.json["events"], reply.json["namespaces"]) == (URL, [], [])
    listed = world.call("GET", "/webhooks")
    assert reply.json["secret"] not in listed.body.decode()
    assert listed.json == [
        {
            "id": reply.json["id"],
            "url": URL,
            "events": [],
            "created_at": "2027-03-02T08:15:04.120934Z",
            "revoked_at": None,
            "namespaces": [],
        }
    ]
    assert made(world)["secret"] != reply.json["secret"]


def test_a_secret_of_ones_own_is_found_nowhere_but_in_the_answer(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    canary = "canary-5f1c"
    with caplog.at_level(logging.DEBUG):
        hook = made(world, secret=canary)
        assert hook["secret"] == canary
        deleted(world)
        for path in ("/webhooks", f"/webhooks/{hook['id']}/events"):
            assert canary not in world.call("GET", path).body.decode()
        world.call("DELETE", f"/webhooks/{hook['id']}")
        assert canary not in make(world, url="ftp://x", secret=canary).body.decode()
        assert canary not in make(world, secret=[canary]).body.decode()
    assert canary not in caplog.text
    dump = "\n".join(world.store._database._writer.iterdump())
    assert canary not in dump
    assert canary.encode().hex() not in dump.lower()


def test_they_are_listed_newest_first_with_the_revoked_ones(world: World) -> None:
    first, second = made(world), made(world)
    assert world.call("DELETE", f"/webhooks/{first['id']}").status == 204
    listed = world.call("GET", "/webhooks").json
    assert [one["id"] for one in listed] == [second["id"], first["id"]]
    assert listed[0]["revoked_at"] is None
    assert listed[1]["revoked_at"] == "2027-03-02T08:15:04.120934Z"


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/x",
        "http://LOCALHOST/x",
        "http://2130706433/x",
        "http://[::1]/x",
        "http://169.254.169.254/",
        "ftp://h/x",
        "http://a.localhost./x",
        "http://[::ffff:127.0.0.1]/",
        "h/x",
        "",
    ],
)
def test_where_nothing_may_be_sent_is_refused(world: World, url: str) -> None:
    reply = make(world, url=url)
    assert reply.status == 422
    assert reply.codes == ["webhook.url.format"]
    assert reply.json["violations"][0]["property_path"] == "url"
    assert world.call("GET", "/webhooks").json == []


@pytest.mark.parametrize("url", [URL, "https://hook.example/x", "http://[fc00::1]/"])
def test_private_and_public_destinations_are_taken(world: World, url: str) -> None:
    assert made(world, url=url)["url"] == url
    assert made(world, url=url)["url"] == url


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ("deployment*", "use '*' for all events or 'deployment.*'"),
        ("deployement.*", "the known ones are deployment"),
        ("deployment.nope", "deployment.status_changed"),
    ],
)
def test_unknown_events_are_refused(world: World, event: str, said: str) -> None:
    reply = make(world, events=["*", event])
    assert reply.status == 422
    assert reply.codes == ["webhook.events.unknown"]
    assert reply.json["violations"][0]["property_path"] == "events"
    assert said in reply.json["detail"]


@pytest.mark.parametrize("event", ["*", "deployment.*", "deployment.error"])
def test_known_events_are_taken(world: World, event: str) -> None:
    assert made(world, events=[event])["events"] == [event]


def test_all_violations_come_together_in_the_order_of_the_fields(world: World) -> None:
    reply = make(world, url="x", events=["a", "*", "b"], secret="", namespaces=["A", "ok", "-"])
    assert reply.status == 422
    assert reply.codes == [
        "webhook.url.format",
        "webhook.events.unknown",
        "webhook.events.unknown",
        "webhook.secret.length",
        "webhook.namespaces.format",
        "webhook.namespaces.format",
    ]
    assert reply.json["title"] == "Validation failed"


@pytest.mark.parametrize(("length", "status"), [(1, 201), (1024, 201), (1025, 422)])
def test_the_length_of_a_secret_counts_characters(world: World, length: int, status: int) -> None:
    assert make(world, secret="é" * length).status == status


@pytest.mark.parametrize(
    ("body", "codes"),
    [
        ({}, ["request.field.missing"]),
        ({"url": 5, "events": "x"}, ["request.field.type", "request.field.type"]),
        ({"url": URL, "events": None}, ["request.field.type"]),
        ({"url": URL, "secret": 5}, ["request.field.type"]),
        ({"url": URL, "namespaces": [5]}, ["request.field.type"]),
    ],
)
def test_shapes_are_checked_first(world: World, body: object, codes: list[str]) -> None:
    reply = world.call("POST", "/webhooks", body=body)
    assert (reply.status, reply.codes) == (422, codes)


def test_a_list_of_many_namespaces_is_bounded(world: World) -> None:
    names = [f"n{number}" for number in range(1001)]
    assert make(world, namespaces=names[:1000]).status == 201
    assert make(world, namespaces=names).codes == ["webhook.namespaces.format"]
    bad = [f"N{number}" for number in range(4_000)]
    assert len(make(world, namespaces=bad).codes) == 1000


def test_the_number_of_webhooks_is_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "MOST_ACTIVE", 3)
    first, *_ = [made(world) for _ in range(3)]
    refused = make(world)
    assert refused.status == 409
    assert refused.json["detail"] == "there are 3 webhooks already: delete one first"
    assert len(world.call("GET", "/webhooks").json) == 3
    assert world.call("DELETE", f"/webhooks/{first['id']}").status == 204
    assert make(world).status == 201


def test_deleting_is_idempotent_and_leaves_the_history(world: World) -> None:
    hook = made(world)
    deleted(world)
    (due,) = world.store.webhooks.due(hook["id"], world.clock.wall(), 50)
    world.run(world.store.webhooks.settle(hook["id"], due, None))
    for _ in range(2):
        reply = world.call("DELETE", f"/webhooks/{hook['id']}")
        assert (reply.status, reply.body) == (204, b"")
    deleted(world)
    listed = world.call("GET", f"/webhooks/{hook['id']}/events")
    assert listed.status == 200
    assert [one["status"] for one in listed.json] == ["delivered"]


@pytest.mark.parametrize(("method", "path"), [("DELETE", "nope"), ("GET", "nope/events")])
def test_an_unknown_one_is_404(world: World, method: str, path: str) -> None:
    reply = world.call(method, f"/webhooks/{path}")
    assert (reply.status, reply.json["detail"]) == (404, "webhook not found")


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_there_is_no_reading_by_id_and_no_writing(world: World, method: str) -> None:
    assert world.call(method, f"/webhooks/{made(world)['id']}", body={}).status == 405


def test_the_history_shows_the_delivery_to_this_hook(world: World) -> None:
    hook, other = made(world), made(world)
    deployment_id = deleted(world)
    (due,) = world.store.webhooks.due(hook["id"], world.clock.wall(), 50)
    world.run(world.store.webhooks.settle(hook["id"], due, "subscriber returned 500"))
    reply = world.call("GET", f"/webhooks/{hook['id']}/events")
    (entry,) = reply.json
    body = (
        f'{{"schema_version":1,"deployment_id":"{deployment_id}","namespace":"shop","name":"web",'
        '"kind":"worker","old_status":"creating","new_status":"deleted","restart_count":0}'
    )
    assert entry == {
        "id": due.event_id,
        "kind": "deployment.status_changed",
        "payload": body,
        "status": "pending",
        "attempts": 1,
        "next_attempt_at": "2027-03-02T08:16:04.120934Z",
        "last_error": "subscriber returned 500",
        "created_at": "2027-03-02T08:15:04.120934Z",
        "updated_at": "2027-03-02T08:15:04.120934Z",
    }
    assert list(entry)[:3] == ["id", "kind", "payload"]
    (untouched,) = world.call("GET", f"/webhooks/{other['id']}/events").json
    assert (untouched["attempts"], untouched["updated_at"]) == (0, None)
    assert untouched["last_error"] is None


def test_the_history_has_a_limit(world: World) -> None:
    hook = made(world)
    for _ in range(60):
        deleted(world)
    path = f"/webhooks/{hook['id']}/events"
    assert len(world.call("GET", path).json) == 50
    assert len(world.call("GET", f"{path}?limit=3").json) == 3
    assert len(world.call("GET", f"{path}?limit=9999").json) == 60
    assert world.call("GET", f"{path}?limit=0").json == []
    assert world.call("GET", f"{path}?limit=-1").status == 400


def test_what_is_told_of_another_namespace_is_not_in_it(world: World) -> None:
    hook = made(world, namespaces=["prod"])
    deleted(world, "shop")
    assert world.call("GET", f"/webhooks/{hook['id']}/events").json == []
    deleted(world, "prod")
    assert len(world.call("GET", f"/webhooks/{hook['id']}/events").json) == 1


def test_scopes(world: World) -> None:
    hook = made(world)
    reader = world.token(scopes=["webhooks:read"])
    writer = world.token(scopes=["webhooks:write"])
    calls = {
        ("GET", "/webhooks"): (200, 403),
        ("GET", f"/webhooks/{hook['id']}/events"): (200, 403),
        ("POST", "/webhooks"): (403, 201),
        ("DELETE", f"/webhooks/{hook['id']}"): (403, 204),
    }
    for (method, path), expected in calls.items():
        body = {"url": URL} if method == "POST" else None
        replies = [world.call(method, path, token=one, body=body) for one in (reader, writer)]
        assert tuple(reply.status for reply in replies) == expected, path


# the boundary
def test_a_bound_token_makes_hooks_of_its_own_namespaces(world: World) -> None:
    bound = world.token(scopes=["admin"], namespaces=["prod", "staging"])

    def post(**body: object) -> Reply:
        return world.call("POST", "/webhooks", token=bound, body={"url": URL, **body})

    assert post().json["namespaces"] == ["prod", "staging"]
    assert post(namespaces=[]).json["namespaces"] == ["prod", "staging"]
    assert post(namespaces=["prod"]).json["namespaces"] == ["prod"]
    refused = post(namespaces=["prod", "shop"])
    assert refused.status == 403
    assert refused.json["detail"] == "token is not scoped to namespace 'shop'"
    assert len(world.call("GET", "/webhooks").json) == 3


def test_a_bound_token_reaches_only_hooks_within_its_namespaces(world: World) -> None:
    bound = world.token(scopes=["admin"], namespaces=["prod", "staging"])
    everything = made(world)
    inside = made(world, namespaces=["prod"])
    partly = made(world, namespaces=["prod", "shop"])
    listed = world.call("GET", "/webhooks", token=bound).json
    assert [one["id"] for one in listed] == [inside["id"]]
    for hook, status in ((everything, 403), (partly, 403), (inside, 200)):
        path = f"/webhooks/{hook['id']}"
        assert world.call("GET", f"{path}/events", token=bound).status == status
    refused = world.call("DELETE", f"/webhooks/{partly['id']}", token=bound)
    assert refused.json["detail"] == "token is not scoped to namespace 'shop'"
    assert world.call("DELETE", f"/webhooks/{everything['id']}", token=bound).status == 403
    assert world.call("DELETE", "/webhooks/nope", token=bound).status == 404
    assert world.call("DELETE", f"/webhooks/{inside['id']}", token=bound).status == 204
    assert [one["revoked_at"] for one in world.call("GET", "/webhooks").json][::2] == [None, None]


def test_a_damaged_list_is_out_of_every_boundary(world: World) -> None:
    bound = world.token(scopes=["admin"], namespaces=["prod"])
    hook = made(world, namespaces=["prod"])
    world._write("UPDATE webhook SET namespaces = 'x'")
    assert world.call("GET", "/webhooks", token=bound).json == []
    assert world.call("GET", f"/webhooks/{hook['id']}/events", token=bound).status == 403
    assert world.call("GET", "/webhooks").json[0]["namespaces"] == []
