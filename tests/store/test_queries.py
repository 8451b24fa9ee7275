"""Every statement is valid SQL on the current schema, and is called from somewhere."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

import ring.store
from ring.store.migrate import available, migrate
from ring.store.queries import query

HOME = Path(ring.store.__file__).parent
STATEMENTS = [
    (file.stem, name)
    for file in sorted((HOME / "queries").glob("*.sql"))
    for name in re.findall(r"^-- name: (\w+)$", file.read_text(), re.MULTILINE)
]


@pytest.mark.parametrize(("noun", "name"), STATEMENTS)
def test_a_statement_fits_the_schema(noun: str, name: str) -> None:
    text = query(noun, name)
    values = dict.fromkeys(re.findall(r":(\w+)", text))
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrate(connection, available())
        assert connection.execute(f"EXPLAIN {text}", values).fetchall()


@pytest.mark.parametrize(("noun", "name"), STATEMENTS)
def test_a_statement_is_used(noun: str, name: str) -> None:
    source = "".join(file.read_text() for file in HOME.glob("*.py"))
    assert re.search(rf'"{noun}",\s*"{name}"', source)


def test_an_unknown_name_is_an_error() -> None:
    with pytest.raises(KeyError):
        query("deployments", "nonsense")
