"""What the engine holds besides Ring's containers, and removing of it, never by force."""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from ring.core.model import labels
from ring.core.model.failures import FailureClass
from ring.core.model.stock import HeldImage, HeldNetwork, HeldVolume, Holder
from ring.runtimes.base import RuntimeFailure, Unavailable
from ring.runtimes.docker import failures, nfs, paths, payload

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ring.runtimes.docker.connection import Answer, Connection
    from ring.runtimes.docker.payload import Payload

_MANAGED = json.dumps({"label": [f"{labels.MANAGED}=true"]})
_SEVERAL_NAMES = re.compile(r"referenced in|more than one tag")
"""How Docker and Podman refuse to remove by its id what has more than one name; where a container
uses it, they say so instead."""
_NO_NAMES = frozenset({"<none>:<none>", "<none>@<none>"})
"""What older engines call an image without a tag or a digest."""


async def images(connection: Connection) -> tuple[HeldImage, ...]:
    """See Stock.images. Takes milliseconds for some dozens."""
    answer = await _asked(connection, "/images/json", "images")
    return tuple(_image(entry) for entry in payload.as_payloads(answer.json()))


async def holders(connection: Connection) -> tuple[Holder, ...]:
    """See Stock.holders."""
    answer = await _asked(connection, "/containers/json", "containers", {"all": "1"})
    return tuple(_holder(entry) for entry in payload.as_payloads(answer.json()))


async def remove_image(connection: Connection, image_id: str, names: Sequence[str]) -> None:
    """See Stock.remove_image. A tag that has moved on meanwhile is another image's: it stays.

    Parents of an image are never pulled, so they are nobody's of ours to remove.
    """
    answer = await connection.call("GET", f"/images/{paths.quoted(image_id)}/json")
    if answer.status == HTTPStatus.NOT_FOUND:
        return
    if answer.status != HTTPStatus.OK:
        raise failures.refused(f"inspect image {image_id}", answer)
    told = payload.as_payload(answer.json())
    its_own = {*payload.texts(told, "RepoTags"), *payload.texts(told, "RepoDigests")}
    if foreign := sorted(its_own - set(names)):
        raise RuntimeFailure(
            FailureClass.OTHER, f"cannot remove image {image_id}: it is also {', '.join(foreign)}"
        )
    # By its id where that can be: a name may lead to another image a moment later.
    refused = await _removed(connection, image_id)
    if refused is None:
        return
    if not _SEVERAL_NAMES.search(refused.message):
        raise failures.refused(f"remove image {image_id}", refused)
    # Name by name the engine looks for containers at the last one alone: too late for the others.
    users = [each.name for each in await holders(connection) if each.image_id == image_id]
    if users:
        raise RuntimeFailure(
            FailureClass.OTHER, f"cannot remove image {image_id}: {', '.join(users)} is made of it"
        )
    # Tags first: a digest goes by itself with the last tag of its repository.
    for name in (*sorted(its_own, key=lambda name: "@" in name), image_id):
        if refused := await _removed(connection, name):
            raise failures.refused(f"remove image {name}", refused)


async def _removed(connection: Connection, name: str) -> Answer | None:
    """None: it is; else what the engine says against it."""
    answer = await connection.call(
        "DELETE", f"/images/{paths.quoted(name)}", query={"noprune": "1"}
    )
    return None if answer.status in {HTTPStatus.OK, HTTPStatus.NOT_FOUND} else answer


async def data_directory(connection: Connection) -> Path | None:
    """See Stock.data_directory; of an engine on this machine."""
    answer = await _asked(connection, "/info", "data directory")
    told = payload.as_payload(answer.json()).get("DockerRootDir")
    return Path(told) if isinstance(told, str) and told.startswith("/") else None


async def networks(connection: Connection) -> tuple[HeldNetwork, ...]:
    """See Stock.networks."""
    answer = await _asked(connection, "/networks", "networks", {"filters": _MANAGED})
    return tuple(_network(entry) for entry in payload.as_payloads(answer.json()))


async def remove_network(connection: Connection, network_id: str) -> None:
    """See Stock.remove_network."""
    answer = await connection.call("DELETE", f"/networks/{paths.quoted(network_id)}")
    if answer.status not in {HTTPStatus.OK, HTTPStatus.NO_CONTENT, HTTPStatus.NOT_FOUND}:
        raise failures.refused(f"remove network {network_id[:12]}", answer)


async def volumes(connection: Connection) -> tuple[HeldVolume, ...]:
    """See Stock.volumes. An engine without any gives null in place of an empty list.

    Without those of shares: no register knows their names, and what is on them is elsewhere.
    """
    answer = await _asked(connection, "/volumes", "volumes", {"filters": _MANAGED})
    listed = payload.as_payload(answer.json()).get("Volumes")
    found = (_volume(entry) for entry in payload.as_payloads(listed or []))
    return tuple(volume for volume in found if not nfs.is_volume_name(volume.name))


def full_id(image_id: str) -> str:
    """Podman leaves out what it is a digest by, in some of its answers."""
    return image_id if ":" in image_id else f"sha256:{image_id}"


async def _asked(
    connection: Connection, path: str, what: str, query: dict[str, str] | None = None
) -> Answer:
    answer = await connection.call("GET", path, query=query or {})
    if answer.status != HTTPStatus.OK:
        raise Unavailable(f"the engine does not tell its {what}: {answer.message}")
    return answer


def _image(entry: Payload) -> HeldImage:
    names = (*payload.texts(entry, "RepoTags"), *payload.texts(entry, "RepoDigests"))
    return HeldImage(
        id=full_id(payload.text(entry, "Id")),
        names=tuple(name for name in names if name not in _NO_NAMES),
        size_bytes=payload.number(entry, "Size"),
    )


def _holder(entry: Payload) -> Holder:
    instance_id = payload.text(entry, "Id")
    names = [name.removeprefix("/") for name in payload.texts(entry, "Names")]
    mounts = entry.get("Mounts")
    mounted = payload.as_payloads(mounts or [])
    home = payload.section(entry, "HostConfig").get("NetworkMode")
    networks = payload.section(payload.section(entry, "NetworkSettings"), "Networks")
    return Holder(
        name=next((name for name in names if "/" not in name), instance_id[:12]),
        image_id=full_id(payload.text(entry, "ImageID")),
        networks=tuple({*networks, *([home] if isinstance(home, str) else [])}),
        volumes=tuple(
            str(mount["Name"])
            for mount in mounted
            if mount.get("Type") == "volume" and mount.get("Name")
        ),
    )


def _network(entry: Payload) -> HeldNetwork:
    written = payload.labels(entry, "Labels")
    return HeldNetwork(
        id=payload.text(entry, "Id"),
        name=payload.text(entry, "Name"),
        namespace=written.get(labels.NAMESPACE, ""),
        server_id=written.get(labels.SERVER, ""),
    )


def _volume(entry: Payload) -> HeldVolume:
    written = payload.labels(entry, "Labels")
    return HeldVolume(
        name=payload.text(entry, "Name"),
        namespace=written.get(labels.NAMESPACE, ""),
        server_id=written.get(labels.SERVER, ""),
    )
