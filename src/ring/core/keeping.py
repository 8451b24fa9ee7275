"""Which images are needed, by whom, and which of them may go.

Whatever cannot be told for certain keeps an image: it costs disk, the other way costs a restart.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from ring.core.model.images import normalised

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from ring.core.model.stock import HeldImage, Holder, PulledImage

_HEX = re.compile(r"[0-9a-f]{4,64}")
MIN_AGE_S = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Policy:
    """When images are removed without being asked for."""

    enabled: bool = False
    min_age_s: float = MIN_AGE_S
    """What was in use since then stays, however full the disk is."""
    max_age_s: float | None = 30 * 24 * 3600.0
    """What was not in use since then goes, however empty the disk is; None: by no age alone."""
    high_percent: int = 85
    """From here on the disk is too full, and images go, the longest unused first."""
    low_percent: int = 80
    """Down to here."""
    interval_s: float = 600.0


class Kind(StrEnum):
    CONTAINER = "container"
    DEPLOYMENT = "deployment"
    REVISION = "revision"


class User(NamedTuple):
    """Who needs an image."""

    kind: Kind
    name: str


class Want(NamedTuple):
    """An image that somebody needs: as it is written, and as it is pinned."""

    user: User
    reference: str
    digest: str | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """An image with what keeps it."""

    runtime: str
    image: HeldImage
    pulled: tuple[PulledImage, ...]
    """The references that Ring has pulled it by; none: it is not Ring's."""
    users: tuple[User, ...]
    others: tuple[str, ...]
    """Names of it that Ring has not given it."""

    @property
    def is_ours(self) -> bool:
        """All of it was brought by Ring, and nobody has named it since."""
        return bool(self.pulled) and not self.others

    @property
    def used_at(self) -> datetime | None:
        return max((each.used_at for each in self.pulled), default=None)

    @property
    def shown(self) -> str:
        """What to call it."""
        references = [each.reference for each in self.pulled]
        return next(iter((*references, *self.image.names)), self.image.id)

    def may_go(self, *, even_if_kept: bool = False) -> bool:
        """even_if_kept: a revision that somebody could go back to does not keep it."""
        return self.is_ours and not [
            user for user in self.users if not (even_if_kept and user.kind is Kind.REVISION)
        ]

    def is_older(self, age_s: float, now: datetime) -> bool:
        return self.used_at is not None and self.used_at <= now - timedelta(seconds=age_s)


def judge(
    runtime: str,
    images: Iterable[HeldImage],
    *,
    pulled: Iterable[PulledImage],
    wants: Sequence[Want],
    holders: Iterable[Holder],
) -> tuple[Judged, ...]:
    """Each image in the order of the listing. wants and holders are those of this runtime."""
    by_id: dict[str, list[PulledImage]] = {}
    for each in pulled:
        by_id.setdefault(each.image_id, []).append(each)
    running: dict[str, list[User]] = {}
    for holder in holders:
        running.setdefault(holder.image_id, []).append(User(Kind.CONTAINER, holder.name))
    return tuple(_judged(runtime, image, by_id, wants, running) for image in images)


def _judged(
    runtime: str,
    image: HeldImage,
    pulled: Mapping[str, Sequence[PulledImage]],
    wants: Sequence[Want],
    running: Mapping[str, Sequence[User]],
) -> Judged:
    ours = tuple(pulled.get(image.id, ()))
    names = frozenset(map(full_name, image.names))
    wanted = [want.user for want in wants if _is(image.id, names, want)]
    users = dict.fromkeys((*running.get(image.id, ()), *wanted))
    return Judged(runtime, image, ours, tuple(users), _foreign(image, ours))


def full_name(name: str) -> str:
    """A reference as all of its spellings are: `redis` is `docker.io/library/redis:latest`.

    A digest makes a tag superfluous.
    """
    rest, at, digest = name.partition("@")
    folder, slash, last = rest.rpartition("/")
    short, colon, tag = last.partition(":")
    repository = normalised(f"{folder}{slash}{short}")
    return f"{repository}@{digest}" if at else f"{repository}:{tag if colon else 'latest'}"


def repository(name: str) -> str:
    """Of a full name."""
    rest, at, _ = name.partition("@")
    return rest if at else rest.rpartition(":")[0]


def _is(image_id: str, names: frozenset[str], want: Want) -> bool:
    """Whether the image may be the one that is wanted."""
    digests = {name.partition("@")[2] for name in names if "@" in name} | {image_id}
    written = want.reference.partition("@")[2]
    if want.digest in digests or written in digests or full_name(want.reference) in names:
        return True
    # An engine also takes the beginning of an id for a reference.
    short = want.reference.removeprefix("sha256:")
    return bool(_HEX.fullmatch(short)) and image_id.removeprefix("sha256:").startswith(short)


def _foreign(image: HeldImage, pulled: Sequence[PulledImage]) -> tuple[str, ...]:
    """Names that no pull of ours has given it."""
    given = {full_name(each.reference) for each in pulled}
    repositories = {repository(name) for name in given}
    return tuple(
        name
        for name in image.names
        if (full := full_name(name)) not in given
        and not ("@" in full and repository(full) in repositories)
    )
