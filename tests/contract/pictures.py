"""Images made of another one by other settings, for an engine that builds none itself."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp

from ring.runtimes.distribution.platforms import here

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping


_KIND = "application/vnd.docker"
_MANIFEST = f"{_KIND}.distribution.manifest.v2+json"


@dataclass(frozen=True, slots=True)
class Picture:
    manifest: bytes
    media_type: str
    config: bytes
    layers: tuple[tuple[str, bytes], ...]
    """Digest and content of each."""


async def derived(
    digest: str, read: Callable[[str], Awaitable[bytes]], settings: Mapping[str, object]
) -> Picture:
    """The image of this manifest, with these settings beside those that it had."""
    manifest: Any = json.loads(await read(digest))
    config: Any = json.loads(await read(manifest["config"]["digest"]))
    config["config"] = {**(config.get("config") or {}), **settings}
    written = json.dumps(config).encode()
    manifest["config"] |= {"digest": digest_of(written), "size": len(written)}
    layers = [(one["digest"], await read(one["digest"])) for one in manifest["layers"]]
    return Picture(json.dumps(manifest).encode(), manifest["mediaType"], written, tuple(layers))


def of_one_file(content: bytes, settings: Mapping[str, object] | None = None) -> Picture:
    """Of no other image."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        entry = tarfile.TarInfo("content")
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    whole = buffer.getvalue()
    layer = gzip.compress(whole)
    configured = {
        "architecture": here().architecture,
        "os": "linux",
        "config": dict(settings or {}),
        "rootfs": {"type": "layers", "diff_ids": [digest_of(whole)]},
    }
    config = json.dumps(configured).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": _described(f"{_KIND}.container.image.v1+json", config),
        "layers": [_described(f"{_KIND}.image.rootfs.diff.tar.gzip", layer)],
    }
    layers = ((digest_of(layer), layer),)
    return Picture(json.dumps(manifest).encode(), _MANIFEST, config, layers)


def _described(media_type: str, content: bytes) -> dict[str, object]:
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}


def archive(picture: Picture, name: str) -> bytes:
    """As the image specification lays it out, under this name."""
    described = {
        "mediaType": picture.media_type,
        "digest": digest_of(picture.manifest),
        "size": len(picture.manifest),
        "annotations": {"io.containerd.image.name": name},
    }
    blobs = [picture.manifest, picture.config, *(content for _, content in picture.layers)]
    files = {f"blobs/sha256/{hashlib.sha256(blob).hexdigest()}": blob for blob in blobs}
    files["oci-layout"] = b'{"imageLayoutVersion": "1.0.0"}'
    files["index.json"] = json.dumps({"schemaVersion": 2, "manifests": [described]}).encode()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, content in files.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


async def push(picture: Picture, image: str) -> None:
    """To the registry of its name: `127.0.0.1:5000/app:1`."""
    registry, _, rest = image.partition("/")
    name, _, tag = rest.rpartition(":")
    async with aiohttp.ClientSession(f"http://{registry}") as session:
        for content in (picture.config, *(content for _, content in picture.layers)):
            await _upload(session, name, content)
        path, kind = f"/v2/{name}/manifests/{tag}", {"Content-Type": picture.media_type}
        async with session.put(path, data=picture.manifest, headers=kind) as answer:
            assert answer.status == 201, await answer.text()


async def _upload(session: aiohttp.ClientSession, name: str, content: bytes) -> None:
    async with session.post(f"/v2/{name}/blobs/uploads/") as answer:
        assert answer.status == 202, await answer.text()
        place = answer.headers["Location"]
    mark = "&" if "?" in place else "?"
    where = f"{place}{mark}digest={digest_of(content)}"
    async with session.put(where, data=io.BytesIO(content)) as answer:
        assert answer.status == 201, await answer.text()


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
