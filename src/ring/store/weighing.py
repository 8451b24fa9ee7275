"""What an applied manifest would come to, and why: looked up without writing anything.

Accepting and previewing share it, so that a preview tells what an apply then does.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ring.core.errors import RingError
from ring.core.model.ids import GroupKey
from ring.core.model.spec import masked
from ring.core.plan.decisions import decide
from ring.core.references import changed_among
from ring.store import deployments, inputs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ring.core.model.deployment import Deployment
    from ring.core.model.spec import DeploymentSpec
    from ring.core.plan.decisions import Decision
    from ring.core.references import Reference
    from ring.store.database import Transaction
    from ring.store.records import Author


@dataclass(frozen=True, slots=True)
class Request:
    """One manifest as it was posted, checked already."""

    spec: DeploymentSpec
    author: Author
    force: bool
    if_changed: bool
    image_moved: bool
    unknown_fields: Sequence[str]


@dataclass(frozen=True, slots=True)
class Weighed:
    spec: DeploymentSpec
    """With a mark in place of the password."""
    password: str | None = field(repr=False)
    active: tuple[Deployment, ...]
    decision: Decision
    renewed: tuple[Reference, ...]
    """Secrets and configs of the newest row that are not any more what it was made with."""
    is_new_password: bool
    """Other than the newest row's."""

    @property
    def key(self) -> GroupKey:
        return GroupKey(self.spec.namespace, self.spec.name)


def weigh(tx: Transaction, request: Request) -> Weighed:
    """By the rows as they are now."""
    spec = masked(request.spec)
    password = request.spec.config.password if request.spec.config else None
    active = deployments.active(tx, GroupKey(spec.namespace, spec.name))
    renewed: tuple[Reference, ...] = ()
    is_new_password = False
    if active:
        newest = active[-1]
        renewed = changed_among(inputs.recorded(tx, newest.id), inputs.now(tx, newest.spec))
        is_new_password = not _is_password(tx, newest, password)
    decision = decide(
        spec,
        active,
        force=request.force,
        if_changed=request.if_changed,
        image_moved=request.image_moved,
        inputs_changed=bool(renewed) or is_new_password,
        network_shared=bool(active) and is_network_shared(tx, active[-1]),
    )
    return Weighed(spec, password, active, decision, renewed, is_new_password)


def is_network_shared(tx: Transaction, row: Deployment) -> bool:
    """Another deployment of the namespace lives on the network of this one's instances."""
    wanted = {"namespace": row.spec.namespace, "text": '"mode":"shared"'}
    sharers = (deployments.decode(found).spec for found in tx.all("deployments", "in_use", wanted))
    return any(
        spec.network is not None
        and spec.network.mode == "shared"
        and spec.network.share == row.spec.name
        for spec in sharers
    )


def _is_password(tx: Transaction, row: Deployment, password: str | None) -> bool:
    """Whether it is the row's registry password. One that cannot be opened any more is not."""
    if row.password is None or password is None:
        return row.password is None and password is None
    try:
        return hmac.compare_digest(tx.vault.open(row.password).encode(), password.encode())
    except RingError:
        return False
