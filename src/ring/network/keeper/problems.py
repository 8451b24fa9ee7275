"""What can be wrong with what was asked of the keeper."""

from __future__ import annotations


class KeeperProblem(OSError):
    """The keeper does not run, or could not do it; says what and on what."""


class PortTaken(Exception):
    """Something holds this port already."""

    def __init__(self, port: int, protocol: str, holder: str = "") -> None:
        """holder: who of Ring's own; empty: another program of this machine."""
        by = f" by {holder}" if holder else ""
        super().__init__(f"port {port}/{protocol} is taken{by}")
        self.port = port
        self.protocol = protocol
        self.holder = holder
