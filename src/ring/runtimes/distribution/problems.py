"""What goes wrong with a registry, as a cause and a text for people.

A registry's own error codes (OCI Distribution Specification 1.1, "Error Codes") say more than the
status of its answer, and that more than any words.
"""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from ring.core.errors import RingError
from ring.runtimes.images import retry_after
from ring.runtimes.images.refusals import Cause

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LONGEST_TEXT: Final = 2000
_MOST_ERRORS: Final = 5
_CREDENTIALS: Final = re.compile(r"\b(basic|bearer)\s+[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE)
_CODES: Final[Mapping[str, Cause]] = {
    "TOOMANYREQUESTS": Cause.LIMITED,
    "UNAUTHORIZED": Cause.DENIED,
    "DENIED": Cause.DENIED,
    "MANIFEST_UNKNOWN": Cause.NOT_FOUND,
    "MANIFEST_BLOB_UNKNOWN": Cause.NOT_FOUND,
    "BLOB_UNKNOWN": Cause.NOT_FOUND,
    "NAME_UNKNOWN": Cause.NOT_FOUND,
    "NAME_INVALID": Cause.NOT_FOUND,
    "TAG_INVALID": Cause.NOT_FOUND,
    "NOT_FOUND": Cause.NOT_FOUND,
}
_STATUSES: Final[Mapping[int, Cause]] = {
    HTTPStatus.UNAUTHORIZED: Cause.DENIED,
    HTTPStatus.FORBIDDEN: Cause.DENIED,
    HTTPStatus.NOT_FOUND: Cause.NOT_FOUND,
}


class RegistryProblem(RingError):
    """A registry did not give what it was asked for."""

    def __init__(self, cause: Cause, text: str, retry_after_s: float = 0.0) -> None:
        """text: without secrets; of an unreachable registry it never says `not found`."""
        super().__init__(text)
        self.cause = cause
        self.text = text
        self.retry_after_s = retry_after_s


def of_answer(
    host: str, status: int, headers: Mapping[str, str], body: bytes = b""
) -> RegistryProblem:
    """Why this is no answer to what was asked; `body` may be cut off, or be no JSON at all."""
    errors = tuple(_errors(body))
    causes = [_CODES[code] for code, _ in errors if code in _CODES]
    if status == HTTPStatus.TOO_MANY_REQUESTS or Cause.LIMITED in causes:
        cause = Cause.LIMITED
    else:
        cause = causes[0] if causes else _STATUSES.get(status, Cause.OTHER)
    said = "; ".join(_shown(code, message) for code, message in errors[:_MOST_ERRORS])
    text = f"{host}: {said or f'it answers {_named(status)}'}"[:LONGEST_TEXT]
    wait_s = 0.0
    if cause is Cause.LIMITED:
        wait_s = retry_after.in_headers(headers) or retry_after.in_text(text) or 0.0
    return RegistryProblem(cause, text, wait_s)


def _errors(body: bytes) -> Iterator[tuple[str, str]]:
    """Codes and messages, of `{"errors": [{"code": …, "message": …}]}`.

    Token services also write `{"details": …}` and OAuth 2.0's `{"error_description": …}`.
    """
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return
    if not isinstance(answer, dict):
        return
    errors = answer.get("errors")
    for error in errors if isinstance(errors, list) else []:
        told = error if isinstance(error, dict) else {}
        code, message = _line(told.get("code")).upper(), _line(told.get("message"))
        if code or message:
            yield code, message
    for key in ("details", "error_description"):
        if text := _line(answer.get(key)):
            yield "", text


def _line(value: object) -> str:
    """Text on one line that any terminal may show, without what it quotes of a request's
    credentials; empty for what is no text."""
    words = value[:LONGEST_TEXT].split() if isinstance(value, str) else ()
    text = "".join(character for character in " ".join(words) if character.isprintable())
    return _CREDENTIALS.sub(r"\1 ***", text)


def _shown(code: str, message: str) -> str:
    """As engines show it: `manifest unknown: no such tag`."""
    words = code.lower().replace("_", " ")
    return f"{words}: {message}" if words and message else words or message


def _named(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"{status}"
