"""Who the process runs as: names become numbers by the files of the image's own root.

As every engine does it, which is the code that runc and Docker share (libcontainer/user): a number
is never taken for a name, the first matching line wins, and the groups that a user is listed in
count only where no group is asked for.
"""

from __future__ import annotations

import io
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ring.core.model.failures import FailureClass
from ring.runtimes.base import RuntimeFailure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ring.core.model.spec import User
    from ring.runtimes.containerd.rootfs import Root

PASSWD: Final = "/etc/passwd"  # noqa: S105 - a path
GROUP: Final = "/etc/group"
LARGEST_BYTES: Final = 1024 * 1024
_MOST_GROUPS: Final = 65536
"""NGROUPS_MAX of the kernel."""
_LARGEST_ID: Final = 2**31 - 1
"""That is asked for by number."""
_LARGEST_LISTED: Final = 2**32 - 2
"""That a file gives; to the kernel, the one above it is no id."""
_MOST_DIGITS: Final = 19
_BEYOND: Final = 2**63 - 1
"""Stands for every number that has more digits."""


@dataclass(frozen=True, slots=True)
class ResolvedUser:
    """By number, with what the image's files say of it."""

    uid: int = 0
    gid: int = 0
    additional_gids: tuple[int, ...] = ()
    """The first group is among them, so that no right that is denied to it can be regained."""
    home: str = "/"


@dataclass(frozen=True, slots=True)
class _Account:
    name: str
    uid: int
    gid: int
    home: str


@dataclass(frozen=True, slots=True)
class _Group:
    name: str
    gid: int
    members: tuple[str, ...]


def resolve(spec_user: User | None, image_user: str, root: Root) -> ResolvedUser:
    """The spec's user, or else the image's: `name`, `1000`, `name:group`, `1000:1000`.

    Raises RuntimeFailure(INSTANCE_REJECTED) for a name that the image does not know, and for an id
    that the kernel does not have.
    """
    user, _, group = _written(spec_user, image_user).partition(":")
    account = _account(user, root)
    uid = _uid(user, account)
    home = account.home if account else "/"
    if group:
        gid = _gid(group, root)
        return ResolvedUser(uid, gid, (gid,), home)
    gid = _listed(account.gid) if account else 0
    more = _memberships(account.name, root) if account and account.name else ()
    return ResolvedUser(uid, gid, tuple(dict.fromkeys((gid, *more))), home)


def _written(spec_user: User | None, image_user: str) -> str:
    if spec_user is None or spec_user.id is None:
        return image_user
    return f"{spec_user.id}" if spec_user.group is None else f"{spec_user.id}:{spec_user.group}"


def _account(user: str, root: Root) -> _Account | None:
    """Root's, where nobody is named."""
    number = _number(user or "0")
    for fields in _lines(PASSWD, root):
        name, _, uid, gid, _, home = (*fields, *[""] * 6)[:6]
        found = _Account(name, _lenient(uid), _lenient(gid), home or "/")
        if found.uid == number if number is not None else found.name == user:
            return found
    return None


def _uid(user: str, account: _Account | None) -> int:
    if account is not None:
        return _listed(account.uid)
    if not user:
        return 0
    number = _number(user)
    if number is None:
        raise _rejected(f"the image has no user '{user}' in {PASSWD}")
    return _in_range(number)


def _gid(group: str, root: Root) -> int:
    number = _number(group)
    for found in _groups(root):
        if found.gid == number if number is not None else found.name == group:
            return _listed(found.gid)
    if number is None:
        raise _rejected(f"the image has no group '{group}' in {GROUP}")
    return _in_range(number)


def _memberships(name: str, root: Root) -> tuple[int, ...]:
    found = (_listed(group.gid) for group in _groups(root) if name in group.members)
    return tuple(itertools.islice(found, _MOST_GROUPS))


def _groups(root: Root) -> Iterator[_Group]:
    for fields in _lines(GROUP, root):
        name, _, gid, members = (*fields, *[""] * 4)[:4]
        if not name.startswith("#"):
            yield _Group(name, _lenient(gid), tuple(members.split(",")))


def _lines(path: str, root: Root) -> Iterator[list[str]]:
    """Without the file there are none: an image need not have it."""
    content = root.read(path, LARGEST_BYTES) or b""
    for line in io.StringIO(content.decode(errors="surrogateescape"), newline="\n"):
        if stripped := line.strip():
            yield stripped.split(":")


def _number(text: str) -> int | None:
    """As Go's Atoi reads one: too large a one is the largest that there is."""
    digits = text[1:] if text[:1] in {"+", "-"} else text
    if not (digits.isascii() and digits.isdigit()):
        return None
    digits = digits.lstrip("0") or "0"
    number = int(digits) if len(digits) <= _MOST_DIGITS else _BEYOND
    return -number if text[0] == "-" else number


def _lenient(text: str) -> int:
    """Of a file: what is no number counts as 0 there."""
    return _number(text) or 0


def _in_range(number: int, largest: int = _LARGEST_ID) -> int:
    if not 0 <= number <= largest:
        raise _rejected(f"user and group ids go from 0 to {largest}, not to {number}")
    return number


def _listed(number: int) -> int:
    return _in_range(number, _LARGEST_LISTED)


def _rejected(message: str) -> RuntimeFailure:
    return RuntimeFailure(FailureClass.INSTANCE_REJECTED, message)
