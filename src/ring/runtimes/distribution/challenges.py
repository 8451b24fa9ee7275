"""`WWW-Authenticate`: how a server wants to be told who asks (RFC 9110, 11.6.1)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_TOKEN: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105, RFC 9110's name for a word
_QUOTED: Final = r'"(?:[^"\\]|\\.)*"'
# An address without quotes is against the rules, and understood by everybody.
_PARAMETER: Final = re.compile(rf"({_TOKEN})[ \t]*=[ \t]*({_QUOTED}|[^\s\",]+)(?=[ \t]*(?:,|$))")
_SCHEME: Final = re.compile(rf"({_TOKEN})(?=[ \t,]|$)")
_TOKEN68: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*(?=[ \t]*(?:,|$))")
_BETWEEN: Final = re.compile(r"[ \t,]*")
_ESCAPED: Final = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class Challenge:
    """One way of telling; names are in small letters."""

    scheme: str
    parameters: Mapping[str, str]


def parsed(headers: Iterable[str]) -> tuple[Challenge, ...]:
    """In the order they stand in; a header may hold several. Ends at what cannot be read."""
    return tuple(challenge for header in headers for challenge in _challenges(header))


def _challenges(header: str) -> Iterator[Challenge]:
    at = _past_separators(header, 0)
    while scheme := _SCHEME.match(header, at):
        parameters: dict[str, str] = {}
        at = _past_separators(header, scheme.end())
        # What may follow a scheme in place of parameters is looked at by nobody here.
        if not _PARAMETER.match(header, at) and (blob := _blob(header, scheme.end(), at)):
            at = _past_separators(header, blob)
        while parameter := _PARAMETER.match(header, at):
            parameters.setdefault(parameter[1].lower(), _value(parameter[2]))
            at = _past_separators(header, parameter.end())
        yield Challenge(scheme[1].lower(), parameters)


def _blob(header: str, after_scheme: int, at: int) -> int | None:
    """Where a token68 ends that follows the scheme with nothing but spaces between."""
    if "," in header[after_scheme:at]:
        return None
    found = _TOKEN68.match(header, at)
    return found.end() if found else None


def _past_separators(header: str, at: int) -> int:
    found = _BETWEEN.match(header, at)
    return found.end() if found else at


def _value(written: str) -> str:
    return _ESCAPED.sub(r"\1", written[1:-1]) if written.startswith('"') else written
