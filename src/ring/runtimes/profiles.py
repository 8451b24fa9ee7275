"""The seccomp profile that a spec names by its path on this host.

One that is not there ends the creation: never an instance without it.
"""

from __future__ import annotations

import asyncio
import json
import os
import stat
from typing import TYPE_CHECKING, Final

from ring.core.model.failures import FailureClass
from ring.runtimes.base import RuntimeFailure

if TYPE_CHECKING:
    from ring.core.model.spec import DeploymentSpec

LARGEST_BYTES: Final = 1024 * 1024
"""Of a profile; the engine's own has some 14 KB."""
_OPEN = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK  # a pipe must not hold the reader


async def seccomp(spec: DeploymentSpec) -> str | None:
    """The JSON of the profile whose path the spec names, if it names one, without its spaces.

    Raises RuntimeFailure(INSTANCE_REJECTED), which names the file and quotes nothing of it.
    """
    path = spec.security.seccomp if spec.security else None
    if path is None or not path.startswith("/"):
        return None
    return await asyncio.to_thread(_profile, path)


def _profile(path: str) -> str:
    try:
        content = _content(path)
    except OSError as error:
        raise _rejected(
            f"cannot read the seccomp profile '{path}' on the server's host: {error.strerror}"
        ) from error
    try:
        profile = json.loads(content)
    except (ValueError, RecursionError):
        profile = None
    if not isinstance(profile, dict) or not isinstance(profile.get("defaultAction"), str):
        raise _rejected(f"'{path}' is not a seccomp profile: a JSON object with a defaultAction")
    return json.dumps(profile, separators=(",", ":"))


def _content(path: str) -> bytes:
    with os.fdopen(os.open(path, _OPEN), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise _rejected(f"the seccomp profile '{path}' is not a regular file")
        content = file.read(LARGEST_BYTES + 1)
    if len(content) > LARGEST_BYTES:
        raise _rejected(f"the seccomp profile '{path}' is larger than {LARGEST_BYTES} bytes")
    return content


def _rejected(message: str) -> RuntimeFailure:
    return RuntimeFailure(FailureClass.INSTANCE_REJECTED, message)
