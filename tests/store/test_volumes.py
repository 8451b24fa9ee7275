"""The registry of named volumes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ring.core.errors import Conflict, NotFound
from ring.store.records import Wanted
from ring.store.volumes import Draft, Volume
from tests.store.builders import MIRA, START, accepted, audit, done, sql

if TYPE_CHECKING:
    from ring.store.store import Store

MOUNT = {"type": "volume", "source": "ledger", "destination": "/var/lib/ledger"}


@pytest.fixture
def store(store: Store) -> Store:
    """With a namespace."""
    done(store.create_namespace("media", MIRA))
    return store


def made(store: Store, name: str = "ledger", **members: str) -> Volume:
    draft = Draft("media", name, 5, "local", members)
    return done(store.volumes.create(draft, MIRA))


def test_a_volume_is_registered_and_read(store: Store) -> None:
    volume = made(store, team="données")
    assert (volume.namespace, volume.name, volume.host_path) == ("media", "ledger", "ledger")
    assert (volume.size, volume.backend_type, volume.labels) == (5, "local", {"team": "données"})
    assert (volume.created_at, volume.updated_at) == (START, None)
    assert store.volumes.volume(volume.id) == volume
    assert list(store.volumes.listed(Wanted())) == [volume]
    assert list(store.volumes.listed(Wanted(frozenset({"prod"})))) == []
    assert audit(store)[-1] == ("create", "volume", "ledger", "media", "user-mira")


def test_a_second_of_the_name_and_a_missing_namespace_are_refused(store: Store) -> None:
    made(store)
    before = audit(store)
    with pytest.raises(Conflict) as taken:
        made(store)
    assert taken.value.message == "volume 'ledger' already exists in namespace 'media'"
    with pytest.raises(NotFound) as missing:
        done(store.volumes.create(Draft("prod", "ledger", None, "local", {}), MIRA))
    assert missing.value.message == "namespace 'prod' does not exist"
    assert audit(store) == before


def test_a_mounted_one_goes_only_where_that_is_wanted(store: Store) -> None:
    volume = made(store)
    accepted(store, volumes=[MOUNT])
    with pytest.raises(Conflict) as refused:
        done(store.volumes.delete(volume.id, MIRA, even_if_referenced=False))
    assert refused.value.message == "Volume is referenced by deployments"
    assert refused.value.extra["deployments"] == ["media/web"]
    assert store.volumes.volume(volume.id) == volume
    done(store.volumes.delete(volume.id, MIRA, even_if_referenced=True))
    assert store.volumes.volume(volume.id) is None
    assert audit(store)[-1] == ("delete", "volume", "ledger", "media", "user-mira")
    with pytest.raises(NotFound) as gone:
        done(store.volumes.delete(volume.id, MIRA, even_if_referenced=True))
    assert gone.value.message == "Volume not found"


@pytest.mark.parametrize("kind", ["bind", "config", "secret"])
def test_something_else_of_the_same_name_does_not_count(store: Store, kind: str) -> None:
    volume = made(store)
    accepted(store, volumes=[{**MOUNT, "type": kind}])
    done(store.volumes.delete(volume.id, MIRA, even_if_referenced=False))
    assert store.volumes.volume(volume.id) is None


def test_what_a_deployment_mounts_is_registered_once(store: Store) -> None:
    known = made(store, team="a")
    before = audit(store)
    for _ in range(2):
        done(store.volumes.register("media", ["ledger", "cache"], "directory"))
    cache, ledger = store.volumes.listed(Wanted())
    assert ledger == known
    assert (cache.name, cache.host_path, cache.backend_type) == ("cache", "cache", "directory")
    assert (cache.size, cache.labels) == (None, {})
    assert audit(store) == before
    done(store.volumes.register("media", [], "local"))
    assert len(list(store.volumes.listed(Wanted()))) == 2


def test_nothing_is_registered_in_a_namespace_that_has_been_deleted_meanwhile(store: Store) -> None:
    media = store.namespace("media")
    assert media is not None
    done(store.delete_namespace(media, MIRA))
    done(store.volumes.register("media", ["ledger"], "local"))
    done(store.create_namespace("media", MIRA))
    assert list(store.volumes.listed(Wanted())) == []


@pytest.mark.parametrize("damage", ["", "{", "[]", "null", '{"a":1}'])
def test_damaged_labels_are_logged_and_hide_nothing(
    store: Store, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    volume = made(store, team="a")
    sql(store, "UPDATE volume SET labels = ?", damage)
    found = store.volumes.volume(volume.id)
    assert found is not None
    assert (found.name, found.labels) == ("ledger", {})
    assert volume.id in caplog.text
