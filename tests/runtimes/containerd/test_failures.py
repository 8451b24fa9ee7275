from __future__ import annotations

import pytest

from ring.core.model.failures import FailureClass
from ring.runtimes.containerd import failures
from ring.runtimes.containerd.client import Refused


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (
            "failed to create shim task: OCI runtime create failed: runc create failed: unable to "
            'start container process: exec: "/nope": stat /nope: no such file or directory: '
            "unknown",
            FailureClass.INSTANCE_REJECTED,
        ),
        ("OCI runtime start failed: permission denied: unknown", FailureClass.INSTANCE_REJECTED),
        ("mkdir /run/x: no space left on device: unknown", FailureClass.FILE_SYSTEM),
        ("ttrpc: closed: unknown", FailureClass.OTHER),
        ("failed to start shim: exec: containerd-shim-x: not found", FailureClass.OTHER),
    ],
)
def test_only_what_the_oci_runtime_says_is_a_rejection(text: str, kind: FailureClass) -> None:
    told = failures.of_start("start instance a", Refused(text, "UNKNOWN")).failure
    assert told.kind is kind
    assert not told.message.startswith("failed to create shim")


@pytest.mark.parametrize(
    ("code", "kind"),
    [("INVALID_ARGUMENT", FailureClass.INSTANCE_REJECTED), ("UNKNOWN", FailureClass.OTHER)],
)
def test_what_containerd_does_not_take_for_a_container_is_a_rejection(
    code: str, kind: FailureClass
) -> None:
    told = failures.of_create("create instance a", Refused("label too long", code)).failure
    assert (told.kind, told.message) == (kind, "cannot create instance a: label too long")
