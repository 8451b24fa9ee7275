"""What is made in a namespace while somebody deletes it: either is refused, never half of both."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from ring.core.errors import Conflict, NotFound, UserError
from ring.security.vault import Vault
from ring.store import configs, volumes
from ring.store.store import Store
from tests.store.builders import BOUND, MIRA, ManualClock, spec, sql

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine
    from pathlib import Path

MADE: dict[str, Callable[[Store], Coroutine[object, object, object]]] = {
    "secret": lambda store: store.secrets.create("media", "key", "hunter2", MIRA),
    "config": lambda store: store.configs.create("media", configs.Draft("site", "{}", ""), BOUND),
    "config with its namespace": lambda store: store.configs.create(
        "media", configs.Draft("site", "{}", ""), MIRA
    ),
    "volume": lambda store: store.volumes.create(
        volumes.Draft("media", "disk", None, "local", {}), MIRA
    ),
    "volume of a deployment": lambda store: store.volumes.register("media", ["disk"], "local"),
    "deployment": lambda store: store.accept(spec(), MIRA),
}
HELD = """
SELECT namespace FROM secret UNION SELECT namespace FROM config UNION SELECT namespace FROM volume
UNION SELECT namespace FROM deployment WHERE status != 'deleted'
EXCEPT SELECT name FROM namespace
"""


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[Store]:
    store = Store.open(path, ManualClock(), vault=Vault(bytes(32)))
    try:
        yield store
    finally:
        await store.close()


@pytest.mark.parametrize("what", MADE)
@pytest.mark.parametrize("deletion_first", [True, False])
def test_nothing_is_left_without_its_namespace(
    tmp_path: Path, what: str, deletion_first: bool
) -> None:
    async def scenario() -> None:
        async with opened(tmp_path / "ring.db") as store:
            namespace = await store.create_namespace("media", MIRA)
            acts = [store.delete_namespace(namespace, MIRA), MADE[what](store)]
            if not deletion_first:
                acts.reverse()
            results = await asyncio.gather(*acts, return_exceptions=True)
            refused = [each for each in results if isinstance(each, BaseException)]
            assert all(isinstance(each, UserError) for each in refused)
            assert sql(store, HELD) == []
            trail = [entry.action for entry in store.audit.newest(namespace="media", limit=10)]
            if not deletion_first and what.startswith("volume"):
                assert refused == []
                assert trail == ["delete"]
            elif not deletion_first:
                assert [type(each) for each in refused] == [Conflict]
                assert store.namespace("media") == namespace
            elif what in {"secret", "config", "volume"}:
                assert [type(each) for each in refused] == [NotFound]
                assert trail == ["delete"]
            else:
                assert refused == []

    asyncio.run(scenario())
