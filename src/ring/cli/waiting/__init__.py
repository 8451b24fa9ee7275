"""Waits until deployments are where they are wanted, and shows how they get there."""

from __future__ import annotations

from ring.cli.waiting.loop import wait
from ring.cli.waiting.subject import Goal, Subject

__all__ = ["Goal", "Subject", "wait"]
