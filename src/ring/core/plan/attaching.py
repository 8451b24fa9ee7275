"""Live instances that somebody took off their network: connected again, not replaced.

Some take themselves off again and again: those are connected less and less often, and told of once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ring.core.model.events import Level
from ring.core.model.ledger import Phase
from ring.core.model.operations import AttachInstance
from ring.core.plan import restart

if TYPE_CHECKING:
    from ring.core.model.ids import InstanceId, InstanceName
    from ring.core.plan.draft import RowDraft

STAYS_S = restart.BACKOFF_LONGEST_S
"""What is lost after so long on the network is lost for the first time."""


def reattach(row: RowDraft) -> None:
    """Begins to connect what runs without the network it was made on."""
    for entry in row.entries(Phase.SETTLING, Phase.LIVE):
        instance = row.instances.get(entry.name)
        if instance is None or not instance.is_live:
            continue
        if instance.is_attached:
            _forget(row, entry.name)
        elif not row.is_busy(entry.name):
            _connect(row, entry.name, instance.id)


def put_back(row: RowDraft, name: InstanceName) -> None:
    """It has been connected; whether it stays is seen later."""
    times, _ = row.draft.put_back.get(name, (0, 0.0))
    row.draft.put_back[name] = (times + 1, row.now.mono)
    if not times:
        row.event(Level.INFO, "instance_attached", f"Instance {name} is on its network again")


def tell(row: RowDraft, name: InstanceName, what_now: str) -> None:
    """Equal words are stored once in a while (see store.events)."""
    network = f"the network of namespace '{row.row.spec.namespace}'"
    row.event(Level.WARNING, "instance_detached", f"Instance {name} lost {network}: {what_now}")


def _connect(row: RowDraft, name: InstanceName, instance_id: InstanceId) -> None:
    times, last = row.draft.put_back.get(name, (0, row.now.mono))
    failures, retry = row.draft.retry_at.get(name, (0, row.now.mono))
    at = max(last + restart.backoff_s(times + 1), retry)
    if at > row.now.mono:
        row.draft.wake(at)
        return
    if not failures and times <= 1:
        rarely = ", and less and less often while it keeps being lost" if times else ""
        tell(row, name, f"it is connected again{rarely}")
    row.act(AttachInstance(row.row.id, name, instance_id))


def _forget(row: RowDraft, name: InstanceName) -> None:
    """That it was lost, once it has stayed on its network for a while."""
    if name not in row.draft.put_back:
        return
    times, last = row.draft.put_back[name]
    if row.now.mono < last + STAYS_S:
        row.draft.wake(last + STAYS_S)
        return
    del row.draft.put_back[name]
    if times > 1:
        row.event(Level.INFO, "instance_attached", f"Instance {name} stays on its network again")
