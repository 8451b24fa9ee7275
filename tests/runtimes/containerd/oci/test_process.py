from __future__ import annotations

import resource
from typing import TYPE_CHECKING

import pytest

from ring.core.model.failures import FailureClass
from ring.core.model.spec import Ulimit
from ring.runtimes.base import RuntimeFailure
from ring.runtimes.containerd.oci import capabilities, process
from tests.runtimes.containerd.orders import image, order

if TYPE_CHECKING:
    from collections.abc import Mapping

PATH = f"PATH={process.PATH}"


@pytest.mark.parametrize(
    ("entrypoint", "command", "ordered", "found"),
    [
        (("e", "-x"), ("c",), (), ["e", "-x", "c"]),
        (("e", "-x"), ("c",), ("o",), ["e", "-x", "o"]),
        ((), ("c", "d"), (), ["c", "d"]),
        ((), ("c",), ("o",), ["o"]),
        (("e",), (), (), ["e"]),
    ],
)
def test_what_is_run(
    entrypoint: tuple[str, ...],
    command: tuple[str, ...],
    ordered: tuple[str, ...],
    found: list[str],
) -> None:
    config = image(entrypoint=entrypoint, command=command)
    assert process.arguments(order({"command": ordered}), config) == found
    assert process.arguments(order({"command": ordered, "init": True}), config) == [
        "/.ring-init",
        "--",
        *found,
    ]


def test_nothing_to_run() -> None:
    with pytest.raises(RuntimeFailure, match=r"^image 'nginx:1' has no command") as caught:
        process.arguments(order(), image())
    assert caught.value.failure.kind is FailureClass.INSTANCE_REJECTED


@pytest.mark.parametrize(
    ("images", "orders", "found"),
    [
        ((), {}, [PATH, "HOSTNAME=web", "HOME=/root"]),
        (("PATH=/bin", "A=1"), {}, ["PATH=/bin", "HOSTNAME=web", "A=1", "HOME=/root"]),
        (("A=1", "B=2"), {"B": "3"}, [PATH, "HOSTNAME=web", "A=1", "B=3", "HOME=/root"]),
        (("HOME=/srv",), {"HOSTNAME": "x"}, [PATH, "HOSTNAME=x", "HOME=/srv"]),
        (
            ("A", "B=c=d", "=x"),
            {"PATH": ""},
            ["PATH=", "HOSTNAME=web", "A=", "B=c=d", "HOME=/root"],
        ),
    ],
)
def test_the_environment(
    images: tuple[str, ...], orders: Mapping[str, str], found: list[str]
) -> None:
    written = order(environment=orders)
    assert process.environment(written, image(environment=images), "/root") == found


@pytest.mark.parametrize(
    ("name", "hostname", "found"),
    [
        ("web", None, "web"),
        ("web", "web-1", "web-1"),
        ("w" * 62 + "-" + "x" * 9, None, "w" * 62),
    ],
)
def test_the_hostname(name: str, hostname: str | None, found: str) -> None:
    spec = order({"name": name, "hostname": hostname}).spec
    assert process.hostname(spec) == found


@pytest.mark.parametrize(
    ("written", "found"),
    [("", "/"), ("/srv/app/", "/srv/app"), ("app", "/app"), ("/a/../../b", "/b"), ("//x", "/x")],
)
def test_the_directory(written: str, found: str) -> None:
    assert process.directory(image(directory=written)) == found


def test_limits() -> None:
    assert process.rlimits({"nofile": Ulimit(soft=300, hard=400), "core": 0, "memlock": -1}) == [
        {"type": "RLIMIT_CORE", "soft": 0, "hard": 0},
        {"type": "RLIMIT_MEMLOCK", "soft": 2**64 - 1, "hard": 2**64 - 1},
        {"type": "RLIMIT_NOFILE", "soft": 300, "hard": 400},
    ]


@pytest.mark.parametrize(
    ("own", "can_raise", "soft", "hard"),
    [
        (20_000, False, 1024, 20_000),
        (20_000, True, 1024, 1_048_576),
        (resource.RLIM_INFINITY, False, 1024, 1_048_576),
        (2_000_000, False, 1024, 1_048_576),
        (512, False, 512, 512),
    ],
)
def test_the_usual_open_files(
    monkeypatch: pytest.MonkeyPatch, own: int, can_raise: bool, soft: int, hard: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (own, own))
    monkeypatch.setattr(capabilities, "can_raise_limits", lambda: can_raise)
    assert process.rlimits({}) == [{"type": "RLIMIT_NOFILE", "soft": soft, "hard": hard}]
