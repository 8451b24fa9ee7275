"""What an adapter honours. Validation and planner ask these, never for a runtime by name."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Capabilities:
    events: bool = False
    lasting_events: bool = False
    """Its events outlive it, and so do its instances: what happens while it is away is told by and
    by, as it happened."""
    exit_codes: bool = False
    host_network: bool = False
    labels: bool = False
    cpu_stats: bool = False
    """Autoscaling needs it."""
    approximate_stats: bool = False
    """Figures are summed up from an instance's processes, as it has no control group: memory that
    they share counts for each, and limits are not known."""
    pull: bool = False
    """Images come from a registry; registry credentials mean something."""
    ports: bool = False
    resources: bool = False
    command: bool = False
    """The manifest's `command` replaces the image's."""
    exec: bool = False
    discovery: bool = False
    image: Literal["reference", "disk", "rootfs"] = "reference"
    """What `image` names: an image reference, or the absolute path of a file on the host."""
    user: bool = False
    userns: bool = False
    max_volumes: int | None = None
    network: frozenset[str] = field(default_factory=frozenset)
    """Modes and keys of `network` beyond `bridge` and `host` that it takes."""
    options: frozenset[str] = field(default_factory=frozenset)
    """Fields of `security` (as `security.<field>`) and process settings that it takes."""
    ignored: frozenset[str] = field(default_factory=frozenset)
    """Manifest paths that it accepts and does not honour."""
