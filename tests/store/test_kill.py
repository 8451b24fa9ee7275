"""A server killed at any point: what was acknowledged is there, and nothing by halves."""

from __future__ import annotations

import itertools
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from ring.store.store import Store
from tests.store.builders import WEB, ManualClock, done, reasons, sql

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = """
import asyncio, sys, pathlib
from dataclasses import replace
from ring.core.plan.view import Plan, RowChange
from ring.store.store import Store
from tests.store.builders import MIRA, ManualClock, current, entry, event, spec

async def main():
    store = Store.open(pathlib.Path(sys.argv[1]), ManualClock())
    row = (await store.accept(spec(), MIRA)).deployment
    for count in range(1, 100000):
        row = current(store, row)
        assert await store.commit(Plan(
            rows=(RowChange(row, replace(row, restart_count=count)),),
            put_entries=(entry(row, f"{count:08x}"),),
            events=(event(row.id, "container_crashed", f"number {count}"),),
        ))
        print(count, flush=True)

asyncio.run(main())
"""


@pytest.mark.parametrize("acknowledged", [1, 40])
def test_what_was_acknowledged_survives(tmp_path: Path, acknowledged: int) -> None:
    path = tmp_path / "ring.db"
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(path)], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        read = [int(line) for line in itertools.islice(server.stdout, acknowledged)]
        server.kill()
        read += [int(line) for line in server.stdout if line.endswith("\n")]

    store = Store.open(path, ManualClock(), inline=True)
    (row,) = store.rows(WEB)
    assert row.restart_count in {read[-1], read[-1] + 1}
    assert row.version == row.restart_count == len(store.ledger(WEB))
    assert reasons(store, row).count("container_crashed") == row.restart_count
    assert sql(store, "PRAGMA integrity_check")[0][0] == "ok"
    done(store.close())
