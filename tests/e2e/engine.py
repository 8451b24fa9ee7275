"""An engine of a test's own: one that may be stopped, killed, frozen, and filled up."""

from __future__ import annotations

import contextlib
import errno
import signal
from typing import TYPE_CHECKING

from scripts import engines
from tests.e2e.outside import Docker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import FileIO
    from pathlib import Path

DATA_MIB = 96
PIECE = bytes(1024 * 1024)


class OwnEngine:
    """Runs from construction to `end`; its registry from the first question for it."""

    def __init__(self, root: Path, image: str) -> None:
        engines.limit_data(root, DATA_MIB)
        self._engine = engines.up(root)
        self.docker = Docker(self._engine.host)
        self._registry: str | None = None
        engines.make_image(self._engine.host, image)

    @property
    def registry(self) -> str:
        """Address of a registry that this engine alone can reach."""
        if self._registry is None:
            self._registry = engines.registry_up(self._engine)
        return self._registry

    def stop(self) -> None:
        """As an administrator does: it ends its containers, and then itself."""
        engines.stop_dockerd(self._engine)

    def kill(self) -> None:
        """Its containers run on without it."""
        engines.signal_dockerd(self._engine, signal.SIGKILL)

    def start(self) -> None:
        """Nothing happens when it runs."""
        engines.start_dockerd(self._engine)

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """It is there, and connections are taken; nothing is answered."""
        engines.signal_dockerd(self._engine, signal.SIGSTOP)
        try:
            yield
        finally:
            engines.signal_dockerd(self._engine, signal.SIGCONT)

    @contextlib.contextmanager
    def full(self) -> Iterator[None]:
        """Not a byte is left where it keeps images and containers."""
        filler = self._engine.root / "data" / "filler"
        try:
            with filler.open("wb", buffering=0) as file:
                _fill(file)
            yield
        finally:
            filler.unlink()

    def end(self) -> None:
        engines.down(self._engine.root)


def _fill(file: FileIO) -> None:
    size = len(PIECE)
    while size:
        try:
            file.write(PIECE[:size])
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            size //= 2
