"""An unchanged manifest over secrets and configs that have changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ring.store.configs import Draft
from tests.store.builders import MIRA, accepted, done, memory_store, spec, sql

if TYPE_CHECKING:
    from ring.core.model.deployment import Deployment
    from ring.store.secrets import Secret
    from ring.store.store import Store

MEMBERS: dict[str, object] = {
    "environment": {"PASSWORD": {"secretRef": "db"}},
    "volumes": [{"type": "config", "source": "site", "key": "a", "destination": "/a"}],
}


@pytest.fixture
def store(store: Store) -> Store:
    """With a namespace."""
    done(store.create_namespace("media", MIRA))
    return store


def secret(store: Store, name: str = "db") -> Secret:
    return done(store.secrets.create("media", name, "x", MIRA))


def config(store: Store) -> str:
    return done(store.configs.create("media", Draft("site", "{}", ""), MIRA)).id


def again(store: Store, **members: object) -> str:
    """What applying the same manifest once more does."""
    wanted = spec(**{**MEMBERS, **members})
    return done(store.accept(wanted, MIRA, if_changed=True)).change


def row(store: Store) -> Deployment:
    return accepted(store, **MEMBERS)


def test_nothing_has_changed(store: Store) -> None:
    secret(store)
    config(store)
    row(store)
    assert again(store) == "unchanged"
    assert again(store, replicas=3) == "scaled"
    assert again(store, replicas=3) == "unchanged"


def test_another_value_is_a_change_once(store: Store) -> None:
    written = secret(store)
    config(store)
    row(store)
    done(store.secrets.replace(written.id, "y", MIRA))
    assert again(store, replicas=3) == "created"
    assert again(store, replicas=3) == "unchanged"


@pytest.mark.parametrize(
    ("data", "labels", "change"), [("{}", "b", "unchanged"), ('{"a":"b"}', "", "created")]
)
def test_of_a_config_its_data_counts(store: Store, data: str, labels: str, change: str) -> None:
    secret(store)
    config_id = config(store)
    row(store)
    done(store.configs.replace(config_id, Draft("site", data, labels), MIRA))
    assert again(store) == change


def test_one_made_anew_under_the_same_name_is_a_change(store: Store) -> None:
    first = secret(store)
    config(store)
    row(store)
    done(store.secrets.delete(first.id, MIRA, even_if_referenced=True))
    assert again(store) == "unchanged"
    secret(store)
    assert again(store) == "created"


def test_one_renamed_into_the_name_is_a_change(store: Store) -> None:
    secret(store)
    config_id = config(store)
    row(store)
    done(store.configs.delete(config_id, MIRA))
    other = done(store.configs.create("media", Draft("page", "{}", ""), MIRA))
    assert again(store) == "unchanged"
    done(store.configs.replace(other.id, Draft("site", "{}", ""), MIRA))
    assert again(store) == "created"


def test_the_first_to_appear_is_the_one_a_row_waited_for(store: Store) -> None:
    config(store)
    row(store)
    assert again(store) == "unchanged"
    late = secret(store)
    assert again(store) == "unchanged"
    done(store.secrets.replace(late.id, "y", MIRA))
    assert again(store) == "created"


def test_others_of_the_namespace_are_none_of_its_business(store: Store) -> None:
    secret(store)
    config(store)
    row(store)
    other = secret(store, "other")
    done(store.secrets.replace(other.id, "y", MIRA))
    assert again(store) == "unchanged"


def test_without_if_changed_a_row_is_always_made(store: Store) -> None:
    secret(store)
    config(store)
    first = row(store)
    assert row(store).id != first.id


@pytest.mark.parametrize("damage", ["{", "[]", "[1]", '[["secret"]]', '[["secret","db",[1]]]', "7"])
def test_what_cannot_be_read_is_as_if_nothing_had_been_recorded(store: Store, damage: str) -> None:
    row(store)
    sql(store, "UPDATE deployment SET inputs = ?", damage)
    assert again(store) == "unchanged"
    secret(store)
    assert again(store) == "created"


def test_a_row_that_refers_to_nothing_records_nothing() -> None:
    store = memory_store()
    plain = accepted(store)
    found = sql(store, "SELECT inputs FROM deployment WHERE id = ?", plain.id)
    assert found[0]["inputs"] is None
    done(store.close())
