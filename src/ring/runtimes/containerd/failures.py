"""What containerd says went wrong with a container, as the failure classes of the model."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ring.core.model.failures import FailureClass
from ring.runtimes.base import RuntimeFailure
from ring.runtimes.containerd.client import Refused

if TYPE_CHECKING:
    from ring.core.errors import EngineError

_OF_THE_RUNTIME: Final = re.compile(r"OCI runtime|runc |unable to start container process")
"""How the OCI runtime's own errors begin, which the shim hands on."""
_NOISE: Final = re.compile(r"^(?:failed to create shim(?: task)?|failed to start): ?")
_NO_SPACE: Final = "no space left on device"


def of_start(act: str, error: EngineError) -> RuntimeFailure:
    """act: `start instance x`. What the OCI runtime does not say itself is nobody's mistake."""
    text = _NOISE.sub("", error.message)
    if _NO_SPACE in text:
        return RuntimeFailure(FailureClass.FILE_SYSTEM, text)
    if _OF_THE_RUNTIME.search(text):
        return RuntimeFailure(FailureClass.INSTANCE_REJECTED, text)
    return of_call(act, error)


def of_create(act: str, error: Refused) -> RuntimeFailure:
    """What containerd itself takes for no container was not what was ordered: a label is too
    long."""
    if error.code == "INVALID_ARGUMENT":
        return RuntimeFailure(FailureClass.INSTANCE_REJECTED, f"cannot {act}: {error.message}")
    return of_call(act, error)


def of_call(act: str, error: EngineError) -> RuntimeFailure:
    """A refusal that no class of its own fits."""
    if _NO_SPACE in error.message:
        return RuntimeFailure(FailureClass.FILE_SYSTEM, error.message)
    return RuntimeFailure(FailureClass.OTHER, f"cannot {act}: {error.message}")


def is_of_full_disk(error: BaseException | None) -> bool:
    """Whether containerd refused for want of space, also where that was made another error."""
    while error is not None:
        if isinstance(error, Refused) and _NO_SPACE in error.message:
            return True
        error = error.__cause__
    return False
