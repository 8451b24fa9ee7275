from __future__ import annotations

import json

import pytest

from ring.core.model.failures import FailureClass
from ring.runtimes.base import Gone, NameTaken, RuntimeFailure, Unavailable
from ring.runtimes.docker import failures, references
from ring.runtimes.docker.connection import Answer

IMAGE = "reg.example/team/app:2"


def said(message: str, status: int = 500) -> Answer:
    return Answer(status, json.dumps({"message": message}).encode())


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
    failure = failures.of_pull(references.parse(IMAGE), text).failure
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
    failure = failures.of_pull(references.parse(image), text).failure
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
    assert says in failures.of_pull(references.parse(image), text).failure.message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "driver failed programming external connectivity on endpoint a (b): "
            "Bind for 0.0.0.0:8080 failed: port is already allocated",
            "port 8080 is already allocated",
        ),
        (
            "Error starting userland proxy: listen tcp4 0.0.0.0:9090: bind: address already in use",
            "port 9090 is already allocated",
        ),
        (
            "listen udp6 [::]:53: bind: address already in use",
            "port 53 is already allocated",
        ),
        ("some address already in use", "a published port is already allocated"),
    ],
)
def test_busy_ports_are_named(text: str, message: str) -> None:
    error = failures.of_start(said(text))
    assert isinstance(error, RuntimeFailure)
    assert error.failure.kind is FailureClass.PORT_IN_USE
    assert error.message == message


@pytest.mark.parametrize(
    ("text", "status", "kind"),
    [
        ('exec: "/nope": stat /nope: no such file or directory', 400, "instance_rejected"),
        ("executable file not found in $PATH", 404, "instance_rejected"),
        ("network ring_shop not found", 404, "network_failed"),
        ("write /var/lib/docker/x: no space left on device", 500, "file_system"),
    ],
)
def test_start_refusals(text: str, status: int, kind: str) -> None:
    error = failures.of_start(said(text, status))
    assert isinstance(error, RuntimeFailure)
    assert error.failure.kind == kind
    assert error.message == text


def test_start_of_nothing_is_gone() -> None:
    assert isinstance(failures.of_start(said("No such container: abc", 404)), Gone)


def test_create_refusals() -> None:
    taken = said('Conflict. The container name "/a" is already in use by container "b".', 409)
    absent = said("No such image: nginx:1", 404)
    network = said("network ring_shop not found", 404)
    mount = said('invalid mount config for type "bind": bind source path does not exist: /x', 400)

    assert isinstance(failures.of_create(taken, "nginx:1", "a"), NameTaken)
    kinds = []
    for refusal in (absent, network, mount):
        error = failures.of_create(refusal, "nginx:1", "a")
        assert isinstance(error, RuntimeFailure)
        kinds.append(error.failure.kind)
    assert kinds == [
        FailureClass.IMAGE_NOT_FOUND,
        FailureClass.NETWORK_FAILED,
        FailureClass.INSTANCE_REJECTED,
    ]


def test_an_engine_on_its_way_down_is_unavailable() -> None:
    for error in (
        failures.of_start(said("shutting down", 503)),
        failures.of_create(said("shutting down", 503), "nginx:1", "a"),
        failures.refused("stop instance a", said("shutting down", 503)),
    ):
        assert isinstance(error, Unavailable)


def test_missing_network() -> None:
    assert failures.missing_network(said("network ring_shop not found", 404)) == "ring_shop"
    assert failures.missing_network(said("No such container: a", 404)) is None
    assert failures.missing_network(said("network ring_shop not found", 500)) is None
    podmans = "unable to find network with name or ID ring_shop: network not found"
    assert failures.missing_network(said(podmans, 500)) == "ring_shop"
