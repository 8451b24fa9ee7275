"""Volumes that a runtime made for one instance alone, until they are known to be gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ring.core.model.ids import InstanceId
from ring.store.anonymous_volumes import AnonymousVolume
from tests.store.builders import done

if TYPE_CHECKING:
    from ring.store.store import Store


def volume(name: str, runtime: str = "docker") -> AnonymousVolume:
    return AnonymousVolume(runtime, name, InstanceId("c1"))


def test_they_are_kept_until_they_are_dropped(store: Store) -> None:
    mine, other, elsewhere = volume("a"), volume("b"), volume("a", "podman")
    for _ in range(2):
        done(store.anonymous_volumes.keep([mine, other, elsewhere]))
    assert store.anonymous_volumes.all() == (mine, other, elsewhere)
    for _ in range(2):
        done(store.anonymous_volumes.drop([mine]))
    assert store.anonymous_volumes.all() == (other, elsewhere)
