"""The runtimes this server drives, by name. The composition root fills it."""

from __future__ import annotations

from collections.abc import Mapping

from ring.runtimes.base import Runtime

Registry = Mapping[str, Runtime]
