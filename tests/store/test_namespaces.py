"""Namespaces and their audit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ring.core.errors import Conflict, NotFound
from ring.core.namespace_network import UNSET, NamespaceNetwork
from tests.store.builders import MIRA, START, ManualClock, audit, done, sql

if TYPE_CHECKING:
    from ring.store.store import Store


def test_a_namespace_is_found_by_id_and_by_name(store: Store, clock: ManualClock) -> None:
    clock.advance(1)
    made = done(store.create_namespace("media", MIRA))
    assert (made.name, made.created_at, made.updated_at) == ("media", clock.wall(), None)
    assert store.namespace("media") == made == store.namespace(made.id)
    assert store.namespace("prod") is None
    assert audit(store) == [("create", "namespace", "media", "media", "user-mira")]


def test_namespaces_are_listed_by_name(store: Store) -> None:
    for name in ("prod", "edge", "media"):
        done(store.create_namespace(name, MIRA))
    assert [namespace.name for namespace in store.namespaces()] == ["edge", "media", "prod"]


def test_a_name_is_taken_once(store: Store) -> None:
    done(store.create_namespace("media", MIRA))
    with pytest.raises(Conflict) as refused:
        done(store.create_namespace("media", MIRA))
    assert refused.value.message == "namespace 'media' already exists"
    assert len(store.namespaces()) == 1
    assert len(audit(store)) == 1


def test_a_damaged_timestamp_does_not_hide_a_namespace(store: Store) -> None:
    done(store.create_namespace("media", MIRA))
    sql(store, "UPDATE namespace SET created_at = 'never', updated_at = ?", "later")
    found = store.namespace("media")
    assert found is not None
    assert found.created_at < START
    assert found.updated_at is None


def test_the_network_of_a_namespace_is_kept(store: Store, clock: ManualClock) -> None:
    here = NamespaceNetwork(host_ip="127.0.0.1")
    made = done(store.create_namespace("media", MIRA, here))
    assert store.namespace("media") == made
    assert store.namespace_network("media") == here
    assert store.namespace_network("prod") == UNSET
    clock.advance(60)
    assert done(store.set_namespace_network(made, here, MIRA)) == made
    assert len(audit(store)) == 1
    unset = done(store.set_namespace_network(made, UNSET, MIRA))
    assert (unset.network, unset.updated_at) == (UNSET, clock.wall())
    assert store.namespace("media") == unset
    assert audit(store)[-1] == ("network", "namespace", "media", "media", "user-mira")


def test_the_network_of_a_namespace_that_is_gone_is_not_set(store: Store) -> None:
    made = done(store.create_namespace("media", MIRA))
    done(store.delete_namespace(made, MIRA))
    with pytest.raises(NotFound):
        done(store.set_namespace_network(made, NamespaceNetwork(host_ip="::1"), MIRA))
    assert store.namespaces() == ()


@pytest.mark.parametrize("text", ["", "[", "[]", '{"host_ip": 5}', '{"host_ip": "here"}'])
def test_a_damaged_network_does_not_hide_a_namespace(store: Store, text: str) -> None:
    made = done(store.create_namespace("media", MIRA, NamespaceNetwork(host_ip="::1")))
    sql(store, "UPDATE namespace SET network = ?", text)
    found = store.namespace("media")
    assert found is not None
    assert (found.id, found.network) == (made.id, UNSET)
