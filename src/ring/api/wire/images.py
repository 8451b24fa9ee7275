"""Images of the engines on the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typing_extensions import TypedDict

from ring.api.wire.base import Body, moment

if TYPE_CHECKING:
    from ring.core.keeping import Judged
    from ring.engine.keeping.images import Pruned


class ImagePruneBody(Body):
    dry_run: bool = False
    """Only say what would go."""
    older_than: str | None = None
    """A duration: what was in use since then stays; absent: `gc_min_age` of the server."""
    all: bool = False
    """Also what only a revision needs that could be gone back to."""


class ImageUserShape(TypedDict):
    kind: str
    name: str


class ImageShape(TypedDict):
    runtime: str
    id: str
    reference: str
    names: list[str]
    digest: str | None
    size: int
    managed: bool
    pulled_at: str | None
    last_used_at: str | None
    used_by: list[ImageUserShape]


class ImageFailureShape(TypedDict):
    runtime: str
    id: str
    reference: str
    reason: str


class PrunedImagesShape(TypedDict):
    dry_run: bool
    removed: list[ImageShape]
    failed: list[ImageFailureShape]
    size: int
    more: bool


def image(judged: Judged) -> ImageShape:
    pulled = judged.pulled if judged.is_ours else ()
    digests = [each.digest for each in judged.pulled]
    digests += [name.partition("@")[2] for name in judged.image.names if "@" in name]
    return {
        "runtime": judged.runtime,
        "id": judged.image.id,
        "reference": judged.shown,
        "names": list(judged.image.names),
        "digest": next((digest for digest in digests if digest), None),
        "size": judged.image.size_bytes,
        "managed": judged.is_ours,
        "pulled_at": moment(min((each.pulled_at for each in pulled), default=None)),
        "last_used_at": moment(judged.used_at if pulled else None),
        "used_by": [{"kind": user.kind.value, "name": user.name} for user in judged.users],
    }


def pruned_images(pruned: Pruned, *, dry_run: bool) -> PrunedImagesShape:
    return {
        "dry_run": dry_run,
        "removed": [image(each) for each in pruned.removed],
        "failed": [
            {
                "runtime": judged.runtime,
                "id": judged.image.id,
                "reference": judged.shown,
                "reason": reason,
            }
            for judged, reason in pruned.failed
        ],
        "size": pruned.size_bytes,
        "more": not pruned.is_done,
    }
