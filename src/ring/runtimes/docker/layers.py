"""How far a pull has come, out of the lines that the engine writes about its layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ring.runtimes.base import PullProgress

if TYPE_CHECKING:
    from ring.runtimes.docker.payload import Payload

_NEW = frozenset({"pulling fs layer", "already exists"})
_UNPACKED = frozenset({"pull complete", "already exists"})
_DOWNLOADED = frozenset({"verifying checksum", "download complete", "extracting", "pull complete"})
_UP_TO_DATE = "status: image is up to date"
_DIGEST = "digest: "
_MOST = 1000  # layers; no image has more than 127


class Layers:
    """Of one pull."""

    def __init__(self) -> None:
        self._layers: dict[str, _Layer] = {}
        self.has_changed_something = True
        """False: the engine says that the reference led to this image already when it came to it,
        as where somebody else had pulled it meanwhile. Not all engines say so."""
        self.digest: str | None = None
        """Of what the reference is in the registry, where the engine tells: an image may have been
        pushed more than once, and then has several."""

    def note(self, line: Payload) -> None:
        """Lines about anything but a layer, or the outcome, mean nothing here."""
        status, name = str(line.get("status")).lower(), str(line.get("id"))
        if status.startswith(_UP_TO_DATE):
            self.has_changed_something = False
        if status.startswith(_DIGEST):
            self.digest = status.removeprefix(_DIGEST)
        if status in _NEW and len(self._layers) < _MOST:
            self._layers.setdefault(name, _Layer())
        layer = self._layers.get(name)
        if layer is None:
            return
        detail = line.get("progressDetail")
        if status == "downloading" and isinstance(detail, dict):
            layer.size = max(_whole(detail.get("total")), 0)
            layer.done = min(_whole(detail.get("current")), layer.size)
        elif status in _DOWNLOADED:
            layer.done = layer.size
        layer.is_unpacked = layer.is_unpacked or status in _UNPACKED

    def progress(self) -> PullProgress:
        layers = self._layers.values()
        return PullProgress(
            layers=len(layers),
            layers_done=sum(layer.is_unpacked for layer in layers),
            size_bytes=sum(layer.size for layer in layers),
            done_bytes=sum(layer.done for layer in layers),
        )


class _Layer:
    def __init__(self) -> None:
        self.size = 0
        self.done = 0
        self.is_unpacked = False


def _whole(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
