"""Names that a runtime answers for itself: which there are, and whom they should lead to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ring.core.model.ids import GroupKey, InstanceId


@runtime_checkable
class Discovery(Protocol):
    """A runtime that leads a deployment's name to those of its instances that are ready."""

    def note_ready(self, ready: Mapping[InstanceId, bool]) -> None:
        """What their readiness checks say now; whoever is not told of is ready.

        Where none of a deployment is, all are answered with. Never raises, and waits for nothing.
        """
        ...

    def note_deployed(self, key: GroupKey, *, is_there: bool) -> None:
        """Whether a deployment of this runtime has the name on its namespace's network, be it
        without an instance: then the name is known there, and nobody else is asked for it.

        Whoever begins is told of all there are before anything else, and of each again and again:
        where nothing has changed that costs a look. Never raises, and waits for nothing.
        """
        ...
