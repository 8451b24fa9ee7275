"""What belongs to one Ring server, or may, and to nothing that it knows of any more.

Only what carries this server's id is certainly its own, and may be removed when somebody asks for
it; what carries none is told of and left alone; what carries another's is nobody's business here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ring.core.model.ids import DeploymentId
    from ring.core.model.observed import Instance
    from ring.core.model.stock import HeldNetwork, HeldVolume, Holder

NOBODYS = "it carries no server's id, so it may be another Ring server's"


class Kind(StrEnum):
    """In the order in which they can be removed."""

    INSTANCE = "instance"
    NETWORK = "network"
    DIRECTORY = "directory"
    VOLUME = "volume"


@dataclass(frozen=True, slots=True)
class Orphan:
    kind: Kind
    runtime: str | None
    """None: it is this machine's."""
    key: str
    """What the runtime, or the file system, knows it by."""
    name: str
    why: str
    """What it belongs to, and that this is gone."""
    kept: str | None = None
    """Why it is not removed on request either."""
    deployment_id: DeploymentId | None = None
    """Of an instance."""

    @property
    def id(self) -> str:
        return f"{self.kind}:{self.runtime or ''}:{self.key}"


@dataclass(frozen=True, slots=True)
class Known:
    """What a server knows of."""

    server_id: str
    deployments: frozenset[str]
    """Ids of rows that are not purged."""
    purged: frozenset[str]
    """Ids of rows that were, lately: what is left of those is the server's own."""
    namespaces: frozenset[str]
    """In which there is a row that is not purged."""
    volumes: frozenset[tuple[str, str]]
    """Namespace and name of those in the registry."""


class KeptDirectory(NamedTuple):
    """Files that were made for the instances of a deployment."""

    deployment_id: str
    server_id: str
    """Who made them; empty where nothing says so."""


class Held(NamedTuple):
    """What one runtime holds."""

    runtime: str
    instances: Sequence[Instance]
    networks: Sequence[HeldNetwork]
    volumes: Sequence[HeldVolume]
    holders: Sequence[Holder]


def without_orphans(known: Known, held: Held) -> Held:
    """What is held once the orphaned instances that may go have gone."""
    going = [orphan for orphan in _instances(known, held) if orphan.kept is None]
    ids, names = {orphan.key for orphan in going}, {orphan.name for orphan in going}
    return held._replace(
        instances=[one for one in held.instances if one.id not in ids],
        holders=[one for one in held.holders if one.name not in names],
    )


def of_runtime(known: Known, held: Held, left: Held) -> tuple[Orphan, ...]:
    """left: what is, or will be, held where it comes to what keeps a network or volume."""
    return (*_instances(known, held), *_networks(known, left), *_volumes(known, left))


def of_files(
    known: Known, directories: Iterable[KeptDirectory], instances: Iterable[Instance]
) -> tuple[Orphan, ...]:
    """instances: of all runtimes, whoever made them: what they mount stays."""
    mounted = {str(instance.deployment_id) for instance in instances}
    found = []
    for directory in directories:
        owner = directory.deployment_id
        is_purged = owner in known.purged
        if owner in known.deployments or not (is_purged or _may_be_ours(known, directory)):
            continue
        kept = None
        if not is_purged and not directory.server_id:
            kept = NOBODYS
        elif owner in mounted:
            kept = "an instance still mounts what is in it"
        why = f"no deployment {owner} is known"
        found.append(Orphan(Kind.DIRECTORY, None, owner, owner, why, kept))
    return tuple(found)


def _instances(known: Known, held: Held) -> Iterator[Orphan]:
    """Those of a row that was purged lately go by themselves; not what may be somebody's copy."""
    for instance in held.instances:
        owner = instance.deployment_id
        if owner in known.deployments or not _may_be_ours(known, instance):
            continue
        if instance.server_id and owner in known.purged and not instance.has_other_name:
            continue
        kept = None if instance.server_id else NOBODYS
        why = f"no deployment {owner} is known"
        yield Orphan(
            Kind.INSTANCE, held.runtime, instance.id, instance.name, why, kept, deployment_id=owner
        )


def _networks(known: Known, held: Held) -> Iterator[Orphan]:
    used = _names(holder.networks for holder in held.holders)
    for network in held.networks:
        is_used = {network.name, network.id} & used
        if network.namespace in known.namespaces or is_used or not _may_be_ours(known, network):
            continue
        kept = None if network.server_id else NOBODYS
        why = f"namespace '{network.namespace}' has no deployment, and nothing is on it"
        yield Orphan(Kind.NETWORK, held.runtime, network.id, network.name, why, kept)


def _volumes(known: Known, held: Held) -> Iterator[Orphan]:
    used = _names(holder.volumes for holder in held.holders)
    for volume in held.volumes:
        is_known = (volume.namespace, volume.name) in known.volumes
        if is_known or volume.name in used or not _may_be_ours(known, volume):
            continue
        why = f"it is not in the register of namespace '{volume.namespace}', and nothing uses it"
        kept = "it may hold data"
        yield Orphan(Kind.VOLUME, held.runtime, volume.name, volume.name, why, kept)


def _names(lists: Iterable[Sequence[str]]) -> set[str]:
    return {name for names in lists for name in names}


def _may_be_ours(known: Known, thing: Instance | HeldNetwork | HeldVolume | KeptDirectory) -> bool:
    return thing.server_id in {"", known.server_id}
