from __future__ import annotations

import pytest

from ring.core.model.failures import FailureClass
from ring.runtimes.base import Login
from ring.runtimes.images import references, refusals
from ring.runtimes.images.refusals import Cause

IMAGE = "reg.example/team/app:2"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("manifest for reg.example/team/app:2 not found", "image_not_found"),
        ("manifest unknown: manifest unknown", "image_not_found"),
        ("unexpected status code 404", "image_not_found"),
        ("pull access denied for app, repository does not exist", "denied"),
        ("unauthorized: authentication required", "denied"),
        ("Get https://reg.example/v2/: 403 Forbidden", "denied"),
        ("dial tcp 10.0.0.1:443: connect: connection refused", "unreachable"),
        ("dial tcp: lookup reg.example on 1.1.1.1:53: no such host", "unreachable"),
        ("net/http: TLS handshake timeout", "unreachable"),
        ("read: connection reset by peer", "unreachable"),
        ("connect: network is unreachable", "unreachable"),
        ("lookup reg.example: server misbehaving", "unreachable"),
        ("x509: certificate signed by unknown authority", "unreachable"),
        ("toomanyrequests: you have reached your pull rate limit", "limited"),
        ("received unexpected HTTP status: 429 Too Many Requests", "limited"),
        ("read tcp 10.0.0.2:4711->10.0.0.1:443: i/o timeout", "unreachable"),
        ("remote error: tls: handshake failure", "unreachable"),
        ("toomanyrequests: denied, 404 or unauthorized: timeout", "limited"),
        ("unexpected EOF", "broken"),
        ("write: broken pipe", "broken"),
        ("the moon is full", "other"),
    ],
)
def test_pull_texts(text: str, kind: str) -> None:
    failure = refusals.of_pull(references.parse(IMAGE), text).failure
    prefix = f"Failed to pull image '{IMAGE}': "
    expected = {
        "image_not_found": f"Image '{IMAGE}' not found: {text}",
        "denied": (
            f"{prefix}registry authentication failed for '{IMAGE}': check config.server, "
            f"config.username and config.password (original error: {text})"
        ),
        "unreachable": (
            f"{prefix}cannot reach the registry for '{IMAGE}' (original error: {text})"
        ),
        "limited": f"{prefix}the registry allows no more for now (original error: {text})",
        "broken": f"{prefix}the registry broke it off (original error: {text})",
        "other": f"{prefix}{text}",
    }
    assert failure.message == expected[kind]
    missing = kind == "image_not_found"
    assert failure.kind is (
        FailureClass.IMAGE_NOT_FOUND if missing else FailureClass.IMAGE_PULL_FAILED
    )


@pytest.mark.parametrize(
    "image", ["127.0.0.1:404/x:404", "reg.example/forbidden/denied:404", "reg.example/x:not-found"]
)
def test_a_reference_is_no_cause(image: str) -> None:
    text = f"Get https://{image}: dial tcp 127.0.0.1:4040: connect: connection refused"
    failure = refusals.of_pull(references.parse(image), text).failure
    assert failure.kind is FailureClass.IMAGE_PULL_FAILED
    assert "cannot reach the registry" in failure.message


ANSWER = 'Get "https://{host}/v2/{path}/manifests/{tag}": {cause}'
REFUSED = "dial tcp 10.0.0.1:443: connect: connection refused"


@pytest.mark.parametrize(
    ("image", "text", "says"),
    [
        ("foo:t", "manifest for foo:t not found: manifest unknown", "Image 'foo:t'"),
        ("foo:n", "pull access denied for foo, repository does not exist", "authentication failed"),
        ("r/app:e", "denied: requested access to the resource is denied", "authentication failed"),
        ("not:found", "manifest for not:found not found", "Image 'not:found'"),
        ("denied", "pull access denied for denied, repository does not exist", "authentication"),
        ("x/unauthorized:d", "Error: unauthorized", "authentication failed"),
        ("x/y:404", "received unexpected status 500", "y:404': received"),
        (
            "x:404",
            ANSWER.format(host="docker.io", path="library/x", tag=404, cause=REFUSED),
            "reach",
        ),
        ("h:404/x:404", ANSWER.format(host="h:404", path="x", tag=404, cause=REFUSED), "reach"),
        (
            "h:404/forbidden:404",
            ANSWER.format(host="h:404", path="forbidden", tag=404, cause=REFUSED),
            "reach",
        ),
        ("r/app:1", "other/r/app:12: 404", "Image 'r/app:1'"),
    ],
)
def test_only_whole_references_are_taken_out(image: str, text: str, says: str) -> None:
    assert says in refusals.of_pull(references.parse(image), text).failure.message


def test_a_known_cause_is_not_guessed_from_the_text() -> None:
    reference = references.parse(IMAGE)
    login = Login("reg.example", "ada", "geheim", "image_pull_secret 'reg'")
    denied = refusals.told(reference, Cause.DENIED, "404 not found", login, retry_after_s=9.0)
    missing = refusals.told(reference, Cause.NOT_FOUND, "unauthorized", None)
    limited = refusals.told(reference, Cause.LIMITED, "slow down", None, retry_after_s=9.0)

    assert denied.failure.kind is FailureClass.IMAGE_PULL_FAILED
    assert "registry authentication failed" in denied.message
    assert "check image_pull_secret 'reg' (original error: 404 not found)" in denied.message
    assert denied.failure.retry_after_s == 0.0
    assert missing.failure.kind is FailureClass.IMAGE_NOT_FOUND
    assert limited.failure.retry_after_s == 9.0


def test_a_registry_that_is_too_slow_is_called_so() -> None:
    text = "reg.example: 3 bytes in 60 s"
    failure = refusals.told(references.parse(IMAGE), Cause.TOO_SLOW, text, None).failure
    assert failure.kind is FailureClass.IMAGE_PULL_FAILED
    assert failure.message == (
        f"Failed to pull image '{IMAGE}': the registry is too slow (original error: {text})"
    )
