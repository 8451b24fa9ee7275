"""How far a pull has come, from the engine's own lines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ring.runtimes.base import PullProgress
from ring.runtimes.docker.layers import Layers

if TYPE_CHECKING:
    from ring.runtimes.docker.payload import Payload


def line(status: str, name: str = "a", current: object = None, total: object = None) -> Payload:
    detail = {} if total is None else {"current": current, "total": total}
    return {"status": status, "id": name, "progressDetail": detail}


PULL = [
    ({"status": "Pulling from team/app", "id": "1"}, (0, 0, 0, 0)),
    (line("Pulling fs layer", "a"), (1, 0, 0, 0)),
    (line("Pulling fs layer", "b"), (2, 0, 0, 0)),
    (line("Already exists", "c"), (3, 1, 0, 0)),
    (line("Waiting", "b"), (3, 1, 0, 0)),
    (line("Downloading", "a", 100, 1000), (3, 1, 1000, 100)),
    (line("Downloading", "b", 50, 500), (3, 1, 1500, 150)),
    (line("Download complete", "a"), (3, 1, 1500, 1050)),
    (line("Extracting", "a", 10, 1000), (3, 1, 1500, 1050)),
    (line("Pull complete", "a"), (3, 2, 1500, 1050)),
    (line("Verifying Checksum", "b"), (3, 2, 1500, 1500)),
    (line("Pull complete", "b"), (3, 3, 1500, 1500)),
    ({"status": "Digest: sha256:1"}, (3, 3, 1500, 1500)),
    ({"status": "Status: Downloaded newer image for team/app:1"}, (3, 3, 1500, 1500)),
]


def test_a_pull() -> None:
    layers = Layers()
    assert layers.progress() == PullProgress()
    for told, (count, done, size, downloaded) in PULL:
        layers.note(told)
        assert layers.progress() == PullProgress(count, done, size, downloaded), told
    assert layers.digest == "sha256:1"


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"status": None, "id": None},
        {"status": ["Downloading"], "id": {"a": 1}},
        {"status": "Downloading", "id": "a", "progressDetail": "much"},
        line("Downloading", "a", "x", "y"),
        line("Downloading", "a", True, True),
        line("Downloading", "a", 5, -1),
        line("Downloading", "other", 5, 10),
        line("Pull complete", "other"),
    ],
    ids=json.dumps,
)
def test_what_tells_nothing(told: Payload) -> None:
    layers = Layers()
    layers.note(line("Pulling fs layer"))
    layers.note(told)
    assert layers.progress() == PullProgress(layers=1)
    assert layers.digest is None


def test_no_more_layers_than_an_image_has() -> None:
    layers = Layers()
    for number in range(5000):
        layers.note(line("Pulling fs layer", f"{number}"))
    assert layers.progress().layers == 1000


@pytest.mark.parametrize(
    ("said", "has_changed"),
    [
        ("Status: Downloaded newer image for team/app:1", True),
        ("Status: Image is up to date for team/app:1", False),
        ("Already exists", True),  # a layer: it may be another image's
    ],
)
def test_whether_anything_was_not_here(said: str, *, has_changed: bool) -> None:
    layers = Layers()
    layers.note({"status": said})
    assert layers.has_changed_something is has_changed
