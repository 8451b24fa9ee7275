"""A database of an earlier Ring, with rows in every table, opened by this one."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from ring.core.model.ids import DeploymentId
from ring.core.model.logs import LogLine
from ring.security.vault import Vault
from ring.store.configs import Draft
from ring.store.migrate import available, migrate
from ring.store.store import Store
from ring.store.users import UserChange
from tests.store.builders import MIRA, WEB, ManualClock, done, spec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

THEN = "2027-03-01T08:15:04.120934Z"
AT = datetime(2027, 3, 1, 8, 15, 4, 120934, UTC)
BEFORE = 3
"""The last migration of the version before secrets, configs and webhooks."""

TABLES: dict[str, list[dict[str, object]]] = {
    "meta": [{"key": "server_id", "value": "server-1"}],
    "namespace": [{"id": "n1", "name": "media", "created_at": THEN}],
    "deployment": [
        {
            "id": "d1",
            "namespace": "media",
            "name": "web",
            "kind": "worker",
            "runtime": "docker",
            "image": "nginx:1.25",
            "replicas": 1,
            "spec": spec(environment={"A": "b"}).model_dump_json(),
            "spec_hash": "unknown",
            "revision": 4,
            "author": "u1",
            "status": "running",
            "restart_count": 2,
            "created_at": THEN,
        }
    ],
    "instance": [
        {"name": "media_web_1", "deployment_id": "d1", "phase": "live", "since": THEN, "born": THEN}
    ],
    "tombstone": [{"deployment_id": "d0", "purged_at": "2027-03-02T08:00:00.000000Z"}],
    "deployment_event": [
        {
            "id": "e1",
            "deployment_id": "d1",
            "timestamp": THEN,
            "level": "info",
            "message": "Deployment 'web' created",
            "component": "api",
            "reason": "deployment_created",
        }
    ],
    "last_words": [
        {
            "deployment_id": "d1",
            "instance_id": "c0",
            "instance_name": "media_web_0",
            "lines": '[["stderr", "no database", "2027-03-01T08:15:04.120934Z"]]',
        }
    ],
    "user": [
        {
            "id": user,
            "username": name,
            "password": "x",
            "role": role,
            "status": "active",
            "created_at": THEN,
        }
        for user, name, role in (("u1", "admin", "admin"), ("u2", "mira", "viewer"))
    ],
    "token": [
        {
            "id": f"t-{user}",
            "user_id": user,
            "name": "session",
            "kind": "session",
            "token_hash": f"hash-{user}",
            "token_prefix": "ring_pat_abcdef",
            "scopes": '["admin"]',
            "namespaces": "[]",
            "created_at": THEN,
        }
        for user in ("u1", "u2")
    ],
    "audit_log": [
        {
            "id": "a1",
            "timestamp": THEN,
            "user_id": "u1",
            "action": "create",
            "target_type": "deployment",
            "target_name": "web",
            "namespace": "media",
        }
    ],
}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    path = tmp_path / "ring.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        migrate(connection, available()[:BEFORE])
        for table, rows in TABLES.items():
            for row in rows:
                connection.execute(
                    f"INSERT INTO {table} ({', '.join(row)})"  # noqa: S608 - names of this test
                    f" VALUES ({', '.join(f':{key}' for key in row)})",
                    row,
                )
        made = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        assert {name for (name,) in made} == set(TABLES), "a table without a row"
    opened = Store.open(path, ManualClock(), vault=Vault(bytes(32)), inline=True)
    yield opened
    done(opened.close())


def test_everything_is_as_it_was(store: Store) -> None:
    assert store.server_id == "server-1"
    (row,) = store.rows(WEB)
    assert (row.id, row.revision, row.restart_count, row.password) == ("d1", 4, 2, None)
    assert row.spec == spec(environment={"A": "b"})
    assert list(store.ledger(WEB)) == ["media_web_1"]
    assert store.is_tombstone(DeploymentId("d0"))
    assert [each.id for each in store.events(row.id, level=None, limit=10)] == ["e1"]
    (ended,) = store.words.ended(WEB)
    assert (ended.id, ended.name) == ("c0", "media_web_0")
    assert store.words.lines(ended) == (LogLine("stderr", "no database", AT),)
    assert [user.username for user in store.users.all()] == ["admin", "mira"]
    token = store.token("hash-u1")
    assert token is not None
    assert (token.user.id, token.scopes, token.revoked_at) == ("u1", frozenset({"admin"}), None)
    assert [each.id for each in store.audit.newest(namespace="media", limit=10)] == ["a1"]
    namespace = store.namespace("media")
    assert namespace is not None
    assert (namespace.id, namespace.created_at) == ("n1", AT)


def test_what_is_new_works_on_it(store: Store) -> None:
    done(store.secrets.create("media", "key", "hunter2", MIRA))
    assert store.secrets.value("media", "key") == "hunter2"
    done(store.configs.create("media", Draft("site", "{}", ""), MIRA))
    done(store.volumes.register("media", ["disk"], "local"))
    hook = done(
        store.webhooks.create(
            "http://203.0.113.7/", events=[], namespaces=[], secret="s3cret", author=MIRA
        )
    )
    (row,) = store.rows(WEB)
    assert store.health_checks.newest(row.id, 10) == ()
    same = spec(environment={"A": "b"})
    assert done(store.accept(same, MIRA, if_changed=True)).change == "unchanged"
    done(store.delete(row.id, MIRA))
    assert [each.kind for each in store.webhooks.history(hook.id, 10)] == [
        "deployment.status_changed"
    ]
    assert store.counts.nouns() == {
        "namespaces": 1,
        "secrets": 1,
        "volumes": 1,
        "users": 2,
        "webhooks": 1,
        "configs": 1,
    }


def test_a_user_from_before_is_changed_and_deleted(store: Store) -> None:
    by = store.token("hash-u1")
    assert by is not None
    done(store.users.update("u2", UserChange(role="operator"), by))
    revoked = store.token("hash-u2")
    assert revoked is not None
    assert revoked.revoked_at is not None
    done(store.users.delete("u2", by))
    assert [user.username for user in store.users.all()] == ["admin"]
