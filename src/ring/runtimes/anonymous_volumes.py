"""What a runtime may keep of an instance that is gone."""

from __future__ import annotations

from typing import Protocol, runtime_checkable


@runtime_checkable
class AnonymousVolumes(Protocol):
    """A runtime that makes volumes of its own for instances (see Instance.anonymous_volumes)."""

    async def remove_volume(self, name: str) -> bool:
        """Unless something uses it, which is False. Gone already is success.

        Raises Unavailable, RuntimeFailure.
        """
        ...
