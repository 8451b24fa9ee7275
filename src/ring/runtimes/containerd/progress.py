"""How far an image on its way has come."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ring.runtimes.base import PullProgress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ring.runtimes.distribution.descriptors import Descriptor


class Progress:
    """Of one pull."""

    def __init__(self) -> None:
        self._layers = 0
        self._layers_done = 0
        self._sizes: dict[str, int] = {}
        self._done: dict[str, int] = {}

    def begin(self, layers: int, missing: Sequence[Descriptor]) -> None:
        """The image has this many layers; these are not unpacked yet."""
        self._layers = layers
        self._layers_done = layers - len(missing)
        self._sizes = {layer.digest: layer.size for layer in missing}

    def note(self, digest: str, done_bytes: int) -> None:
        """So much of the layer is here."""
        self._done[digest] = done_bytes

    def layer_unpacked(self) -> None:
        self._layers_done += 1

    def told(self) -> PullProgress:
        return PullProgress(
            layers=self._layers,
            layers_done=self._layers_done,
            size_bytes=sum(self._sizes.values()),
            done_bytes=sum(
                min(self._done.get(digest, 0), size) for digest, size in self._sizes.items()
            ),
        )
