"""What the keeper is started with: one argument, as JSON, so that any version can read it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ring import __version__

DNS_PORT: Final = 53
HOST_SERVERS: Final = (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf"))
"""The host's own file, and the one that has the real servers where that names only a stub."""
LINGER_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Options:
    version: str = __version__
    """Of Ring: a keeper of another one is replaced."""
    dns_port: int = DNS_PORT
    """Where it answers, and where the host's servers do."""
    host_servers: tuple[Path, Path] = HOST_SERVERS
    linger_s: float = LINGER_S
    """How long it stays with nothing to keep and nobody connected."""

    def to_text(self) -> str:
        return json.dumps(
            {
                "version": self.version,
                "dns_port": self.dns_port,
                "host_servers": [str(path) for path in self.host_servers],
                "linger_s": self.linger_s,
            }
        )

    @classmethod
    def from_text(cls, text: str) -> Options:
        """Raises ValueError, KeyError, TypeError."""
        told = json.loads(text)
        own, behind = told["host_servers"]
        return cls(
            version=str(told["version"]),
            dns_port=int(told["dns_port"]),
            host_servers=(Path(own), Path(behind)),
            linger_s=float(told["linger_s"]),
        )
