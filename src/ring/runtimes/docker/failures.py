"""What the engine says went wrong, as the failure classes of the model.

Engines tell the cause in prose, with statuses that differ between versions; every text that is
looked for stands here, but for those of pulls (see `ring.runtimes.images.refusals`).
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING

from ring.core.model.failures import FailureClass
from ring.runtimes.base import Gone, NameTaken, RuntimeFailure, Unavailable
from ring.runtimes.docker import rights

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ring.core.errors import EngineError
    from ring.runtimes.docker.connection import Answer

_PORT_BUSY = re.compile(r"already allocated|address already in use")
_BUSY_PORT = re.compile(r":(\d+)(?: failed: port is already allocated|: bind: address already in)")
_MODULE = re.compile(r"apparmor|selinux|/attr/", re.IGNORECASE)
# What is wrong with a request is to Podman mostly an error of its own, by its status.
_PODMANS_GONE = r"network with name or ID (\S+): network not found"
_NETWORK_GONE: Mapping[int, re.Pattern[str]] = {
    HTTPStatus.NOT_FOUND: re.compile(rf"{_PODMANS_GONE}|network (\S+) not found"),
    HTTPStatus.INTERNAL_SERVER_ERROR: re.compile(_PODMANS_GONE),
}
_NAME_TAKEN: Mapping[int, re.Pattern[str]] = {
    HTTPStatus.CONFLICT: re.compile("already in use"),
    HTTPStatus.INTERNAL_SERVER_ERROR: re.compile(r"\bname \S+ is already in use"),
}


def refused(act: str, answer: Answer) -> RuntimeFailure:
    """A refusal that no class of its own fits."""
    return unless_away(answer) or RuntimeFailure(
        FailureClass.OTHER, f"cannot {act}: {answer.message}"
    )


def unless_away(answer: Answer) -> Unavailable | None:
    """An engine that starts or stops answers 503 to everything.

    What is no refusal, and not what its API promises either, tells as little.
    """
    if answer.status == HTTPStatus.SERVICE_UNAVAILABLE:
        return Unavailable(f"the engine does not serve now: {answer.message}")
    if answer.status < HTTPStatus.BAD_REQUEST:
        return Unavailable(f"the engine's answer is not as its API describes: {answer.status}")
    return None


def of_create(answer: Answer, image: str, name: str) -> EngineError:
    """Why a container was not created."""
    message = answer.message
    if _found(_NAME_TAKEN, answer):
        return NameTaken(f"there is an instance '{name}' already")
    if answer.status == HTTPStatus.NOT_FOUND and "no such image" in message.lower():
        return RuntimeFailure(FailureClass.IMAGE_NOT_FOUND, f"Image '{image}' not found: {message}")
    return of_start(answer)


def of_start(answer: Answer) -> EngineError:
    """Why a container was not started."""
    message = answer.message
    if away := unless_away(answer):
        return away
    if answer.status == HTTPStatus.NOT_FOUND and "no such container" in message.lower():
        return Gone(message)
    if missing_network(answer):
        return RuntimeFailure(FailureClass.NETWORK_FAILED, message)
    if _PORT_BUSY.search(message):
        port = _BUSY_PORT.search(message)
        which = f"port {port[1]}" if port else "a published port"
        return RuntimeFailure(FailureClass.PORT_IN_USE, f"{which} is already allocated")
    if "no space left on device" in message:
        return RuntimeFailure(FailureClass.FILE_SYSTEM, message)
    return RuntimeFailure(FailureClass.INSTANCE_REJECTED, rights.explained(message))


def is_of_a_module(answer: Answer) -> bool:
    """Whether AppArmor or SELinux refuses: the text says so, and not what was asked of it."""
    return bool(_MODULE.search(answer.message))


def missing_network(answer: Answer) -> str | None:
    """The network that a create or start did not find."""
    found = _found(_NETWORK_GONE, answer)
    return found[found.lastindex or 0] if found else None


def is_of_the_moment(answer: Answer) -> bool:
    """Podman looks at all interfaces when it makes a network; one may just be going."""
    return "no such network interface" in answer.message


def is_no_image(answer: Answer) -> bool:
    """Podman finds one, and then no more, when somebody removes it just then."""
    return answer.status == HTTPStatus.NOT_FOUND or "image not known" in answer.message


def is_paused(answer: Answer) -> bool:
    """Podman stops nothing that is paused."""
    return answer.status == HTTPStatus.INTERNAL_SERVER_ERROR and "paused" in answer.message


def _found(told: Mapping[int, re.Pattern[str]], answer: Answer) -> re.Match[str] | None:
    """What the engine says under this status, if it is what is looked for."""
    pattern = told.get(answer.status)
    return pattern.search(answer.message) if pattern else None
