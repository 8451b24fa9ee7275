"""containerd's image records: what an image is called, and which one that is now."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from google.protobuf.field_mask_pb2 import FieldMask

from ring.runtimes.containerd import methods
from ring.runtimes.containerd.api import images_pb2 as api
from ring.runtimes.containerd.api import types_pb2
from ring.runtimes.containerd.client import Already, NotThere, Refused
from ring.runtimes.distribution.descriptors import Descriptor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ring.runtimes.containerd.client import Client


class Records:
    """Of one namespace of containerd's."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def get(self, name: str) -> Descriptor | None:
        """What the name leads to; None also for what can be no name."""
        try:
            told = await self._client.call(methods.IMAGES_GET, api.GetImageRequest(name=name))
        except NotThere:
            return None
        except Refused as error:
            if error.code != "INVALID_ARGUMENT":
                raise
            return None
        return _descriptor(told.image.target)

    async def named(self, digest: str) -> Mapping[str, Descriptor]:
        """Every name that leads to this digest."""
        return await self._listed([f'target.digest=="{digest}"'])

    async def all(self) -> Mapping[str, Descriptor]:
        return await self._listed([])

    async def put(self, name: str, target: Descriptor) -> None:
        """The name leads to this from now on."""
        image = api.Image(
            name=name,
            target=types_pb2.Descriptor(
                media_type=target.media_type, digest=target.digest, size=target.size
            ),
        )
        try:
            await self._client.call(methods.IMAGES_CREATE, api.CreateImageRequest(image=image))
        except Already:
            mask = FieldMask(paths=["target"])
            await self._client.call(
                methods.IMAGES_UPDATE, api.UpdateImageRequest(image=image, update_mask=mask)
            )

    async def delete(self, name: str, *, sync: bool = False) -> None:
        """sync: returns once what nothing keeps any more is collected. Gone is success."""
        with contextlib.suppress(NotThere):
            await self._client.call(
                methods.IMAGES_DELETE, api.DeleteImageRequest(name=name, sync=sync)
            )

    async def _listed(self, filters: list[str]) -> Mapping[str, Descriptor]:
        told = await self._client.call(methods.IMAGES_LIST, api.ListImagesRequest(filters=filters))
        return {image.name: _descriptor(image.target) for image in told.images}


def _descriptor(target: types_pb2.Descriptor) -> Descriptor:
    return Descriptor(target.media_type, target.digest, target.size)
