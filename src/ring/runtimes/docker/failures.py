"""What the engine says went wrong, as the failure classes of the model.

Engines tell the cause in prose, with statuses that differ between versions; every text that is
looked for stands here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from ring.core.model.failures import FailureClass
from ring.runtimes.base import Gone, NameTaken, RuntimeFailure, Unavailable
from ring.runtimes.docker import references, retry_after, rights

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ring.core.errors import EngineError
    from ring.runtimes.base import Login
    from ring.runtimes.docker.connection import Answer
    from ring.runtimes.docker.references import Reference

_NOT_FOUND = re.compile(r"\b404\b|not found|manifest unknown|name unknown")
_DENIED = re.compile(
    r"unauthorized|authentication required|denied|forbidden|no basic auth credentials"
)
_UNREACHABLE = re.compile(
    r"connection refused|no such host|dial tcp|timeout|connection reset"
    r"|network is unreachable|server misbehaving|x509|tls:"
)
_LIMITED = re.compile(r"\b(toomanyrequests|too many requests|(?:http )?status(?: ?code)?:? 429)\b")
_BROKEN_OFF = re.compile(r"unexpected eof|broken pipe")
_PORT_BUSY = re.compile(r"already allocated|address already in use")
_BUSY_PORT = re.compile(r":(\d+)(?: failed: port is already allocated|: bind: address already in)")
_QUALIFIED = re.compile(r"[/:@.]")
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


@dataclass(frozen=True, slots=True)
class Problem:
    """What ended a pull."""

    text: str
    status: int = HTTPStatus.OK
    """Of the engine's answer: most of what goes wrong is told after it has begun."""
    retry_after_s: float | None = None


def of_pull(
    reference: Reference, problem: Problem | str, login: Login | None = None
) -> RuntimeFailure:
    """Why an image did not come, from what the engine or registry says.

    The reference is taken out first: a tag `404` or a repository `forbidden` is no cause.
    """
    if isinstance(problem, str):
        problem = Problem(problem)
    text = problem.text
    cause = _mentions(reference).sub("", text.lower())
    image = reference.written
    # A registry's own code says more than its words, which are anybody's.
    if problem.status == HTTPStatus.TOO_MANY_REQUESTS or _LIMITED.search(cause):
        return _pull_failed(
            image,
            f"the registry allows no more for now (original error: {text})",
            problem.retry_after_s or retry_after.in_text(cause) or 0.0,
        )
    if _NOT_FOUND.search(cause):
        return not_found(reference, text)
    if _DENIED.search(cause):
        source = login.source if login else "config.server, config.username and config.password"
        return _pull_failed(
            image,
            f"registry authentication failed for '{image}': check {source} "
            f"(original error: {text})",
        )
    if _UNREACHABLE.search(cause):
        return _pull_failed(
            image, f"cannot reach the registry for '{image}' (original error: {text})"
        )
    if _BROKEN_OFF.search(cause):
        return _pull_failed(image, f"the registry broke it off (original error: {text})")
    return _pull_failed(image, text)


def _mentions(reference: Reference) -> re.Pattern[str]:
    """Where a text names the image, its repository or its registry: whole, and never as one word.

    A lone word such as `denied` may be the image, and may as well be the cause.
    """
    full = references.normalised(reference.repository)
    host, _, path = full.partition("/")
    repositories = (full, path, reference.repository)
    names = (
        reference.written,
        *(f"{name}{mark}{reference.version}" for name in repositories for mark in (":", "@")),
        f"v2/{path}/manifests/{reference.version}",
        *repositories,
        host,
    )
    told = sorted({re.escape(name.lower()) for name in names if _QUALIFIED.search(name)}, key=len)
    return re.compile(rf"(?<!\w)(?:{'|'.join(reversed(told))})(?!\w)")


def not_found(reference: Reference, detail: str) -> RuntimeFailure:
    return RuntimeFailure(
        FailureClass.IMAGE_NOT_FOUND, f"Image '{reference.written}' not found: {detail}"
    )


def stalled(reference: Reference, idle_s: float) -> RuntimeFailure:
    """A pull without progress."""
    return _pull_failed(reference.written, f"no progress for {idle_s:.0f} s")


def _pull_failed(image: str, detail: str, retry_after_s: float = 0.0) -> RuntimeFailure:
    message = f"Failed to pull image '{image}': {detail}"
    return RuntimeFailure(FailureClass.IMAGE_PULL_FAILED, message, retry_after_s)
