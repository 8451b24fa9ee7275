"""The process that a command inside a container is, made of the container's own: OCI runtime spec,
`process`, https://github.com/opencontainers/runtime-spec/blob/v1.0.2/config.md#process."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from google.protobuf.any_pb2 import Any as Packed

from ring.core.model.commands import MARK
from ring.core.model.failures import FailureClass
from ring.runtimes.base import RuntimeFailure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ring.core.model.commands import Command
    from ring.runtimes.containerd.oci.users import ResolvedUser

_TYPE: Final = "types.containerd.io/opencontainers/runtime-spec/1/Process"
_TERMINAL: Final = "xterm"
"""What every engine says a terminal is, where nobody says."""
_HELD: Final = ("effective", "permitted")
_PASSED_ON: Final = ("inheritable", "ambient")


def own_process(spec: bytes) -> Mapping[str, object]:
    """Of a container, as its spec has it. Raises RuntimeFailure."""
    try:
        told = json.loads(spec)
        process = told["process"]
    except (ValueError, TypeError, KeyError) as error:
        raise _unreadable() from error
    return _section(process)


def environment(process: Mapping[str, object]) -> dict[str, str]:
    entries = (entry.partition("=") for entry in _texts(process.get("env")))
    return {name: value for name, _, value in entries}


def of_command(
    process: Mapping[str, object], command: Command, mark: str, user: ResolvedUser | None
) -> Packed:
    """As the command is to run: what it does not say is the container's own.

    user: None: the container's own.
    """
    variables = {"TERM": _TERMINAL} if command.has_terminal else {}
    variables |= environment(process)
    if user is not None:
        variables["HOME"] = user.home
    variables |= {**command.environment, MARK: mark}
    made: dict[str, object] = {
        **process,
        "args": list(command.argv),
        "terminal": command.has_terminal,
        "env": [f"{name}={value}" for name, value in variables.items()],
    }
    made.pop("consoleSize", None)
    if command.has_terminal and command.size is not None:
        made["consoleSize"] = {"height": command.size.rows, "width": command.size.columns}
    if command.directory:
        made["cwd"] = command.directory
    if user is not None:
        gids = list(user.additional_gids)
        made["user"] = {"uid": user.uid, "gid": user.gid, "additionalGids": gids}
        if "capabilities" in process:
            own = _section(process["capabilities"])
            made["capabilities"] = _capabilities(own, is_root=user.uid == 0)
    return Packed(type_url=_TYPE, value=json.dumps(made).encode())


def _capabilities(own: Mapping[str, object], *, is_root: bool) -> dict[str, object]:
    """What the kernel would leave of them: all that may be held to root, none to others."""
    bounding = _texts(own.get("bounding"))
    held = {name: bounding if is_root else [] for name in _HELD}
    return {**own, **held, **{name: [] for name in _PASSED_ON}}


def _section(value: object) -> Mapping[str, object]:
    if isinstance(value, dict):
        return value
    raise _unreadable()


def _texts(value: object) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _unreadable() -> RuntimeFailure:
    return RuntimeFailure(FailureClass.OTHER, "the instance's own spec cannot be read")
