"""What containerd and runc would act on, no manifest says."""

from __future__ import annotations

import pytest

from ring.core.model.failures import FailureClass
from ring.runtimes.base import RuntimeFailure
from ring.runtimes.containerd import reserved


def test_labels_that_containerd_acts_on_are_refused_by_name() -> None:
    with pytest.raises(RuntimeFailure) as caught:
        reserved.expect_none(
            {
                "team": "edge",
                "containerd.io/restart.status": "running",
                "containerd.io/restart.loguri": "binary:///bin/sh",
                "io.containerd.image.name": "x",
            }
        )
    assert caught.value.failure.kind is FailureClass.INSTANCE_REJECTED
    for name in ("containerd.io/restart.status", "restart.loguri", "io.containerd.image.name"):
        assert name in caught.value.message
    assert "team" not in caught.value.message


def test_others_are_the_authors() -> None:
    reserved.expect_none({"team": "edge", "io.example.containerd.io/x": "1"})


def test_annotations_are_the_labels_without_what_a_runtime_acts_on() -> None:
    written = {
        "ring.name": "web",
        "team": "edge",
        "org.systemd.property.ExecStop": "'x'",
        "run.oci.hooks.stdout": "/x",
        "containerd.io/x": "1",
    }
    assert reserved.without(written) == {"ring.name": "web", "team": "edge"}
