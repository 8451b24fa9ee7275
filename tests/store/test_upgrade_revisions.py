"""Deployments of a Ring before health checks and revisions, as one with them finds them."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from ring.core.model.revision import Cause
from ring.core.model.status import Status
from ring.security.vault import Vault
from ring.store.migrate import available, migrate
from ring.store.revisions import read
from ring.store.store import Store
from ring.store.verbs import Ask
from tests.core.bodies import CAPABILITIES
from tests.store.builders import MIRA, WEB, ManualClock, changed, current, done, spec, sql

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ring.core.model.deployment import Deployment

BEFORE = 5
THEN = "2027-03-01T08:15:04.120934Z"
NEW_FIELDS = {"auto_rollback"}
"""Of a spec; what an older Ring has stored does not have them."""


def _row(row_id: str, revision: int, status: str, **fields: object) -> dict[str, object]:
    written = json.loads(spec(image=f"nginx:{revision}").model_dump_json())
    return {
        "id": row_id,
        "namespace": "media",
        "name": "web",
        "kind": "worker",
        "runtime": "docker",
        "image": f"nginx:{revision}",
        "replicas": 1,
        "spec": json.dumps({k: v for k, v in written.items() if k not in NEW_FIELDS}),
        "spec_hash": "unknown",
        "revision": revision,
        "author": "u1",
        "status": status,
        "created_at": THEN,
        **fields,
    }


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """One that runs and the one that it has just replaced; and one that never came up."""
    path = tmp_path / "ring.db"
    rows = [
        _row("d3", 3, "deleted", was_running=1),
        _row("d4", 4, "running", was_running=1, restart_count=2),
        _row("d1", 1, "image_pull_back_off", name="never", password=b"sealed"),
    ]
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        migrate(connection, available()[:BEFORE])
        connection.execute("INSERT INTO meta VALUES ('server_id', 'server-1')")
        connection.execute(
            "INSERT INTO namespace (id, name, created_at) VALUES ('n1', 'media', ?)", [THEN]
        )
        for row in rows:
            connection.execute(
                f"INSERT INTO deployment ({', '.join(row)})"  # noqa: S608 - names of this test
                f" VALUES ({', '.join(f':{key}' for key in row)})",
                row,
            )
    opened = Store.open(path, ManualClock(), vault=Vault(bytes(32)), inline=True)
    yield opened
    done(opened.close())


def _running(store: Store) -> Deployment:
    return next(row for row in store.rows(WEB) if row.status is Status.RUNNING)


def test_what_runs_goes_on_as_it_was(store: Store) -> None:
    row = _running(store)
    assert row.spec == spec(image="nginx:4")
    assert (row.full_target, row.stopped, row.drain_target, row.desired_replicas) == (
        1,
        False,
        None,
        None,
    )
    assert (row.cause, row.health_restarts, row.restart_count) == (Cause.APPLY, 0, 2)
    same = done(store.accept(spec(image="nginx:4"), MIRA, if_changed=True))
    assert (same.deployment.id, same.change) == ("d4", "unchanged")


def test_every_row_that_is_not_deleted_is_a_revision(store: Store) -> None:
    (kept,) = read(store.revisions.stored(WEB))
    found = kept.revision
    assert (found.number, found.deployment_id, found.author) == (4, "d4", "u1")
    assert found.spec == spec(image="nginx:4")
    assert found.ready_at == _running(store).created_at
    (never,) = sql(store, "SELECT * FROM revision WHERE name = 'never'")
    assert (never["ready_at"], never["password"]) == (None, b"sealed")


def test_it_is_gone_back_to_after_an_apply(store: Store) -> None:
    made = done(store.accept(spec(image="nginx:5"), MIRA, if_changed=True)).deployment
    assert made.revision == 5
    assert done(store.commit(changed(current(store, made), status=Status.RUNNING)))
    asked = Ask(made.id, MIRA, "mira", None, {"docker": CAPABILITIES["docker"]})
    back = done(store.roll_back(asked, None)).deployment
    assert (back.spec, back.cause) == (spec(image="nginx:4"), Cause.ROLLBACK)
