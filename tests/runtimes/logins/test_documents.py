"""Which login of a Docker config.json is an image's."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from ring.runtimes.logins.documents import Unusable, own_login, parsed

SOURCE = "image_pull_secret 'hub'"
IMAGE = "reg.example:5000/team/app:1"


def encoded(text: str) -> dict[str, str]:
    return {"auth": base64.b64encode(text.encode()).decode()}


def document(**auths: Any) -> str:
    return json.dumps({"auths": auths})


def told(image: str, text: str) -> tuple[str, str, str, str]:
    login = own_login(image, text, SOURCE)
    assert login.source == SOURCE
    return login.server, login.username, login.password, login.identity_token


@pytest.mark.parametrize(
    "entry",
    [
        encoded("mira:p:w"),
        {"username": "mira", "password": "p:w"},
        encoded("mira:p:w\0\0"),
        {**encoded("mira:p:w"), "username": "x", "password": "y", "email": "z"},
    ],
    ids=["auth", "fields", "filled", "both"],
)
def test_the_forms_of_an_entry(entry: dict[str, str]) -> None:
    text = json.dumps({"auths": {"reg.example:5000": entry}})
    assert told(IMAGE, text) == ("reg.example:5000", "mira", "p:w", "")


def test_an_identity_token_stands_for_both() -> None:
    text = json.dumps({"auths": {"reg.example:5000": {"identitytoken": "tok", **encoded("<t>:")}}})
    assert told(IMAGE, text) == ("reg.example:5000", "", "", "tok")


@pytest.mark.parametrize(
    ("image", "key"),
    [
        *(
            (IMAGE, f"{scheme}reg.example:5000{path}")
            for scheme, path in (
                ("", ""), ("https://", ""), ("https://", "/"), ("https://", "/v1/"),
                ("https://", "/v2/"), ("", "/team"), ("", "/team/app"),
            )
        ),
        *(
            ("redis", key)
            for key in (
                "https://index.docker.io/v1/", "docker.io", "index.docker.io",
                "registry-1.docker.io", "docker.io/library/redis",
            )
        ),
    ],
)  # fmt: skip
def test_the_keys_of_a_registry(image: str, key: str) -> None:
    text = json.dumps({"auths": {"other.example": encoded("no:no"), key: encoded("a:b")}})
    assert told(image, text)[1:3] == ("a", "b")


def test_a_repositorys_own_login_goes_first() -> None:
    text = json.dumps(
        {
            "auths": {
                "reg.example:5000": encoded("wide:w"),
                "reg.example:5000/team": encoded("team:t"),
                "reg.example:5000/team/other": encoded("other:o"),
            }
        }
    )
    assert told(IMAGE, text)[1] == "team"
    assert told("reg.example:5000/team/other", text)[1] == "other"
    assert told("reg.example:5000/app", text)[1] == "wide"


def test_an_entry_that_a_helper_keeps_the_login_of_is_passed_over() -> None:
    text = json.dumps(
        {
            "credsStore": "pass",
            "auths": {"reg.example:5000": {}, "https://reg.example:5000": encoded("a:b")},
        }
    )
    assert told(IMAGE, text)[1] == "a"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("canary, no json", "is not a Docker config.json"),
        ("[" * 100_000, "is not a Docker config.json"),
        ('["canary"]', "is not a Docker config.json"),
        ('{"auths": "canary"}', "is not a Docker config.json"),
        (document(other={"auth": "canary"}), "has no login for the registry 'reg.example:5000'"),
        (json.dumps({"auths": {"reg.example:5000": "canary"}}), "has no login"),
        (json.dumps({"auths": {"reg.example:5000": {"auth": "canary!"}}}), "not base64"),
        (json.dumps({"auths": {"reg.example:5000": encoded("canary")}}), "not base64"),
        (json.dumps({"credHelpers": {"reg.example:5000": "canary"}}), "is not a Docker config"),
    ],
)
def test_what_has_none_says_why_and_nothing_else(text: str, why: str) -> None:
    with pytest.raises(Unusable, match=why) as caught:
        own_login(IMAGE, text, SOURCE)
    assert "canary" not in str(caught.value)


# helpers


@pytest.mark.parametrize(
    ("image", "members", "helper"),
    [
        (IMAGE, {}, None),
        (IMAGE, {"credsStore": "all"}, "all"),
        (IMAGE, {"credsStore": "all", "credHelpers": {"reg.example:5000": "one"}}, "one"),
        (IMAGE, {"credsStore": "all", "credHelpers": {"other.example": "one"}}, "all"),
        (IMAGE, {"credHelpers": {"other.example": "one"}}, None),
        (IMAGE, {"credHelpers": {"https://reg.example:5000/v2/": "one"}}, "one"),
        (IMAGE, {"credsStore": "all", "credHelpers": {"reg.example:5000": ""}}, None),
        (IMAGE, {"credsStore": "all", "credHelpers": {"reg.example:5000": 7}}, "all"),
        (IMAGE, {"credsStore": "", "credHelpers": None}, None),
        ("redis", {"credHelpers": {"docker.io": "hub"}}, "hub"),
        ("redis", {"credHelpers": {"https://index.docker.io/v1/": "hub"}}, "hub"),
    ],
)
def test_which_helper_keeps_a_login(image: str, members: dict[str, Any], helper: str) -> None:
    found = parsed(json.dumps(members)).helper(image)
    assert (found[0] if found else None) == helper


def test_what_a_helper_is_asked_for() -> None:
    def keys(image: str, key: str) -> tuple[str, ...]:
        found = parsed(json.dumps({"credHelpers": {key: "x"}})).helper(image)
        assert found is not None
        return found[1]

    assert keys("redis", "docker.io")[:2] == ("https://index.docker.io/v1/", "docker.io")
    bare, secure = keys(IMAGE, "reg.example:5000")[:2]
    assert (bare, secure) == ("reg.example:5000", "https://reg.example:5000")
    assert keys(IMAGE, "reg.example:5000/team")[:2] == ("reg.example:5000/team", bare)


def test_a_secret_does_not_name_programs_of_the_host() -> None:
    text = json.dumps({"auths": {}, "credsStore": "x", "credHelpers": {"reg.example:5000": "x"}})
    with pytest.raises(Unusable, match="has no login for the registry"):
        own_login(IMAGE, text, SOURCE)


@pytest.mark.parametrize(
    "text",
    ['{"credHelpers": ["canary"]}', '{"credsStore": {"canary": 1}}', '{"auths": ["canary"]}'],
)
def test_a_document_of_the_wrong_shape(text: str) -> None:
    with pytest.raises(Unusable, match=r"is not a Docker config\.json") as caught:
        parsed(text)
    assert "canary" not in str(caught.value)
