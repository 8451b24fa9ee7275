"""What a runtime reports: the only source of truth about which instances exist and live."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from ring.core.model.health import Health
    from ring.core.model.ids import DeploymentId, InstanceId, InstanceName


class State(StrEnum):
    CREATED = "created"
    STARTING = "starting"
    RUNNING = "running"
    PAUSED = "paused"
    EXITED = "exited"
    UNKNOWN = "unknown"


LIVE = frozenset({State.STARTING, State.RUNNING, State.PAUSED})


@dataclass(frozen=True, slots=True)
class Exit:
    """How an instance ended."""

    code: int | None
    finished_at: datetime | None
    oom: bool = False
    signalled: bool = False
    """Somebody sent it a signal through the engine (not the kernel) shortly before."""
    missed: bool = False
    """It ended while Ring was not watching: the server was down or the engine out of reach."""


@dataclass(frozen=True, slots=True)
class Instance:
    """One container or VM as last heard of."""

    id: InstanceId
    name: InstanceName
    deployment_id: DeploymentId
    server_id: str
    state: State
    created_at: datetime
    address: str | None = None
    """IP on the namespace network, when the same call told it; none on the host's network."""
    is_attached: bool = True
    """False: it runs, but somebody took the network away that it was made on."""
    anonymous_volumes: tuple[str, ...] = ()
    """Made for it alone, by the runtime's own names for them; told by `create` and `inspect`."""
    image_digest: str | None = None
    """`sha256:…`: what the image it was made of is pinned by (see runtimes.base.Image)."""
    made_as: InstanceName | None = None
    """The name that it, or whatever it is a copy of, was made under; None: nothing tells."""
    health: Health | None = None
    """What it shows of its health, where Ring has it show that (see runtimes.shown_health)."""
    exit: Exit | None = None
    """None although `state` is exited: a listing does not tell; `inspect` does."""

    @property
    def has_other_name(self) -> bool:
        """Somebody has renamed it, or made it of an instance: only its id tells which."""
        return self.made_as not in {None, self.name}

    @property
    def is_live(self) -> bool:
        return self.state in LIVE


@dataclass(frozen=True, slots=True)
class Listing:
    """Everything one runtime was seen to hold, by name. Never stands for a failed call."""

    instances: Mapping[InstanceName, Instance]
    taken_at: float
    """Monotonic seconds at which the listing behind it was asked for."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """The runtime could not be asked: nothing may be concluded."""

    detail: str
    tried: bool = True
    """False: this process has not asked yet, which is no news for anybody."""
