"""What the engine says went wrong, as the failure classes of the model.

Engines tell the cause in prose, with statuses that differ between versions; every text that is
looked for stands here.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING

from ring.core.model.failures import FailureClass
from ring.runtimes.base import Gone, NameTaken, RuntimeFailure, Unavailable
from ring.runtimes.docker import references

if TYPE_CHECKING:
    from ring.core.errors import EngineError
    from ring.runtimes.base import Login
    from ring.runtimes.docker.connection import Answer
    from ring.runtimes.docker.references import Reference

_NOT_FOUND = re.compile(r"\b404\b|not found|manifest unknown")
_DENIED = re.compile(
    r"unauthorized|authentication required|denied|forbidden|no basic auth credentials"
)
_UNREACHABLE = re.compile(
    r"connection refused|no such host|dial tcp|timeout|connection reset"
    r"|network is unreachable|server misbehaving|x509|tls:"
)
_BROKEN_OFF = re.compile(r"unexpected eof|broken pipe")
_PORT_BUSY = re.compile(r"already allocated|address already in use")
_BUSY_PORT = re.compile(r":(\d+)(?: failed: port is already allocated|: bind: address already in)")
_QUALIFIED = re.compile(r"[/:@.]")
_NETWORK_GONE = re.compile(r"network (\S+) not found")


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
    if answer.status == HTTPStatus.CONFLICT and "already in use" in message:
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
    return RuntimeFailure(FailureClass.INSTANCE_REJECTED, message)


def missing_network(answer: Answer) -> str | None:
    """The network that a create or start did not find."""
    if answer.status != HTTPStatus.NOT_FOUND:
        return None
    found = _NETWORK_GONE.search(answer.message)
    return found[1] if found else None


def of_pull(reference: Reference, text: str, login: Login | None = None) -> RuntimeFailure:
    """Why an image did not come, from the text of the engine or registry.

    The reference is taken out first: a tag `404` or a repository `forbidden` is no cause.
    """
    cause = _mentions(reference).sub("", text.lower())
    image = reference.written
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
    if "toomanyrequests" in cause or "too many requests" in cause:
        return _pull_failed(image, f"the registry allows no more for now (original error: {text})")
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


def _pull_failed(image: str, detail: str) -> RuntimeFailure:
    return RuntimeFailure(
        FailureClass.IMAGE_PULL_FAILED, f"Failed to pull image '{image}': {detail}"
    )
