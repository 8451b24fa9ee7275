"""What an engine's own statistics say."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Told:
    """What the engine's own statistics say of an instance."""

    cpu_ns: int
    passed_ns: float
    """On one processor, since some moment, by what the engine's own command takes for time."""
    memory_bytes: int
    """Engines differ in what they count: see `EngineOutside.tells_anonymous_memory`."""
    limit_bytes: int
    rx_bytes: int
    tx_bytes: int
    rx_packets: int
    tx_packets: int
    read_bytes: int
    written_bytes: int
    pids: int
