"""Where health checks stood in a Ring that showed no health, as one that does finds it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from ring.core.model.health import Health
from ring.security.vault import Vault
from ring.store.migrate import available, migrate
from ring.store.store import Store
from tests.store.builders import ManualClock, done, spec

if TYPE_CHECKING:
    from pathlib import Path

BEFORE = 10
THEN = "2027-03-01T08:15:04.120934Z"


def test_what_was_green_is_healthy_and_failures_count_on(tmp_path: Path) -> None:
    path = tmp_path / "ring.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        migrate(connection, available()[:BEFORE])
        connection.execute(
            "INSERT INTO deployment (id, namespace, name, kind, runtime, image, replicas, spec,"
            " spec_hash, revision, author, status, created_at) VALUES ('d1', 'media', 'web',"
            " 'worker', 'docker', 'nginx', 1, ?, 'unknown', 1, 'u1', 'running', ?)",
            (spec().model_dump_json(), THEN),
        )
        connection.execute(
            "INSERT INTO probe_state (instance_id, check_index, deployment_id, status, failures,"
            " ready_since) VALUES ('i-1', 0, 'd1', 'success', 0, ?), ('i-1', 1, 'd1', 'timeout',"
            " 2, NULL)",
            (THEN,),
        )
    store = Store.open(path, ManualClock(), vault=Vault(bytes(32)), inline=True)
    green, red = store.health_checks.states()
    assert (green.status, green.health, green.streak) == ("success", Health.HEALTHY, 0)
    assert (red.status, red.health, red.streak) == ("timeout", Health.STARTING, 2)
    done(store.close())
