"""What an engine holds besides instances, and what Ring knows of the images that it has pulled."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


class Origin(StrEnum):
    """How an image came to be there when it was asked for."""

    HERE = "here"
    """It was there, or nobody can tell."""
    PULLED = "pulled"
    """It was asked of the registry, and was there already."""
    BROUGHT = "brought"
    """It was not there before this pull."""


@dataclass(frozen=True, slots=True)
class HeldImage:
    """An image that an engine holds, whoever brought it."""

    id: str
    """The engine's own: `sha256:…`."""
    names: tuple[str, ...]
    """By tag and by digest: `redis:7`, `redis@sha256:…`."""
    size_bytes: int
    """All its layers, those that other images have too among them."""


@dataclass(frozen=True, slots=True)
class PulledImage:
    """A reference that this server has pulled, and the image that it was then."""

    runtime: str
    image_id: str
    reference: str
    digest: str | None
    pulled_at: datetime
    used_at: datetime
    """When it was last seen in use."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A container of anybody's, as far as it keeps other things from going."""

    name: str
    image_id: str
    networks: tuple[str, ...] = ()
    """By name, those of a stopped one too."""
    volumes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HeldNetwork:
    """A network that carries Ring's label."""

    id: str
    name: str
    namespace: str
    server_id: str
    """Who made it; empty where the label is missing."""


@dataclass(frozen=True, slots=True)
class HeldVolume:
    """A named volume that carries Ring's label."""

    name: str
    namespace: str
    server_id: str
