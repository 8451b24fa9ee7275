"""What user accounts and tokens may look like: every violation, in the order of the fields."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from ring.core.access import Scope
from ring.core.bounds import MOST_OTHER_ITEMS
from ring.core.rules.identity import NAMESPACE
from ring.core.violations import Violation, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

STATUSES: Final = ("active", "disabled")
PASSWORD_LENGTH: Final = range(8, 129)

_USERNAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]*")
_TOKEN_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?")
_MOMENT = re.compile(
    r"(?P<seconds>[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2})"
    r"(?P<fraction>\.[0-9]+)?(?P<offset>[Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_MICROSECONDS: Final = 7
"""Characters of a fraction that a moment can hold, with its point."""


def user(username: str | None, password: str | None) -> Iterator[Violation]:
    """None: not given. No message repeats the password."""
    if username is not None:
        yield from _length("username", "user.username.length", username, range(2, 51))
        if not _USERNAME.fullmatch(username):
            yield Violation(
                "username",
                "user.username.format",
                "must be letters, digits, '.', '_' and '-', beginning with a letter or digit",
            )
    if password is not None:
        yield from _length("password", "user.password.length", password, PASSWORD_LENGTH)


def token(
    name: str, scopes: Sequence[str], namespaces: Sequence[str], expire_at: str | None
) -> Iterator[Violation]:
    yield from _length("name", "token.name.length", name, range(2, 64))
    if not _TOKEN_NAME.fullmatch(name):
        yield Violation(
            "name",
            "token.name.format",
            "must be letters, digits, '_', '.' and '-', with a letter or digit first and last",
        )
    yield from _scopes(scopes)
    yield from _namespaces(namespaces)
    if expire_at is not None and moment(expire_at) is None:
        yield Violation(
            "expire_at",
            "token.expire_at.format",
            "must be an RFC 3339 time, such as 2027-03-02T08:15:04Z",
        )


def moment(text: str) -> datetime | None:
    """The moment that an RFC 3339 text names, in UTC; None: it names none."""
    found = _MOMENT.fullmatch(text)
    if found is None:
        return None
    fraction = (found["fraction"] or "")[:_MICROSECONDS]
    try:
        return datetime.fromisoformat(
            f"{found['seconds']}{fraction}{found['offset']}".upper()
        ).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _scopes(scopes: Sequence[str]) -> Iterator[Violation]:
    if not scopes:
        yield Violation("scopes", "token.scopes.empty", "must name at least one scope")
    known = ", ".join(Scope)
    for scope in scopes[:MOST_OTHER_ITEMS]:
        if scope not in set(Scope):
            yield Violation(
                "scopes",
                "token.scopes.unknown",
                f"{quoted(scope)} is none of {known}",
            )
    if len(scopes) > MOST_OTHER_ITEMS:
        yield _too_many("scopes", "token.scopes.unknown")


def _namespaces(namespaces: Sequence[str]) -> Iterator[Violation]:
    for name in namespaces[:MOST_OTHER_ITEMS]:
        if not (2 <= len(name) <= 63 and NAMESPACE.fullmatch(name)):
            yield Violation(
                "namespaces",
                "token.namespaces.format",
                "must be a namespace name: 2 to 63 lowercase letters, digits and '-', with '-'"
                " neither first nor last",
            )
    if len(namespaces) > MOST_OTHER_ITEMS:
        yield _too_many("namespaces", "token.namespaces.format")


def _too_many(path: str, code: str) -> Violation:
    return Violation(path, code, f"must not have more than {MOST_OTHER_ITEMS} entries")


def _length(path: str, code: str, text: str, allowed: range) -> Iterator[Violation]:
    if len(text) not in allowed:
        message = f"must be {allowed[0]} to {allowed[-1]} characters, has {len(text)}"
        yield Violation(path, code, message)
