"""The machine that Ring runs on, as people are told about it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Node:
    hostname: str
    os: str
    arch: str
    """`x86_64`, `aarch64` …"""
    uptime_s: int
    cpu_count: int
    memory_bytes: int
    memory_available_bytes: int
    load_average: tuple[float, float, float]
    """Over 1, 5 and 15 minutes."""
