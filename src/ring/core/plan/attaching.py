"""Live instances that somebody took off their network: connected again, not replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ring.core.model.events import Level
from ring.core.model.ledger import Phase
from ring.core.model.operations import AttachInstance

if TYPE_CHECKING:
    from ring.core.model.ids import InstanceName
    from ring.core.plan.draft import RowDraft


def reattach(row: RowDraft) -> None:
    """Begins to connect what runs without the network it was made on."""
    for entry in row.entries(Phase.SETTLING, Phase.LIVE):
        instance = row.instances.get(entry.name)
        if instance is None or not instance.is_live or instance.is_attached:
            continue
        if row.is_busy(entry.name):
            continue
        times, at = row.draft.retry_at.get(entry.name, (0, row.now.mono))
        if at > row.now.mono:
            row.draft.wake(at)
            continue
        if not times:
            tell(row, entry.name, "it is connected again")
        row.act(AttachInstance(row.row.id, entry.name, instance.id))


def tell(row: RowDraft, name: InstanceName, what_now: str) -> None:
    """Equal words are stored once in a while (see store.events)."""
    network = f"the network of namespace '{row.row.spec.namespace}'"
    row.event(Level.WARNING, "instance_detached", f"Instance {name} lost {network}: {what_now}")
