"""Rules about volumes."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from ring.core.model.shares import share
from ring.core.rules.base import CAPABILITIES, rule
from ring.core.violations import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ring.core.model.spec import DeploymentSpec
    from ring.core.rules.base import Case, Finding

_READ_ONLY = frozenset({"config", "secret"})
VOLUME_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}")


@rule("deployment.volumes.source.required", "volumes[].source", "volumes[].type")
def source_required(case: Case) -> Iterator[Finding]:
    """absent"""
    for index, volume in case.each("volumes", case.spec.volumes):
        if volume.source is None:
            kind = "named" if volume.type == "volume" else volume.type
            yield ("volumes", index, "source"), f"source is required for {kind} volumes"


@rule("deployment.volumes.source.empty", "volumes[].source")
def source_empty(case: Case) -> Iterator[Finding]:
    """empty"""
    for index, volume in case.each("volumes", case.spec.volumes):
        if volume.source == "":
            yield ("volumes", index, "source"), "source cannot be empty"


@rule("deployment.volumes.source.not_absolute", "volumes[].source", "volumes[].type")
def source_not_absolute(case: Case) -> Iterator[Finding]:
    """`bind` and not starting with `/`"""
    for index, volume in case.each("volumes", case.spec.volumes):
        if volume.type == "bind" and volume.source and not volume.source.startswith("/"):
            text = f"source must be an absolute path, not {quoted(volume.source)}"
            yield ("volumes", index, "source"), text


@rule("deployment.volumes.source.format", "volumes[].source", "volumes[].type", "volumes[].driver")
def source_format(case: Case) -> Iterator[Finding]:
    """`volume` and not `^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}$`, nor `server:/path` with `nfs`"""
    for index, volume in case.each("volumes", case.spec.volumes):
        if volume.type != "volume" or not volume.source:
            continue
        if VOLUME_NAME.fullmatch(volume.source):
            continue
        if volume.driver != "nfs":
            text = "must be 1 to 255 letters, digits, '_', '.' or '-', a letter or digit first"
            yield ("volumes", index, "source"), f"{text}, not {quoted(volume.source)}"
        elif share(volume.source) is None:
            text = "must be 'server:/exported/path', or the name of a plugin's volume"
            yield ("volumes", index, "source"), f"{text}, not {quoted(volume.source)}"


@rule("deployment.volumes.key.required", "volumes[].key", "volumes[].type")
def key_required(case: Case) -> Iterator[Finding]:
    """`config`, absent"""
    for index, volume in case.each("volumes", case.spec.volumes):
        if volume.type == "config" and volume.key is None:
            yield ("volumes", index, "key"), "key is required for config volumes"


@rule("deployment.volumes.key.empty", "volumes[].key", "volumes[].type")
def key_empty(case: Case) -> Iterator[Finding]:
    """`config`, empty"""
    for index, volume in case.each("volumes", case.spec.volumes):
        if volume.type == "config" and volume.key == "":
            yield ("volumes", index, "key"), "key cannot be empty"


@rule("deployment.volumes.key.unexpected", "volumes[].key", "volumes[].type")
def key_unexpected(case: Case) -> Iterator[Finding]:
    """`secret`, non-empty"""
    for index, volume in case.each("volumes", case.spec.volumes):
        if volume.type == "secret" and volume.key:
            text = f"secret volumes have no key: remove {quoted(volume.key)}"
            yield ("volumes", index, "key"), text


@rule("deployment.volumes.relabel.unexpected", "volumes[].relabel", "volumes[].type")
def relabel_unexpected(case: Case) -> Iterator[Finding]:
    """not `bind`, and set"""
    for index, volume in case.each("volumes", case.spec.volumes):
        if volume.type != "bind" and volume.relabel is not None:
            text = f"{volume.type} volumes are not relabelled: only bind volumes are"
            yield ("volumes", index, "relabel"), text


@rule("deployment.volumes.permission.must_be_ro", "volumes[].permission", "volumes[].type")
def permission_must_be_ro(case: Case) -> Iterator[Finding]:
    """`config` or `secret`, and `rw`"""
    for index, volume in case.each("volumes", case.spec.volumes):
        if volume.type in _READ_ONLY and volume.permission == "rw":
            text = f"{volume.type} volumes must be read-only, not 'rw'"
            yield ("volumes", index, "permission"), text


@rule("deployment.volumes.destination.empty", "volumes[].destination")
def destination_empty(case: Case) -> Iterator[Finding]:
    """empty"""
    for index, volume in case.each("volumes", case.spec.volumes):
        if not volume.destination:
            yield ("volumes", index, "destination"), "destination cannot be empty"


@rule("deployment.volumes.destination.not_absolute", "volumes[].destination")
def destination_not_absolute(case: Case) -> Iterator[Finding]:
    """not starting with `/`"""
    for index, volume in case.each("volumes", case.spec.volumes):
        if volume.destination and not volume.destination.startswith("/"):
            text = f"destination must be an absolute path, not {quoted(volume.destination)}"
            yield ("volumes", index, "destination"), text


@rule("deployment.volumes.destination.duplicate", "volumes[].destination")
def destination_duplicate(case: Case) -> Iterator[Finding]:
    """same normalised path twice"""
    seen: dict[str, int] = {}
    for index, volume in case.each("volumes", case.spec.volumes):
        if not volume.destination.startswith("/"):
            continue
        path = normalised_path(volume.destination)
        first = seen.setdefault(path, index)
        if first != index:
            text = f"{quoted(path)} is already the destination of volumes[{first}]"
            yield ("volumes", index, "destination"), text


@rule("deployment.volumes.shared_rw_replicas", "volumes[].permission", "volumes[].type", "replicas")
def shared_rw_replicas(case: Case) -> Iterator[Finding]:
    """`type: volume`, `rw`, and `replicas > 1` or `autoscale.max > 1`"""
    count = most_instances(case.spec)
    if count <= 1:
        return
    for index, volume in case.each("volumes", case.spec.volumes):
        if volume.type == "volume" and volume.permission != "ro":
            text = f"a writable named volume shared by {count} instances corrupts data: use 'ro'"
            yield ("volumes", index, "permission"), text


@rule("deployment.volumes.{runtime}_limit", "volumes", CAPABILITIES)
def volume_limit(case: Case) -> Iterator[Finding]:
    """more than the runtime can attach"""
    count, most = len(case.spec.volumes), case.capabilities.max_volumes
    if most is not None and count > most:
        yield ("volumes",), f"{count} volumes: {case.spec.runtime} takes at most {most}"


VOLUMES = (
    source_required,
    source_empty,
    source_not_absolute,
    source_format,
    key_required,
    key_empty,
    key_unexpected,
    relabel_unexpected,
    permission_must_be_ro,
    destination_empty,
    destination_not_absolute,
    destination_duplicate,
    shared_rw_replicas,
    volume_limit,
)


def normalised_path(path: str) -> str:
    """An absolute path without doubled, trailing and `.` or `..` parts."""
    return posixpath.normpath("/" + path.lstrip("/"))


def most_instances(spec: DeploymentSpec) -> int:
    """How many instances there may be at once, rollouts aside."""
    return max(spec.replicas, spec.autoscale.max if spec.autoscale else 0)
