"""`WWW-Authenticate`, as servers write it."""

from __future__ import annotations

import pytest

from ring.runtimes.distribution.challenges import Challenge, parsed

HUB = (
    'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",'
    'scope="repository:library/redis:pull,push"'
)
HUBS = {
    "realm": "https://auth.docker.io/token",
    "service": "registry.docker.io",
    "scope": "repository:library/redis:pull,push",
}


@pytest.mark.parametrize(
    ("header", "challenges"),
    [
        (HUB, [("bearer", HUBS)]),
        ('Basic realm="a, b"', [("basic", {"realm": "a, b"})]),
        (r'Basic realm="a \"b\" \\ c"', [("basic", {"realm": r'a "b" \ c'})]),
        ('BASIC REALM = "x" , CharSet=UTF-8', [("basic", {"realm": "x", "charset": "UTF-8"})]),
        (f'Basic realm="x", {HUB}', [("basic", {"realm": "x"}), ("bearer", HUBS)]),
        (f'{HUB}, Basic realm="x"', [("bearer", HUBS), ("basic", {"realm": "x"})]),
        (f"Basic, {HUB}", [("basic", {}), ("bearer", HUBS)]),
        ("Basic", [("basic", {})]),
        (f"Negotiate YWJjZA==, {HUB}", [("negotiate", {"ywjjza": "="}), ("bearer", HUBS)]),
        (f"Negotiate YW/+jZA, {HUB}", [("negotiate", {}), ("bearer", HUBS)]),
        (
            "Bearer realm=https://a.example/t,service=x",
            [("bearer", {"realm": "https://a.example/t", "service": "x"})],
        ),
        (',, Basic realm="x" ,, ', [("basic", {"realm": "x"})]),
        ('Bearer realm="first",realm="second"', [("bearer", {"realm": "first"})]),
        ('Bearer realm=""', [("bearer", {"realm": ""})]),
        ("", []),
        (" , ", []),
        ('"nothing of it', []),
        ('Bearer realm="never ends', [("bearer", {})]),
        ("\u2603", []),
    ],
)
def test_what_is_asked_for(header: str, challenges: list[tuple[str, dict[str, str]]]) -> None:
    assert parsed([header]) == tuple(Challenge(*one) for one in challenges)


def test_several_headers_are_one_list() -> None:
    found = parsed(['Basic realm="x"', HUB])
    assert [one.scheme for one in found] == ["basic", "bearer"]


@pytest.mark.parametrize("piece", ["a=", '"', '\\"', "Basic ", 'x="', ", ", "a=b,"])
def test_nothing_keeps_it_busy(piece: str) -> None:
    assert len(parsed(["Bearer " + piece * 8000])) < 16_001
