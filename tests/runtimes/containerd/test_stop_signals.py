"""The signal that asks an instance to end."""

from __future__ import annotations

import signal

import pytest

from ring.runtimes.containerd.stop_signals import number_of


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("", signal.SIGTERM),
        ("SIGQUIT", signal.SIGQUIT),
        ("quit", signal.SIGQUIT),
        ("3", signal.SIGQUIT),
        ("37", 37),
        ("SIGRTMIN", signal.SIGRTMIN),
        ("SIGRTMIN+3", signal.SIGRTMIN + 3),
        ("RTMAX-1", signal.SIGRTMAX - 1),
        ("RTMIN+99", signal.SIGTERM),
        ("0", signal.SIGTERM),
        ("65", signal.SIGTERM),
        ("nonsense", signal.SIGTERM),
        ("9" * 5000, signal.SIGTERM),
    ],
)
def test_it_is_read_as_images_and_manifests_write_it(written: str, number: int) -> None:
    assert number_of(written) == number
