"""Secrets in the store: sealed, versioned, guarded by those who refer to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ring.clock import SystemClock
from ring.core.errors import Conflict, NotFound, RingError
from ring.core.model.ids import GroupKey
from ring.core.model.status import Status
from ring.security.vault import Unsealable, Vault
from ring.store.records import Wanted
from ring.store.store import Store
from tests.store.builders import (
    MIRA,
    START,
    ManualClock,
    accepted,
    audit,
    changed,
    current,
    done,
    sql,
)

if TYPE_CHECKING:
    from pathlib import Path

    from ring.store.secrets import Secret

ENVIRONMENT = {"PASSWORD": {"secretRef": "db"}}
VALUE = "correct horse battery staple"
ANY = Wanted()


@pytest.fixture
def store(store: Store) -> Store:
    """With a namespace to keep secrets in."""
    done(store.create_namespace("media", MIRA))
    return store


def made(store: Store, name: str = "db", value: str = VALUE) -> Secret:
    return done(store.secrets.create("media", name, value, MIRA))


def test_a_secret_is_made_and_read(store: Store) -> None:
    secret = made(store)
    assert (secret.namespace, secret.name, secret.version) == ("media", "db", 1)
    assert (secret.created_at, secret.updated_at) == (START, None)
    assert store.secrets.secret(secret.id) == secret
    assert store.secrets.listed(ANY) == (secret,)
    assert store.secrets.value("media", "db") == VALUE
    assert store.secrets.value("media", "other") is None
    assert store.secrets.value("prod", "db") is None
    assert store.secrets.secret("nope") is None
    assert audit(store)[-1] == ("create", "secret", "db", "media", "user-mira")


def test_another_value_is_another_version(store: Store, clock: ManualClock) -> None:
    secret = made(store)
    clock.advance(5)
    replaced = done(store.secrets.replace(secret.id, "new", MIRA))
    assert (replaced.id, replaced.version) == (secret.id, 2)
    assert (replaced.created_at, replaced.updated_at) == (START, clock.wall())
    assert store.secrets.value("media", "db") == "new"
    assert audit(store)[-1] == ("update", "secret", "db", "media", "user-mira")


def test_a_name_is_taken_once_in_a_namespace(store: Store) -> None:
    made(store)
    done(store.create_namespace("prod", MIRA))
    done(store.secrets.create("prod", "db", "x", MIRA))
    before = audit(store)
    with pytest.raises(Conflict) as refused:
        made(store, value="another")
    assert refused.value.message == "secret 'db' already exists in namespace 'media'"
    assert store.secrets.value("media", "db") == VALUE
    assert audit(store) == before


def test_a_missing_namespace_is_not_made(store: Store) -> None:
    with pytest.raises(NotFound) as refused:
        done(store.secrets.create("prod", "db", VALUE, MIRA))
    assert refused.value.message == "namespace 'prod' does not exist"
    assert store.namespace("prod") is None


def test_what_is_gone_is_not_found(store: Store) -> None:
    secret = made(store)
    assert done(store.secrets.delete(secret.id, MIRA, even_if_referenced=False)) == ()
    assert audit(store)[-1] == ("delete", "secret", "db", "media", "user-mira")
    before = audit(store)
    with pytest.raises(NotFound) as refused:
        done(store.secrets.delete(secret.id, MIRA, even_if_referenced=True))
    assert refused.value.message == "Secret not found"
    with pytest.raises(NotFound):
        done(store.secrets.replace(secret.id, "x", MIRA))
    assert store.secrets.listed(ANY) == ()
    assert audit(store) == before


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        (Wanted(), ["media/db", "media/tls", "prod/db"]),
        (Wanted(namespaces=frozenset({"prod", "nope"})), ["prod/db"]),
        (Wanted(names=frozenset({"db"})), ["media/db", "prod/db"]),
        (Wanted(frozenset({"media"}), frozenset({"db", "tls"})), ["media/db", "media/tls"]),
        (Wanted(namespaces=frozenset()), []),
    ],
)
def test_lists_are_filtered_and_in_order(store: Store, wanted: Wanted, names: list[str]) -> None:
    done(store.create_namespace("prod", MIRA))
    for namespace, name in (("prod", "db"), ("media", "tls"), ("media", "db")):
        done(store.secrets.create(namespace, name, "x", MIRA))
    found = store.secrets.listed(wanted)
    assert [f"{secret.namespace}/{secret.name}" for secret in found] == names


@pytest.mark.parametrize(
    "members",
    [
        {"environment": ENVIRONMENT},
        {"volumes": [{"type": "secret", "source": "db", "destination": "/x"}]},
        {"config": {"image_pull_secret": "db"}},
    ],
)
def test_a_referenced_one_goes_only_where_that_is_wanted(
    store: Store, members: dict[str, object]
) -> None:
    secret = made(store)
    accepted(store, **members)
    accepted(store, name="api", **members)
    before = audit(store)
    with pytest.raises(Conflict) as refused:
        done(store.secrets.delete(secret.id, MIRA, even_if_referenced=False))
    assert refused.value.message == "Secret is referenced by deployments"
    assert refused.value.extra == {
        "deployments": ["media/web", "media/api"],
        "hint": "Use ?force=true to delete anyway",
    }
    assert store.secrets.secret(secret.id) == secret
    assert audit(store) == before
    holders = done(store.secrets.delete(secret.id, MIRA, even_if_referenced=True))
    assert holders == ("media/web", "media/api")
    assert store.secrets.secret(secret.id) is None


@pytest.mark.parametrize(
    "members",
    [
        {"environment": {"PASSWORD": "db"}},
        {"environment": {"PASSWORD": {"secretRef": "db2"}}},
        {"volumes": [{"type": "config", "source": "db", "key": "a", "destination": "/x"}]},
        {"volumes": [{"type": "volume", "source": "db", "destination": "/x"}]},
        {"namespace": "prod", "environment": ENVIRONMENT},
    ],
)
def test_what_only_looks_like_a_reference_keeps_nothing(
    store: Store, members: dict[str, object]
) -> None:
    secret = made(store)
    accepted(store, **members)
    assert done(store.secrets.delete(secret.id, MIRA, even_if_referenced=False)) == ()


@pytest.mark.parametrize("status", list(Status))
def test_only_deployments_that_may_start_again_count(store: Store, status: Status) -> None:
    secret = made(store)
    row = accepted(store, environment=ENVIRONMENT)
    done(store.commit(changed(current(store, row), status=status)))
    is_over = status in {Status.DELETED, Status.COMPLETED, Status.FAILED}
    holders = done(store.secrets.delete(secret.id, MIRA, even_if_referenced=True))
    assert holders == (() if is_over else ("media/web",))


def test_who_refers_to_it_is_told_once_it_is_committed(store: Store) -> None:
    accepted(store, environment=ENVIRONMENT)
    accepted(store, name="api", environment={"A": {"secretRef": "other"}})
    accepted(store, namespace="prod", environment=ENVIRONMENT)
    seen: list[tuple[GroupKey, str | None]] = []
    store.listen(lambda key: seen.append((key, store.secrets.value("media", "db"))))
    web = GroupKey("media", "web")
    secret = made(store, value="1")
    done(store.secrets.replace(secret.id, "2", MIRA))
    with pytest.raises(Conflict):
        made(store, value="3")
    done(store.secrets.delete(secret.id, MIRA, even_if_referenced=True))
    assert seen == [(web, "1"), (web, "2"), (web, None)]


def test_neither_a_repr_nor_the_database_holds_a_value(tmp_path: Path) -> None:
    path = tmp_path / "ring.db"
    store = Store.open(path, SystemClock(), vault=Vault(bytes(32)), inline=True)
    done(store.create_namespace("media", MIRA))
    secret = made(store)
    assert VALUE not in repr(done(store.secrets.replace(secret.id, VALUE, MIRA)))
    files = sorted(path.parent.glob("ring.db*"))
    assert {file.suffix for file in files} >= {".db", ".db-wal", ".db-shm"}
    assert not any(VALUE.encode() in file.read_bytes() for file in files)
    done(store.close())
    assert VALUE.encode() not in path.read_bytes()
    sealed = Store.open(path, SystemClock(), vault=Vault(bytes(32)), inline=True)
    assert sealed.secrets.value("media", "db") == VALUE
    done(sealed.close())


def test_the_same_value_is_never_sealed_the_same_way(store: Store) -> None:
    made(store, "a")
    made(store, "b")
    blobs = [row["value"] for row in sql(store, "SELECT value FROM secret")]
    assert len(set(blobs)) == 2
    assert {len(blob) for blob in blobs} == {12 + len(VALUE) + 16}


@pytest.mark.parametrize("damage", [b"", b"short", b"x" * 60, "text", 7])
def test_a_damaged_value_is_an_error_that_says_nothing_of_it(store: Store, damage: object) -> None:
    secret = made(store)
    assert store.secrets.unopened() is None
    sql(store, "UPDATE secret SET value = ?, updated_at = 'never'", damage)
    with pytest.raises(Unsealable) as raised:
        store.secrets.value("media", "db")
    assert VALUE not in raised.value.message
    assert store.secrets.listed(ANY) == (secret,)
    assert store.secrets.unopened() == secret


def test_another_key_opens_nothing(tmp_path: Path) -> None:
    path = tmp_path / "ring.db"
    store = Store.open(path, SystemClock(), vault=Vault(bytes(32)), inline=True)
    assert store.secrets.unopened() is None
    done(store.create_namespace("media", MIRA))
    secret = made(store)
    done(store.close())
    rotated = Store.open(path, SystemClock(), vault=Vault(b"k" * 32), inline=True)
    assert rotated.secrets.unopened() == secret
    with pytest.raises(RingError):
        rotated.secrets.value("media", "db")
    done(rotated.secrets.replace(secret.id, "new", MIRA))
    assert rotated.secrets.unopened() is None
    assert rotated.secrets.value("media", "db") == "new"
    done(rotated.close())
