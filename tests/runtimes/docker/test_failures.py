from __future__ import annotations

import json

import pytest

from ring.core.model.failures import FailureClass
from ring.runtimes.base import Gone, NameTaken, RuntimeFailure, Unavailable
from ring.runtimes.docker import failures
from ring.runtimes.docker.connection import Answer


def said(message: str, status: int = 500) -> Answer:
    return Answer(status, json.dumps({"message": message}).encode())


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
