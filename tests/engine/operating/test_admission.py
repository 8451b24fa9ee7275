"""Host memory: who is let in."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from ring.core.model.failures import FailureClass
from ring.engine.operating.admission import MIB, Admission, available_memory_bytes, required_bytes
from ring.runtimes.base import RuntimeFailure
from tests.engine.bench import spec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ring.core.model.spec import DeploymentSpec


def asks(memory: str) -> DeploymentSpec:
    return spec(resources={"requests": {"memory": memory}})


@contextmanager
def admitted(admission: Admission, wanted: DeploymentSpec) -> Iterator[None]:
    promise = admission.admit(wanted)
    try:
        yield
    finally:
        promise.release()
        promise.release()


@pytest.mark.parametrize(
    ("resources", "needed"),
    [
        (None, None),
        ({}, None),
        ({"limits": {"cpu": "1"}}, None),
        ({"requests": {"cpu": "1"}}, None),
        ({"limits": {"memory": "64Mi"}}, 64 * MIB),
        ({"limits": {"memory": "64Mi"}, "requests": {"cpu": "1"}}, 64 * MIB),
        ({"limits": {"memory": "64Mi"}, "requests": {"memory": "32Mi"}}, 32 * MIB),
    ],
)
def test_what_is_requested_counts_before_what_it_is_limited_to(
    resources: object, needed: int | None
) -> None:
    assert required_bytes(spec(resources=resources) if resources is not None else spec()) == needed


def test_as_much_as_there_is_is_let_in() -> None:
    with admitted(Admission(lambda: 64 * MIB), asks("64Mi")):
        pass


def test_more_than_there_is_is_refused_with_both_figures_and_a_way_out() -> None:
    with (
        pytest.raises(RuntimeFailure) as caught,
        admitted(Admission(lambda: 64 * MIB + MIB // 2), asks("68157441")),
    ):
        pass
    assert caught.value.failure.kind is FailureClass.INSUFFICIENT_RESOURCES
    assert caught.value.failure.message == (
        "insufficient host memory for 'web': needs 66 MiB but only 64 MiB is available; "
        "lower the requested memory or free memory on this host, then apply again"
    )


def test_what_was_promised_to_others_is_not_there() -> None:
    admission = Admission(lambda: 100 * MIB)
    with admitted(admission, asks("60Mi")), pytest.raises(RuntimeFailure) as caught:
        admission.admit(asks("60Mi"))
    assert "only 40 MiB is available" in caught.value.message
    with admitted(admission, asks("60Mi")):
        pass


def test_a_promise_is_taken_back_when_the_create_fails() -> None:
    admission = Admission(lambda: 100 * MIB)
    with pytest.raises(ZeroDivisionError), admitted(admission, asks("60Mi")):
        raise ZeroDivisionError
    with admitted(admission, asks("100Mi")):
        pass


def test_promises_beyond_what_is_left_by_now_leave_nothing() -> None:
    figures = iter([100 * MIB, 10 * MIB])
    admission = Admission(lambda: next(figures))
    with admitted(admission, asks("60Mi")), pytest.raises(RuntimeFailure) as caught:
        admission.admit(asks("1Mi"))
    assert "only 0 MiB is available" in caught.value.message


def test_who_asks_for_nothing_is_let_in_unseen() -> None:
    def broken() -> int:
        raise OSError("no such figure")

    with admitted(Admission(broken), spec()):
        pass


def test_the_kernel_says_what_is_available(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:  2000 kB\nMemFree:  100 kB\nMemAvailable:   1500 kB\n")
    assert available_memory_bytes(meminfo) == 1500 * 1024
    assert available_memory_bytes() > 0


def test_a_kernel_that_does_not_say_is_an_error(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:  2000 kB\n")
    with pytest.raises(OSError, match="no MemAvailable line"):
        available_memory_bytes(meminfo)
