"""Why an image did not come, as the failure classes of the model: the causes there are, the texts
an engine tells them in, and what is said of each."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, assert_never

from ring.core.model.failures import FailureClass
from ring.runtimes.base import RuntimeFailure
from ring.runtimes.images import references, retry_after

if TYPE_CHECKING:
    from ring.runtimes.base import Login
    from ring.runtimes.images.references import Reference

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
_QUALIFIED = re.compile(r"[/:@.]")


class Cause(enum.Enum):
    """Why a registry gives no image."""

    NOT_FOUND = enum.auto()
    DENIED = enum.auto()
    LIMITED = enum.auto()
    UNREACHABLE = enum.auto()
    BROKEN_OFF = enum.auto()
    TOO_SLOW = enum.auto()
    OTHER = enum.auto()


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
    text = _mentions(reference).sub("", problem.text.lower())
    retry_after_s = problem.retry_after_s or retry_after.in_text(text) or 0.0
    cause = _cause(text, problem.status)
    return told(reference, cause, problem.text, login, retry_after_s=retry_after_s)


def told(
    reference: Reference, cause: Cause, text: str, login: Login | None, *, retry_after_s: float = 0
) -> RuntimeFailure:
    """Why an image did not come, where the cause is known; `text` is what the registry says.

    Only a limit is waited for: whoever refuses for another reason is asked again as usual.
    """
    image = reference.written
    match cause:
        case Cause.NOT_FOUND:
            return not_found(reference, text)
        case Cause.LIMITED:
            limit = f"the registry allows no more for now (original error: {text})"
            return _pull_failed(image, limit, retry_after_s)
        case Cause.DENIED:
            source = login.source if login else "config.server, config.username and config.password"
            detail = (
                f"registry authentication failed for '{image}': check {source} "
                f"(original error: {text})"
            )
        case Cause.UNREACHABLE:
            detail = f"cannot reach the registry for '{image}' (original error: {text})"
        case Cause.BROKEN_OFF:
            detail = f"the registry broke it off (original error: {text})"
        case Cause.TOO_SLOW:
            detail = f"the registry is too slow (original error: {text})"
        case Cause.OTHER:
            detail = text
        case _ as never:
            assert_never(never)
    return _pull_failed(image, detail)


def _cause(text: str, status: int) -> Cause:
    """Of a text in small letters. A registry's own code says more than its words, which are
    anybody's."""
    if status == HTTPStatus.TOO_MANY_REQUESTS or _LIMITED.search(text):
        return Cause.LIMITED
    looked_for = (
        (_NOT_FOUND, Cause.NOT_FOUND),
        (_DENIED, Cause.DENIED),
        (_UNREACHABLE, Cause.UNREACHABLE),
        (_BROKEN_OFF, Cause.BROKEN_OFF),
    )
    return next((cause for pattern, cause in looked_for if pattern.search(text)), Cause.OTHER)


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
    named = sorted({re.escape(name.lower()) for name in names if _QUALIFIED.search(name)}, key=len)
    return re.compile(rf"(?<!\w)(?:{'|'.join(reversed(named))})(?!\w)")


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
