"""What attackers send to the routes of accounts: every answer is a problem, none of them a 500, and
nothing is made of it or repeated from it."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from ring.api.calls import Caller
from ring.api.wire import LoginBody, UserBody, UserChangeBody
from ring.security import passwords
from ring.store.users import UserChange, UserDraft

if TYPE_CHECKING:
    from tests.api.world import World

ROUTES = [
    ("POST", "/users", {"username": "mira", "password": "correct horse"}),
    ("PUT", "/users/{me}", {"username": "mira"}),
    ("POST", "/tokens", {"name": "ci", "scopes": ["admin"]}),
    ("POST", "/auth/stream-ticket", {"scope": "deployment:logs:x"}),
    ("POST", "/namespaces", {"name": "shop"}),
    ("POST", "/login", {"username": "mira", "password": "correct horse"}),
]
IDS = [f"{method} {path}" for method, path, _ in ROUTES]
STRANGE = [
    "'; DROP TABLE user; --",
    '" OR ""="',
    "a\r\nX-Evil: 1",
    "a\x00b",
    "\x1b[2J",
    "../../etc/passwd",
    "{{7*7}}",
    "%s%n",
    "\u202eadmin",
    "\uff4dira",
    "mira\u0301",
    "\ufffe",
    "a" * 100_000,
]


def _target(world: World, path: str) -> str:
    me = world.call("GET", "/users/me").json["id"]
    return path.replace("{me}", me)


def _state(world: World) -> tuple[object, ...]:
    paths = ("/users", "/tokens", "/namespaces")
    return tuple(world.call("GET", path).body for path in paths)


@pytest.mark.parametrize(("method", "path"), [entry[:2] for entry in ROUTES], ids=IDS)
@pytest.mark.parametrize(
    ("sent", "statuses"),
    [
        (b"", {400}),
        (b"{", {400}),
        (b"null", {422}),
        (b"[]", {422}),
        (b'"text"', {422}),
        (b"1e999", {400, 422}),
        (b"NaN", {400, 422}),
        (b"9" * 5000, {400, 422}),
        (b"[" * 10_000, {400}),
        (b"[" * 10_000 + b"]" * 10_000, {400, 422}),
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, {400, 422}),
        (b'{"name":"\xff\xfe","username":"\xff"}', {400}),
        (b'{"name":"\\ud800","username":"\\ud800","scope":"\\ud800"}', {400}),
        (b"\xef\xbb\xbf{}", {400}),
        (b"x" * (10 * 1024 * 1024), {413}),
    ],
    ids=lambda value: repr(value)[:24] if isinstance(value, bytes) else "",
)
def test_bodies_that_are_none(
    world: World, method: str, path: str, sent: bytes, statuses: set[int]
) -> None:
    before = _state(world)
    reply = world.call(method, _target(world, path), body=sent)
    if path.startswith("/users/") and sent.startswith(b'{"a"'):
        statuses = statuses | {
            200
        }  # an unknown member is ignored, however deep, and changes nothing
    assert reply.status in statuses
    if reply.status != 200:
        assert reply.headers["content-type"] == "application/problem+json"
    assert _state(world) == before


@pytest.mark.parametrize(("method", "path", "body"), ROUTES, ids=IDS)
@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_only_json_is_read(world: World, method: str, path: str, body: object, kind: str) -> None:
    reply = world.call(method, _target(world, path), body=body, headers={"Content-Type": kind})
    assert reply.status == 415


@pytest.mark.parametrize(("method", "path", "body"), ROUTES, ids=IDS)
@pytest.mark.parametrize("text", STRANGE, ids=lambda text: repr(text)[:16])
def test_strange_texts_in_every_field(
    world: World, method: str, path: str, body: dict[str, object], text: str
) -> None:
    target = _target(world, path)
    for field in body:
        value: object = [text] if isinstance(body[field], list) else text
        reply = world.call(method, target, body={**body, field: value})
        harmless = field == "password" or (field == "scope" and len(text) <= 512)
        expected = {201, 200, 401, 409, 422, 413} if harmless else {401, 413, 422, 400}
        assert reply.status in expected
        if len(text) < 100 and field == "password":
            assert json.dumps(text, ensure_ascii=False)[1:-1] not in reply.body.decode()
        assert all("\r" not in each and "\n" not in each for each in reply.headers.values())
    names = {each["username"] for each in world.call("GET", "/users").json}
    assert names <= {"admin", "mira"}


def test_of_repeated_keys_the_last_one_counts_everywhere(world: World) -> None:
    """The one that is checked is the one that is used."""
    sent = b'{"username":"@","username":"mira","password":"x","password":"correct horse"}'
    assert world.call("POST", "/users", body=sent).json["username"] == "mira"
    sent = b'{"name":"ci","scopes":["deployments:read"],"scopes":["root"]}'
    assert world.call("POST", "/tokens", body=sent).codes == ["token.scopes.unknown"]


@pytest.mark.parametrize("identity", [*STRANGE[:-1], "me%00", "..", "%2e%2e", "*", "%"])
def test_strange_ids_are_unknown_ones(world: World, identity: str) -> None:
    quoted = quote(identity, safe="")
    for method, path in [("GET", "/users/"), ("DELETE", "/users/"), ("GET", "/tokens/")]:
        assert world.call(method, path + quoted).status == 404
    assert world.call("GET", f"/namespaces/{quoted}/audit").status in {200, 404}


def test_no_password_or_key_is_in_a_representation(world: World) -> None:
    secret = "correct horse"
    shown = [
        LoginBody(username="a", password=secret),
        UserBody(username="a", password=secret),
        UserChangeBody(password=secret),
        UserDraft("a", secret),
        UserChange(password=secret),
    ]
    assert all(secret not in repr(each) and secret not in str(each) for each in shown)
    user = world.store.user_named("admin")
    assert user is not None
    assert user.password not in repr(user)
    token = next(
        world.store.token(row["token_hash"])
        for row in world.store._database._writer.execute("SELECT token_hash FROM token")
    )
    assert token is not None
    assert user.password not in repr(Caller(token, "k" * 64))
    assert "k" * 64 not in repr(Caller(token, "k" * 64))


def test_no_password_or_token_is_logged(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    world.user("mira", "viewer")
    token = world.call("POST", "/tokens", body={"name": "ci", "scopes": ["admin"]}).json["token"]
    for username in ("mira", "nobody"):
        body = {"username": username, "password": "hunter2-hunter2"}
        world.call("POST", "/login", token=None, body=body)
    world.set_user("mira", "password", "damaged-hunter3")
    body = {"username": "mira", "password": "hunter2-hunter2"}
    assert world.call("POST", "/login", token=None, body=body).status == 500
    world._write("DROP TABLE audit_log")
    world._write("ALTER TABLE user RENAME TO people")
    body = {"username": "otto", "password": "hunter2-hunter2"}
    assert world.call("POST", "/users", token=token, body=body).status == 500
    assert caplog.records
    for secret in ("hunter2", "hunter3", token, token[15:]):
        assert secret not in caplog.text


def test_a_hash_is_computed_for_users_that_do_not_exist(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What differs in time tells who exists; so the same work is done, and asserted as such."""
    done: list[tuple[str, str]] = []
    real = passwords.matches

    def noted(encoded: str, password: str) -> bool:
        done.append((encoded, password))
        return real(encoded, password)

    monkeypatch.setattr(passwords, "matches", noted)
    world.user("gone", "viewer", status="disabled")
    for username in ("admin", "nobody", "gone", ""):
        body = {"username": username, "password": "wrong"}
        assert world.call("POST", "/login", token=None, body=body).status == 401
    assert [password for _, password in done] == ["wrong"] * 4
    assert {encoded.split("$")[3] for encoded, _ in done} == {"m=65536,t=2,p=4"}
    failed = world.call("GET", "/audit?action=login_failed").json
    assert len(failed) == 4  # the same is written for each, too


@pytest.mark.parametrize(
    ("path", "members"),
    [
        ("/webhooks", {"url": "http://10.1.1.1/", "events": [1] * 5000}),
        ("/webhooks", {"url": "http://10.1.1.1/", "namespaces": [1] * 5000}),
        ("/tokens", {"name": "ci", "scopes": [1] * 5000, "namespaces": [1] * 5000}),
        (
            "/volumes",
            {"namespace": "shop", "name": "v1", "labels": {str(key): 1 for key in range(5000)}},
        ),
    ],
)
def test_an_answer_does_not_repeat_every_wrong_entry(
    world: World, path: str, members: dict[str, object]
) -> None:
    reply = world.call("POST", path, body=members)
    assert (reply.status, set(reply.codes)) == (422, {"request.field.type"})
    assert len(reply.codes) <= 2, "one for each field"
