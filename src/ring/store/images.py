"""What this server has pulled: the only images that it may ever remove."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ring.clock import rfc3339
from ring.core.keeping import Kind, User, Want
from ring.core.model.ids import GroupKey
from ring.core.model.stock import Origin, PulledImage
from ring.store.decoding import moment

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from ring.store.database import Transaction
    from ring.store.door import Door


_PLACE = "images_at:"
"""Begins the key under which it stands where the engine of a runtime is."""


class Images:
    def __init__(self, door: Door) -> None:
        self._door = door

    def pulled(self, runtime: str) -> tuple[PulledImage, ...]:
        """Without those whose times cannot be read: nothing is known of their age."""
        found = map(_decode, self._door.read("images", "of_runtime", {"runtime": runtime}))
        return tuple(image for image in found if image is not None)

    def kept_by_revisions(self) -> tuple[tuple[str, GroupKey, int, Want], ...]:
        """Runtime, group and number of every revision that could be gone back to, and its image.

        One whose spec cannot be read cannot be gone back to.
        """
        return tuple(
            (row["runtime"], key, row["revision"], Want(user, row["image"]))
            for row in self._door.read("revisions", "images")
            if isinstance(row["image"], str) and isinstance(row["runtime"], str)
            for key in [GroupKey(row["namespace"], row["name"])]
            for user in [User(Kind.REVISION, f"{key.namespace}/{key.name} {row['revision']}")]
        )

    async def settle(self, runtime: str, location: str) -> None:
        """What was pulled before is on this engine; what was on another one is forgotten: the same
        image may be there as well, brought by somebody else."""
        key = f"{_PLACE}{runtime}"

        def work(tx: Transaction) -> None:
            before = tx.one("meta", "read", {"key": key})
            if before is not None and before["value"] != location:
                tx.run("images", "forget_all", {"runtime": runtime})
            tx.run("meta", "put", {"key": key, "value": location})

        await self._door.write(work)

    async def note(
        self, runtime: str, image_id: str, reference: str, digest: str | None, origin: Origin
    ) -> None:
        """A pull has ended. One that found the image there adds a name to what is ours already."""
        await self._door.write(
            lambda tx: _note(tx, runtime, image_id, reference, digest, origin=origin)
        )

    async def used(self, runtime: str, image_ids: Iterable[str]) -> None:
        """They are in use now."""
        values = {"runtime": runtime, "image_ids": json.dumps(sorted(image_ids))}
        await self._door.write(lambda tx: tx.run("images", "used", {**values, **_now(tx)}))

    async def was_used(self, runtime: str, digest: str) -> None:
        """By what is gone since a moment; digest: as a row is pinned."""
        values = {"runtime": runtime, "digest": digest}
        await self._door.write(
            lambda tx: tx.run("images", "used_by_digest", {**values, **_now(tx)})
        )

    async def forget(self, runtime: str, image_ids: Iterable[str]) -> None:
        """They are not there any more, whoever removed them: should they come back, it will not be
        by a pull of ours."""
        values = {"runtime": runtime, "image_ids": json.dumps(sorted(image_ids))}
        await self._door.write(lambda tx: tx.run("images", "forget", values))


def _note(
    tx: Transaction,
    runtime: str,
    image_id: str,
    reference: str,
    digest: str | None,
    *,
    origin: Origin,
) -> None:
    known = {"runtime": runtime, "image_id": image_id}
    if origin is Origin.PULLED and tx.one("images", "is_known", known) is None:
        return
    values = {**known, "reference": reference, "digest": digest, **_now(tx)}
    tx.run("images", "insert", values)


def _now(tx: Transaction) -> dict[str, object]:
    return {"now": rfc3339(tx.now)}


def _decode(row: sqlite3.Row) -> PulledImage | None:
    name = f"image {row['image_id']} of {row['runtime']}"
    pulled_at = moment(row["pulled_at"], of=f"{name}: pulled_at")
    used_at = moment(row["used_at"], of=f"{name}: used_at")
    if pulled_at is None or used_at is None:
        return None
    return PulledImage(
        runtime=row["runtime"],
        image_id=row["image_id"],
        reference=row["reference"],
        digest=row["digest"],
        pulled_at=pulled_at,
        used_at=used_at,
    )
