"""Manifests, read as the OCI Image Specification 1.1 and Docker's schema 2 describe them.

What a registry sends is anybody's: nothing in it is taken before it is known to be what it must.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ring.runtimes.distribution.platforms import UNKNOWN, Platform
from ring.runtimes.distribution.problems import RegistryProblem
from ring.runtimes.images.references import is_digest
from ring.runtimes.images.refusals import Cause

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ring.runtimes.images.references import Reference

OCI_INDEX: Final = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
DOCKER_INDEX: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
INDEXES: Final = (OCI_INDEX, DOCKER_INDEX)
MANIFESTS: Final = (OCI_MANIFEST, DOCKER_MANIFEST)
MOST_MANIFEST_BYTES: Final = 4 * 1024 * 1024
"""As much as every registry has to take (OCI Distribution Specification 1.1, "Push")."""
_SCHEMA_1: Final = "application/vnd.docker.distribution.manifest.v1"
_LARGEST_BYTES: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Descriptor:
    """What is to be fetched: by its digest, with its size in bytes."""

    media_type: str
    digest: str
    size: int
    platform: Platform | None = None
    """Of an entry in an index that says what it is for."""
    annotations: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Manifest:
    """One image for one platform; its layers from the lowest on."""

    config: Descriptor
    layers: tuple[Descriptor, ...]


@dataclass(frozen=True, slots=True)
class Index:
    """The same image for several platforms."""

    manifests: tuple[Descriptor, ...]

    def choose(self, platform: Platform, reference: Reference) -> Descriptor:
        """The image for a machine: the best of those that say so, else the first that says nothing.

        It may be an index again. Raises RegistryProblem, which names platform and reference.
        """
        stated = [
            (platform.rank(entry.platform), entry)
            for entry in self.manifests
            if entry.platform is not None
        ]
        best = max((rank for rank, _ in stated), default=0)
        if best > 0:
            return next(entry for rank, entry in stated if rank == best)
        for entry in self.manifests:
            if entry.platform is None:
                return entry
        offered = sorted({f"{entry.platform}" for _, entry in stated if not _is_attestation(entry)})
        raise RegistryProblem(
            Cause.OTHER,
            f"there is no image for {platform} in '{reference.written}', only for "
            f"{', '.join(offered) or 'nothing'}",
        )


def digest_of(content: bytes) -> str:
    """`sha256:…`"""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def verified(content: bytes, digest: str) -> bytes:
    """The content, if it is what the digest says. Raises RegistryProblem."""
    found = digest_of(content)
    if found != digest:
        raise RegistryProblem(Cause.OTHER, f"what came is not {digest}, but {found}")
    return content


def parse_index_or_manifest(content: bytes, media_type: str) -> Index | Manifest:
    """media_type: as it was answered or described. Raises RegistryProblem.

    What could be read as both is refused: not everybody would see the same image in it
    (CVE-2021-41190).
    """
    told = _object(_json(content), "the manifest")
    stated = told.get("mediaType", "")
    kinds = {kind for kind in (media_type, stated) if kind in (*INDEXES, *MANIFESTS)}
    if told.get("schemaVersion") == 1 or media_type.startswith(_SCHEMA_1):
        raise _unreadable("it is of Docker's schema 1, which is no longer in use")
    is_index = "manifests" in told
    if is_index is ("layers" in told or "config" in told):
        raise _unreadable("it is neither that of one image nor that of several")
    if any((kind in INDEXES) is not is_index for kind in kinds):
        raise _unreadable(f"it is not what it says it is, {' and '.join(sorted(kinds))}")
    if is_index:
        return Index(tuple(_descriptor(entry) for entry in _list(told, "manifests")))
    return Manifest(
        config=_descriptor(told.get("config")),
        layers=tuple(_descriptor(entry) for entry in _list(told, "layers")),
    )


def media_type_of(content: bytes, answered: str) -> str:
    """What an index or manifest is: as it was answered, as it says itself, or as it looks."""
    told = _object(_json(content), "the manifest")
    for kind in (answered, told.get("mediaType")):
        if isinstance(kind, str) and (kind in INDEXES or kind in MANIFESTS):
            return kind
    if answered.startswith(_SCHEMA_1):
        return answered
    return OCI_INDEX if "manifests" in told else OCI_MANIFEST


def diff_ids(config: bytes) -> tuple[str, ...]:
    """Digests of what is in the layers once they are not compressed, from the lowest layer on.

    config: of an image. Raises RegistryProblem.
    """
    told = _object(_json(config), "the image's configuration")
    found = _list(_object(told.get("rootfs"), "its rootfs"), "diff_ids")
    return tuple(_digest(entry) for entry in found)


def _descriptor(value: object) -> Descriptor:
    told = _object(value, "a descriptor")
    media_type, size = told.get("mediaType"), told.get("size")
    if not isinstance(media_type, str):
        raise _unreadable("a descriptor is without a media type")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= _LARGEST_BYTES:
        raise _unreadable("a descriptor is without a size")
    annotations = told.get("annotations")
    return Descriptor(
        media_type=media_type,
        digest=_digest(told.get("digest")),
        size=size,
        platform=_platform(told.get("platform")),
        annotations=_texts(annotations) if isinstance(annotations, dict) else {},
    )


def _platform(value: object) -> Platform | None:
    """None: it says nothing of use."""
    if not isinstance(value, dict):
        return None
    told = _texts(value)
    if not told.get("os") or not told.get("architecture"):
        return None
    return Platform(told["os"], told["architecture"], told.get("variant", ""))


def _is_attestation(entry: Descriptor) -> bool:
    return entry.platform == Platform(UNKNOWN, UNKNOWN)


def _json(content: bytes) -> object:
    try:
        value: object = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise _unreadable("it is not JSON") from error
    return value


def _object(value: object, name: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise _unreadable(f"{name} is no object")
    return value


def _list(told: Mapping[str, object], key: str) -> list[object]:
    value = told.get(key)
    if not isinstance(value, list):
        raise _unreadable(f"'{key}' is no list")
    return value


def _texts(told: Mapping[str, object]) -> dict[str, str]:
    return {key: value for key, value in told.items() if isinstance(value, str)}


def _digest(value: object) -> str:
    if not isinstance(value, str) or not is_digest(value):
        raise _unreadable("a digest in it is none of SHA-256")
    return value


def _unreadable(why: str) -> RegistryProblem:
    return RegistryProblem(Cause.OTHER, f"its manifest cannot be read: {why}")
