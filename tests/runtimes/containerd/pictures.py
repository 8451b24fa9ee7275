"""Images made in a test, kept by a registry of this process."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import secrets
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ring.runtimes.distribution.descriptors import OCI_INDEX, OCI_MANIFEST, Descriptor, digest_of
from ring.runtimes.distribution.platforms import here
from tests.runtimes.distribution.scripted import CONFIG, LAYER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.runtimes.distribution.scripted import Registry


@dataclass(frozen=True, slots=True)
class Picture:
    """An index, and what it leads to."""

    target: Descriptor
    manifest: str
    config: str
    layers: tuple[Descriptor, ...]


@dataclass(frozen=True, slots=True)
class Layer:
    blob: bytes
    diff_id: str


def layer(name: str, size: int = 1000) -> Layer:
    """One file of this name, with content that no other layer has."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        entry = tarfile.TarInfo(name)
        entry.size = size
        tar.addfile(entry, io.BytesIO(secrets.token_bytes(size)))
    whole = buffer.getvalue()
    return Layer(gzip.compress(whole), f"sha256:{hashlib.sha256(whole).hexdigest()}")


def publish(
    registry: Registry,
    layers: Sequence[Layer],
    tag: str = "1",
    *,
    settings: Mapping[str, object] | None = None,
    diff_ids: Sequence[str] | None = None,
) -> Picture:
    """Under an index that also has an image for another machine, and an attestation."""
    configured = {
        "architecture": here().architecture,
        "os": "linux",
        "config": settings or {},
        "rootfs": {
            "type": "layers",
            "diff_ids": list(diff_ids or [one.diff_id for one in layers]),
        },
    }
    config = registry.keep_blob(json.dumps(configured).encode())
    kept = [registry.keep_blob(one.blob) for one in layers]
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": _written(config, CONFIG),
        "layers": [_written(one, LAYER) for one in kept],
    }
    own = registry.keep(json.dumps(manifest).encode(), f"{tag}-own")
    elsewhere = Descriptor(OCI_MANIFEST, digest_of(b"for another machine"), 100)
    index = {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [
            _written(elsewhere, OCI_MANIFEST, "linux", "s390x"),
            _written(own, OCI_MANIFEST, "linux", here().architecture),
            _written(elsewhere, OCI_MANIFEST, "unknown", "unknown"),
        ],
    }
    target = registry.keep(json.dumps(index).encode(), tag, OCI_INDEX)
    return Picture(target, own.digest, config.digest, tuple(kept))


def _written(one: Descriptor, media_type: str, *platform: str) -> dict[str, object]:
    written: dict[str, object] = {
        "mediaType": media_type,
        "digest": one.digest,
        "size": one.size,
    }
    if platform:
        written["platform"] = dict(zip(("os", "architecture"), platform, strict=True))
    return written
