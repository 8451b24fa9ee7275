"""The registry password of a deployment: sealed, in no row in clear, and still compared."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from ring.core.errors import RingError
from ring.core.model.spec import MASK, fingerprint
from ring.security.vault import Vault
from ring.store.store import Store
from tests.store.builders import MIRA, ManualClock, accepted, current, done, spec, sql

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ring.store.store import Accepted

WORD = "hunter2-canary"


@contextmanager
def closing_store(path: Path, *, key: bytes = bytes(32)) -> Iterator[Store]:
    """A store in a file, for as long as this lasts."""
    opened = Store.open(path, ManualClock(), vault=Vault(key), inline=True)
    try:
        yield opened
    finally:
        done(opened.close())


def login(password: str = WORD) -> dict[str, object]:
    return {"config": {"username": "puller", "password": password}}


def again(store: Store, **members: object) -> Accepted:
    return done(store.accept(spec(**members), MIRA, if_changed=True))


def test_a_row_holds_a_mark_and_the_sealed_password(store: Store) -> None:
    row = accepted(store, **login())
    assert row.spec.config is not None
    assert row.spec.config.password == MASK
    assert store.password(row) == WORD
    assert WORD not in repr(row)
    assert store.password(accepted(store, name="open")) is None


def test_the_database_does_not_hold_it(tmp_path: Path) -> None:
    path = tmp_path / "ring.db"
    with closing_store(path) as store:
        accepted(store, **login())
        assert WORD.encode() not in b"".join(one.read_bytes() for one in tmp_path.iterdir())
    assert WORD.encode() not in b"".join(one.read_bytes() for one in tmp_path.iterdir())


def test_it_is_there_after_a_restart_and_after_every_write(store: Store) -> None:
    row = accepted(store, **login())
    scaled = again(store, **login(), replicas=3)
    assert (scaled.change, scaled.deployment.id) == ("scaled", row.id)
    renamed = again(store, **login(), replicas=3, manifest="other")
    assert renamed.change == "unchanged"
    found = store.reopen().deployment(row.id)
    assert found is not None
    assert store.password(found) == WORD


def test_the_same_password_is_no_change_and_another_one_is(store: Store) -> None:
    row = accepted(store, **login())
    assert again(store, **login()).change == "unchanged"
    replaced = again(store, **login("another one"))
    assert replaced.change == "created"
    assert replaced.deployment.id != row.id
    assert store.password(replaced.deployment) == "another one"
    dropped = again(store, config={"username": "puller"})
    assert dropped.change == "created"
    assert store.password(dropped.deployment) is None


def test_rows_with_different_passwords_have_the_same_hash(store: Store) -> None:
    rows = [accepted(store, name=name, **login(name)) for name in ("one", "two")]
    hashes = {
        sql(store, "SELECT spec_hash FROM deployment WHERE id = ?", row.id)[0][0] for row in rows
    }
    assert hashes == {fingerprint(row.spec) for row in rows}
    assert fingerprint(rows[0].spec.model_copy(update={"name": "two"})) in hashes


@pytest.mark.parametrize("damage", [b"", b"short", "text", 5])
def test_a_damaged_one_leaves_the_row_readable(store: Store, damage: object) -> None:
    row = accepted(store, **login())
    sql(store, "UPDATE deployment SET password = ? WHERE id = ?", damage, row.id)
    found = store.reopen().deployment(row.id)
    assert found is not None
    assert found.spec == row.spec
    with pytest.raises(RingError, match="another key, or is damaged"):
        store.password(found)


def test_another_key_leaves_the_row_readable_and_an_apply_seals_it_anew(tmp_path: Path) -> None:
    path = tmp_path / "ring.db"
    with closing_store(path) as store:
        row = accepted(store, **login())
    with closing_store(path, key=b"n" * 32) as store:
        with pytest.raises(RingError, match="another key"):
            store.password(current(store, row))
        replaced = again(store, **login())
        assert replaced.change == "created"
        assert store.password(replaced.deployment) == WORD
