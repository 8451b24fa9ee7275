"""What the parts of an image are kept by, read from a content store that a test fills."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from ring.runtimes.containerd import methods
from ring.runtimes.containerd.api import content_pb2 as api
from ring.runtimes.containerd.bringing import Bringing
from ring.runtimes.containerd.client import Client
from ring.runtimes.containerd.content import Content
from ring.runtimes.containerd.leases import Leases
from ring.runtimes.containerd.unpacking import Unpacking
from ring.runtimes.distribution.descriptors import (
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
    digest_of,
)
from ring.runtimes.distribution.platforms import here
from ring.runtimes.images import references
from tests.runtimes.containerd.scripted import serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.runtimes.containerd.scripted import Context

pytestmark = pytest.mark.anyio

LAYER = digest_of(b"layer")
REFERENCE = references.parse("reg.example/team/app:1")


class Store:
    """Blobs by their digest."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}

    def put(self, media_type: str, told: object, **more: object) -> dict[str, Any]:
        """What an index or a manifest says of it."""
        blob = json.dumps(told).encode()
        self.blobs[digest_of(blob)] = blob
        return {"mediaType": media_type, "digest": digest_of(blob), "size": len(blob), **more}

    async def read(
        self, request: api.ReadContentRequest, _context: Context
    ) -> AsyncIterator[api.ReadContentResponse]:
        yield api.ReadContentResponse(data=self.blobs[request.digest])


async def test_the_chosen_entry_of_an_index_is_kept_by_its_position(tmp_path: Path) -> None:
    store = Store()
    config = store.put("config", {"rootfs": {"diff_ids": [LAYER]}})
    layers = [{"mediaType": "layer", "digest": LAYER, "size": 5}]
    own = {"os": here().os, "architecture": here().architecture, "variant": here().variant}
    image = store.put(
        OCI_MANIFEST, {"schemaVersion": 2, "config": config, "layers": layers}, platform=own
    )
    others = [
        {**image, "digest": digest_of(name), "platform": {"os": name.decode(), "architecture": "x"}}
        for name in (b"plan9", b"unknown")
    ]
    index = store.put(OCI_INDEX, {"schemaVersion": 2, "manifests": [*others, image]})
    outer = store.put(OCI_INDEX, {"schemaVersion": 2, "manifests": [others[0], index]})

    async with serving(tmp_path / "socket") as server:
        server.streams(methods.CONTENT_READ, store.read)
        client = Client(server.socket, "ring")
        try:
            content = Content(client)
            bringing = Bringing(content, Unpacking(client, "overlayfs"), Leases(client))
            target = Descriptor(OCI_INDEX, outer["digest"], outer["size"])
            found = await bringing.contents(target, REFERENCE)
        finally:
            await client.close()

    assert found.labels == {
        outer["digest"]: {"containerd.io/gc.ref.content.m.1": index["digest"]},
        index["digest"]: {"containerd.io/gc.ref.content.m.2": image["digest"]},
        image["digest"]: {
            "containerd.io/gc.ref.content.config": config["digest"],
            "containerd.io/gc.ref.content.l.0": LAYER,
        },
    }
