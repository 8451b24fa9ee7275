from __future__ import annotations

import json
from hashlib import sha256

import pytest

from ring.core.model.failures import FailureClass
from ring.runtimes.base import RuntimeFailure
from ring.runtimes.containerd import image_config

A, B, C = (f"sha256:{letter * 64}" for letter in "abc")


def test_everything_that_instances_are_made_by_is_read() -> None:
    found = image_config.parse(
        json.dumps(
            {
                "architecture": "amd64",
                "config": {
                    "Entrypoint": ["/entry"],
                    "Cmd": ["serve", "--now"],
                    "Env": ["PATH=/bin", "A=b=c"],
                    "WorkingDir": "/srv",
                    "User": "web:www",
                    "StopSignal": "SIGQUIT",
                    "Volumes": {"/data": {}, "/more": {}},
                },
                "rootfs": {"type": "layers", "diff_ids": [A]},
            }
        ).encode()
    )
    assert found == image_config.ImageConfig(
        chain_id=A,
        diff_ids=(A,),
        entrypoint=("/entry",),
        command=("serve", "--now"),
        environment=("PATH=/bin", "A=b=c"),
        directory="/srv",
        user="web:www",
        stop_signal="SIGQUIT",
        volumes=("/data", "/more"),
    )


@pytest.mark.parametrize("config", [{}, {"config": None}, {"config": {"Env": None, "Cmd": None}}])
def test_what_is_not_said_is_empty(config: dict[str, object]) -> None:
    found = image_config.parse(json.dumps(config).encode())
    assert found == image_config.ImageConfig(chain_id="", diff_ids=())


def test_a_chain_id_is_made_of_all_layers_below() -> None:
    ab = f"sha256:{sha256(f'{A} {B}'.encode()).hexdigest()}"
    abc = f"sha256:{sha256(f'{ab} {C}'.encode()).hexdigest()}"
    assert image_config.chain((A, B, C)) == (A, ab, abc)
    blob = json.dumps({"rootfs": {"diff_ids": [A, B, C]}}).encode()
    assert image_config.parse(blob).chain_id == abc


@pytest.mark.parametrize(
    "blob",
    [
        b"",
        b"{",
        b"\xff",
        b"[]",
        b"null",
        b"[" * 100_000,
        b'{"config": []}',
        b'{"config": {"Env": "A=b"}}',
        b'{"config": {"Cmd": ["a", 1]}}',
        b'{"config": {"User": 7}}',
        b'{"config": {"Volumes": ["/data"]}}',
        b'{"rootfs": {"diff_ids": ["sha256:abc"]}}',
        b'{"rootfs": {"diff_ids": "sha256:abc"}}',
        json.dumps({"rootfs": {"diff_ids": [A] * 1001}}).encode(),
    ],
)
def test_garbage_is_refused_with_one_message(blob: bytes) -> None:
    with pytest.raises(RuntimeFailure, match="configuration cannot be read") as raised:
        image_config.parse(blob)
    assert raised.value.failure.kind is FailureClass.IMAGE_PULL_FAILED


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ({"Volumes": {f"/{number}": {} for number in range(257)}}, "257 volumes, and 256 are"),
        ({"Env": ["A=b"] * 10_001}, "more than 10000 entries"),
        ({"Cmd": ["x" * 1024] * 1025}, "more than 1048576 characters"),
    ],
)
def test_what_would_be_too_much_is_refused(config: dict[str, object], why: str) -> None:
    with pytest.raises(RuntimeFailure, match=why):
        image_config.parse(json.dumps({"config": config}).encode())
