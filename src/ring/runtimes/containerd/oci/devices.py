"""Devices: those that every instance may use, those of an order, and all of the host's."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ring.core.model.failures import FailureClass
from ring.runtimes.base import RuntimeFailure

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ring.core.model.spec import Device

DIRECTORY: Final = Path("/dev")
_NOT_DEVICES: Final = frozenset(
    {"pts", "shm", "fd", "mqueue", ".lxc", ".lxd-mounts", ".udev", "console"}
)
"""Of the host's, which the OCI runtime makes anew."""
_MEMORY_DEVICES: Final = ((1, 3), (1, 5), (1, 7), (1, 8), (1, 9))
"""null, zero, full, random, urandom."""
_TERMINALS: Final = ((5, 0), (5, 1), (5, 2), (136, None))
"""tty, console, ptmx, and every pseudo terminal."""


def default_rules() -> list[dict[str, object]]:
    """The allow-list of the device cgroup: later ones win."""
    rules: list[dict[str, object]] = [
        {"allow": False, "access": "rwm"},
        # Making a node is no use of it.
        {"allow": True, "type": "c", "access": "m"},
        {"allow": True, "type": "b", "access": "m"},
    ]
    for major, minor in (*_MEMORY_DEVICES, *_TERMINALS):
        number = {"major": major} if minor is None else {"major": major, "minor": minor}
        rules.append({"allow": True, "type": "c", **number, "access": "rwm"})
    return rules


def all_rules() -> list[dict[str, object]]:
    return [{"allow": True, "access": "rwm"}]


def nodes(devices: Sequence[Device]) -> list[tuple[dict[str, object], str]]:
    """Each device of the order with its permissions; all that are below one that is a folder.

    Raises RuntimeFailure(INSTANCE_REJECTED) for one that this host does not have.
    """
    found = []
    for device in devices:
        inside = device.destination or device.source
        below = [(node, device.permissions) for node in _named(device.source, inside)]
        if not below:
            raise _rejected(device.source, "there is no device in it")
        found += below
    return found


def rule(node: dict[str, object], permissions: str) -> dict[str, object]:
    """What lets an instance use a device."""
    numbers = {key: node[key] for key in ("type", "major", "minor")}
    return {"allow": True, **numbers, "access": permissions}


def of_the_host(directory: Path = DIRECTORY) -> list[dict[str, object]]:
    """Every device of the host."""
    return [node for path in _below(directory) if (node := _node(path, os.fspath(path)))]


def _named(source: str, inside: str) -> Iterator[dict[str, object]]:
    path = Path(os.path.realpath(source))
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise _rejected(source, error.strerror or "it cannot be looked at") from error
    if stat.S_ISDIR(mode):
        for below in _below(path):
            if node := _node(below, os.path.join(inside, below.relative_to(path))):  # noqa: PTH118
                yield node
        return
    node = _node(path, inside)
    if node is None:
        raise _rejected(source, "it is no device")
    yield node


def _below(directory: Path) -> Iterator[Path]:
    for folder, names, files in os.walk(directory):
        names[:] = sorted(name for name in names if name not in _NOT_DEVICES)
        for name in sorted(files):
            if name not in _NOT_DEVICES:
                yield Path(folder, name)


def _node(path: Path, inside: str) -> dict[str, object] | None:
    """None: it is none, or gone meanwhile. A link to one is not it."""
    try:
        told = path.lstat()
    except OSError:
        return None
    if stat.S_ISCHR(told.st_mode):
        kind = "c"
    elif stat.S_ISBLK(told.st_mode):
        kind = "b"
    else:
        return None
    return {
        "path": inside,
        "type": kind,
        "major": os.major(told.st_rdev),
        "minor": os.minor(told.st_rdev),
        "fileMode": stat.S_IMODE(told.st_mode),
        "uid": told.st_uid,
        "gid": told.st_gid,
    }


def _rejected(source: str, why: str) -> RuntimeFailure:
    return RuntimeFailure(
        FailureClass.INSTANCE_REJECTED, f"cannot give the device '{source}' of the host: {why}"
    )
