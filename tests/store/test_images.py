"""What this server has pulled."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from ring.core.model.stock import Origin, PulledImage
from tests.store.builders import START, WEB, ManualClock, accepted, audit, done, sql

if TYPE_CHECKING:
    from ring.store.store import Store

ID = "sha256:" + "1" * 64
DIGEST = "sha256:" + "2" * 64


def note(store: Store, reference: str = "app:1", origin: Origin = Origin.BROUGHT) -> None:
    done(store.images.note("docker", ID, reference, DIGEST, origin))


def used(store: Store) -> list[float]:
    return [(one.used_at - START).total_seconds() for one in store.images.pulled("docker")]


def test_a_pull_is_noted_once(store: Store, clock: ManualClock) -> None:
    note(store)
    expected = PulledImage("docker", ID, "app:1", DIGEST, START, START)
    assert store.images.pulled("docker") == (expected,)
    assert store.images.pulled("podman") == ()
    clock.advance(5)
    note(store)
    (again,) = store.images.pulled("docker")
    assert (again.pulled_at, again.used_at) == (START, START + timedelta(seconds=5))


def test_what_was_there_is_ours_only_where_it_was_before(store: Store) -> None:
    note(store, origin=Origin.PULLED)
    assert store.images.pulled("docker") == ()
    note(store)
    note(store, "app:stable", Origin.PULLED)
    assert [one.reference for one in store.images.pulled("docker")] == ["app:1", "app:stable"]


def test_its_use_is_noted_by_id_and_by_digest(store: Store, clock: ManualClock) -> None:
    note(store)
    clock.advance(1)
    done(store.images.used("docker", {ID}))
    assert used(store) == [1.0]
    for mark in (DIGEST, ID):
        clock.advance(1)
        done(store.images.was_used("docker", mark))
        assert used(store) == [clock.passed]
    clock.advance(1)
    done(store.images.used("podman", {ID}))
    done(store.images.was_used("docker", "sha256:" + "3" * 64))
    assert used(store) == [3.0]


def test_what_is_gone_is_forgotten(store: Store) -> None:
    note(store)
    note(store, "app:stable")
    done(store.images.forget("docker", {ID}))
    assert store.images.pulled("docker") == ()
    assert audit(store) == []


def test_one_whose_times_cannot_be_read_is_not_ours(store: Store) -> None:
    note(store)
    sql(store, "UPDATE pulled_image SET used_at = 'yesterday'")
    assert store.images.pulled("docker") == ()


def test_images_of_revisions(store: Store) -> None:
    accepted(store, image="app:1")
    accepted(store, image="app:2")
    found = store.images.kept_by_revisions()
    assert [(runtime, key, number) for runtime, key, number, _ in found] == [
        ("docker", WEB, 1),
        ("docker", WEB, 2),
    ]
    wants = [(want.user.name, want.reference, want.digest) for *_, want in found]
    assert wants == [("media/web 1", "app:1", None), ("media/web 2", "app:2", None)]
    sql(store, "UPDATE revision SET spec = '{broken' WHERE revision = 1")
    assert [number for *_, number, _ in store.images.kept_by_revisions()] == [2]


def test_what_was_pulled_on_another_engine_is_forgotten(store: Store) -> None:
    note(store)
    for location, left in (("unix:///a", 1), ("unix:///a", 1), ("unix:///b", 0)):
        done(store.images.settle("podman", f"{location}/podman"))
        done(store.images.settle("docker", location))
        assert len(store.images.pulled("docker")) == left
