"""What belongs to nothing any more: found, and removed on request."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ring.core.model.failures import FailureClass
from ring.core.model.ids import DeploymentId, InstanceName
from ring.core.model.stock import HeldNetwork, HeldVolume
from ring.engine.keeping.orphans import Orphans
from ring.engine.operating.files import Files
from ring.runtimes.base import RuntimeFailure
from ring.runtimes.fake import StockedRuntime
from tests.engine.bench import AUTHOR, Bench, at_once

if TYPE_CHECKING:
    from pathlib import Path

    from ring.core.model.observed import Instance

GONE = DeploymentId("deployment-that-is-gone")


class Attic:
    def __init__(self, root: Path) -> None:
        self.bench = Bench()
        self.root = root
        self.runtime = StockedRuntime(self.bench.engine)
        self.server_id = self.bench.store.server_id
        self.files = Files(root, owner=self.server_id, run=at_once)
        self.orphans = Orphans(
            self.bench.store, {"docker": self.runtime}, self.bench.clock, self.files
        )

    async def orphan(self, server_id: str | None = None) -> Instance:
        """A running instance of a row that nobody knows."""
        row = await self.bench.accept()
        name = InstanceName(f"media_web_{len(self.bench.engine.containers):08x}")
        order = self.bench.order(row, name, server_id=server_id)
        instance = self.bench.running(order)
        container = self.bench.engine.containers[instance.id]
        container.instance = replace(container.instance, deployment_id=GONE)
        return container.instance

    def network(self, server_id: str, name: str) -> None:
        network = HeldNetwork(f"id-{name}", f"ring_{name}", name, server_id)
        self.runtime.stock.networks[network.id] = network

    def trail(self) -> list[tuple[str, str]]:
        """What is on record of removals, oldest first."""
        found = [entry for page in self.bench.store.audit.pages() for entry in page]
        removals = [entry for entry in found if entry.action.startswith("delete")]
        return [(entry.action, entry.target_name) for entry in reversed(removals)]

    async def ids(self) -> set[str]:
        return {orphan.id for orphan in await self.orphans.listed() if orphan.kept is None}


def test_ours_goes_and_theirs_stays(tmp_path: Path) -> None:
    attic = Attic(tmp_path / "configs")

    async def story() -> None:
        ours, theirs = await attic.orphan(), await attic.orphan("another-server")
        attic.network(attic.server_id, "old")
        attic.network("another-server", "theirs")
        attic.network("", "nobodys")
        attic.runtime.stock.volumes.append(HeldVolume("ledger", "old", attic.server_id))
        await attic.files.keep(DeploymentId("unmounted"), b"x")
        other = Files(attic.root, owner="another-server", run=at_once)
        await other.keep(DeploymentId("of-another"), b"x")
        expected = {f"instance:docker:{ours.id}", "network:docker:id-old", "directory::unmounted"}
        assert await attic.ids() == expected

        cleared = await attic.orphans.remove(None, AUTHOR)
        assert {orphan.id for orphan in cleared.removed} == expected
        assert (cleared.failed, cleared.is_done) == ([], True)
        assert set(attic.bench.engine.containers) == {theirs.id}
        assert set(attic.runtime.stock.networks) == {"id-theirs", "id-nobodys"}
        assert [each.name for each in attic.root.iterdir()] == ["of-another"]
        assert len(attic.runtime.stock.volumes) == 1
        pages = attic.bench.store.audit.pages()
        told = {(e.action, e.target_type) for page in pages for e in page if e.action == "delete"}
        assert told == {("delete", kind) for kind in ("instance", "network", "directory")}

    attic.bench.run(story())


def test_only_what_was_asked_for_goes(tmp_path: Path) -> None:
    attic = Attic(tmp_path / "configs")

    async def story() -> None:
        attic.network(attic.server_id, "one")
        attic.network(attic.server_id, "two")
        attic.network("", "nobodys")
        wanted = {"network:docker:id-one", "network:docker:id-nobodys", "network:docker:id-x"}
        cleared = await attic.orphans.remove(wanted, AUTHOR)
        assert [orphan.name for orphan in cleared.removed] == ["ring_one"]
        (stayed,) = cleared.failed
        assert stayed.orphan.name == "ring_nobodys"
        assert "may be another Ring server's" in stayed.reason
        assert set(attic.runtime.stock.networks) == {"id-two", "id-nobodys"}

    attic.bench.run(story())


@pytest.mark.parametrize("is_recorded", [True, False])
def test_a_removal_is_on_record_before_it_is_done(tmp_path: Path, *, is_recorded: bool) -> None:
    attic = Attic(tmp_path / "configs")
    seen: list[list[tuple[str, str]]] = []

    async def killed(network_id: str) -> None:
        """The server does not live to see the end."""
        seen.append(attic.trail())
        raise asyncio.CancelledError

    async def story() -> None:
        attic.network(attic.server_id, "old")
        attic.runtime.remove_network = killed  # type: ignore[method-assign]  # at that moment
        if is_recorded:
            with pytest.raises(asyncio.CancelledError):
                await attic.orphans.remove(None, AUTHOR)
            assert seen == [[("delete", "ring_old")]]
            assert attic.trail() == seen[0], "nobody knows how it ended"
            return
        statement = "ALTER TABLE audit_log RENAME TO aside"
        await attic.bench.store._door.write(lambda tx: tx.connection.execute(statement))
        cleared = await attic.orphans.remove(None, AUTHOR)
        assert "cannot write the database" in cleared.failed[0].reason
        assert seen == []

    attic.bench.run(story())


def test_files_stay_while_the_instance_that_mounts_them_does(tmp_path: Path) -> None:
    attic = Attic(tmp_path / "configs")

    async def story() -> None:
        await attic.files.keep(GONE, b"x")
        instance = await attic.orphan()
        assert await attic.ids() == {f"instance:docker:{instance.id}", f"directory::{GONE}"}
        refused = RuntimeFailure(FailureClass.OTHER, "it is busy")
        attic.bench.engine.refusals["remove"] = refused
        cleared = await attic.orphans.remove(None, AUTHOR)
        assert [failed.reason for failed in cleared.failed] == ["it is busy"]
        assert attic.trail() == [("delete", instance.name), ("delete_failed", instance.name)]
        assert cleared.removed == []
        assert (attic.root / GONE).is_dir()
        del attic.bench.engine.refusals["remove"]
        again = await attic.orphans.remove(None, AUTHOR)
        assert [orphan.kind for orphan in again.removed] == ["instance", "directory"]
        assert list(attic.root.iterdir()) == []

    attic.bench.run(story())
