"""Configs in the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ring.core.errors import Conflict, NotFound
from ring.core.model.ids import GroupKey
from ring.store.configs import Config, Draft
from ring.store.records import Wanted
from tests.store.builders import BOUND, MIRA, START, ManualClock, accepted, audit, done, sql

if TYPE_CHECKING:
    from ring.store.store import Store

DATA = '{"index.html":"<p>hi"}'
MOUNT = {"type": "config", "source": "site", "key": "index.html", "destination": "/index.html"}


def made(store: Store, name: str = "site", data: str = DATA, labels: str = "") -> Config:
    return done(store.configs.create("media", Draft(name, data, labels), MIRA))


def test_a_config_is_made_with_its_namespace(store: Store) -> None:
    config = made(store, labels="tier=web")
    assert (config.namespace, config.name, config.data) == ("media", "site", DATA)
    assert (config.labels, config.version) == ("tier=web", 1)
    assert (config.created_at, config.updated_at) == (START, None)
    assert store.configs.config(config.id) == config == store.configs.named("media", "site")
    assert store.configs.named("media", "other") is None
    assert store.configs.config("nope") is None
    assert audit(store) == [
        ("create", "namespace", "media", "media", "user-mira"),
        ("create", "config", "site", "media", "user-mira"),
    ]


def test_a_namespace_that_is_not_the_authors_to_make_is_not_found(store: Store) -> None:
    with pytest.raises(NotFound) as refused:
        done(store.configs.create("media", Draft("site", DATA, ""), BOUND))
    assert refused.value.message == "namespace 'media' does not exist"
    assert (store.namespace("media"), audit(store)) == (None, [])
    done(store.create_namespace("media", MIRA))
    done(store.configs.create("media", Draft("site", DATA, ""), BOUND))


def test_a_name_is_taken_once_in_a_namespace(store: Store) -> None:
    made(store)
    other = made(store, "other")
    before = audit(store)
    with pytest.raises(Conflict) as refused:
        made(store, data="x")
    assert refused.value.message == "configuration 'site' already exists in namespace 'media'"
    with pytest.raises(Conflict) as refused:
        done(store.configs.replace(other.id, Draft("site", "{}", ""), MIRA))
    assert refused.value.message == "configuration 'site' already exists in namespace 'media'"
    assert store.configs.config(other.id) == other
    assert audit(store) == before


def test_a_write_replaces_all_but_the_namespace(store: Store, clock: ManualClock) -> None:
    config = made(store, labels="a")
    clock.advance(3)
    replaced = done(store.configs.replace(config.id, Draft("page", "{}", ""), MIRA))
    assert (replaced.id, replaced.namespace) == (config.id, "media")
    assert (replaced.name, replaced.data, replaced.labels) == ("page", "{}", "")
    assert (replaced.created_at, replaced.updated_at) == (START, clock.wall())
    assert store.configs.config(config.id) == replaced
    assert audit(store)[-1] == ("update", "config", "page", "media", "user-mira")


def test_the_version_grows_with_other_data_alone(store: Store) -> None:
    config = made(store)
    labelled = done(store.configs.replace(config.id, Draft("site", DATA, "b"), MIRA))
    written = done(store.configs.replace(config.id, Draft("site", "{}", "b"), MIRA))
    assert (config.version, labelled.version, written.version) == (1, 1, 2)


def test_a_referenced_one_goes_as_well(store: Store) -> None:
    config = made(store)
    accepted(store, volumes=[MOUNT])
    done(store.configs.delete(config.id, MIRA))
    assert store.configs.config(config.id) is None
    assert audit(store)[-1] == ("delete", "config", "site", "media", "user-mira")
    for call in (
        store.configs.delete(config.id, MIRA),
        store.configs.replace(config.id, Draft("site", "{}", ""), MIRA),
    ):
        with pytest.raises(NotFound) as refused:
            done(call)
        assert refused.value.message == f"configuration '{config.id}' does not exist"


def test_lists_are_filtered_and_in_order(store: Store) -> None:
    second, first = made(store, "site"), made(store, "page")
    other = done(store.configs.create("edge", Draft("site", "{}", ""), MIRA))
    assert store.configs.ids(Wanted()) == (other.id, first.id, second.id)
    assert store.configs.ids(Wanted(names=frozenset({"site"}))) == (other.id, second.id)
    assert store.configs.ids(Wanted(frozenset({"edge"}), frozenset({"page"}))) == ()


def test_who_refers_to_it_is_told_under_its_old_and_its_new_name(store: Store) -> None:
    accepted(store, volumes=[MOUNT])
    accepted(store, name="api", volumes=[{**MOUNT, "source": "page"}])
    told: list[GroupKey] = []
    store.listen(told.append)
    web, api = GroupKey("media", "web"), GroupKey("media", "api")
    config = made(store)
    done(store.configs.replace(config.id, Draft("site", "{}", ""), MIRA))
    assert told == [web, web]
    done(store.configs.replace(config.id, Draft("page", "{}", ""), MIRA))
    assert told[2:] == [web, api]
    done(store.configs.delete(config.id, MIRA))
    assert told[4:] == [api]


def test_damaged_moments_do_not_hide_a_config(store: Store) -> None:
    config = made(store)
    sql(store, "UPDATE config SET created_at = 'never', updated_at = 'later'")
    found = store.configs.config(config.id)
    assert found is not None
    assert found.data == DATA
    assert (found.created_at < START, found.updated_at) == (True, None)
