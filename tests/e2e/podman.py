"""A Podman service of a test's own: one that may be stopped while its containers run on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scripts import engines
from tests.e2e.outside import Docker

if TYPE_CHECKING:
    from pathlib import Path


class OwnPodman:
    """Runs from construction to `end`."""

    def __init__(self, root: Path, image: str) -> None:
        self._engine = engines.podman_up(root)
        self.outside = Docker(self._engine.podman_host)
        engines.make_image(self._engine.podman_host, image)

    def stop(self) -> None:
        """The service alone: there is no daemon that containers would need."""
        engines.stop_podman(self._engine)

    def start(self) -> None:
        """Nothing happens when it runs."""
        engines.start_podman(self._engine)

    def end(self) -> None:
        engines.down(self._engine.root)
