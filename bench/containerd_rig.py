"""A bench on containerd, which has no engine of Docker's beside it."""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.stand import NETWORK, READY_WITHIN_S, Stand

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from scripts.lib.engine_http import Event

    from bench.raw_containerd import RawContainerd, Twin


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerdBench(Stand):
    folder: Path
    """The server's own, where the networks are configured, too."""
    raw: RawContainerd

    def ping(self) -> None:
        self.raw.ping()

    def events(self, label: str | None = None) -> AbstractContextManager[Iterator[Event]]:
        return self.raw.events(label, READY_WITHIN_S)

    def started_at(self, container: str) -> float:
        return self.raw.started_at(container)

    def twin(self, container: str) -> Twin:
        configured = self.folder / "cni" / f"99-{NETWORK}.conflist"
        files = self.folder / "raw"
        files.mkdir(exist_ok=True)
        return self.raw.twin(container, json.loads(configured.read_text()), files)

    def create_and_start(self, body: Twin) -> str:
        return self.raw.create_and_start(body)

    def remove(self, container: str) -> None:
        self.raw.remove(container)

    def crash(self, container: str) -> float:
        process = self.raw.pid(container)
        sent_at = time.time()
        os.kill(process, signal.SIGKILL)
        return sent_at
