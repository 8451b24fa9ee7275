"""Who is at an image just now: starts that look for one or have found one, and its removal.

Between finding an image and the container that keeps it nothing on the engine says that it is
needed; and what looks for an image must not find one that is going away.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from typing import TYPE_CHECKING

from ring.core.keeping import full_name, repository

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from ring.core.model.stock import HeldImage
    from ring.runtimes.base import Image


class Busy(Exception):
    """A start is at the image."""


class Claims:
    """One for a server. Loop thread only."""

    def __init__(self) -> None:
        self._looking: Counter[tuple[str, str]] = Counter()
        """By runtime and repository."""
        self._found: Counter[tuple[str, str]] = Counter()
        """By runtime, and the id or digest of the image."""
        self._going: dict[tuple[str, str], asyncio.Event] = {}
        """By runtime and repository: set once it is gone."""

    @contextlib.asynccontextmanager
    async def looking(self, runtime: str, reference: str) -> AsyncIterator[None]:
        """No image of this repository goes meanwhile; one that is going has gone before."""
        place = (runtime, repository(full_name(reference)))
        while (going := self._going.get(place)) is not None:
            await going.wait()
        self._looking[place] += 1
        try:
            yield
        finally:
            _less(self._looking, place)

    def found(self, runtime: str, image: Image) -> Hold:
        """The image stays until this is released."""
        return Hold(
            self._found,
            [(runtime, mark) for mark in dict.fromkeys((image.id, image.digest)) if mark],
        )

    @contextlib.contextmanager
    def going(self, runtime: str, image: HeldImage) -> Iterator[None]:
        """It is being removed. Raises Busy where a start is at it."""
        names = list(map(full_name, image.names))
        marks = {image.id, *(name.partition("@")[2] for name in names)} - {""}
        places = {(runtime, repository(name)) for name in names}
        is_taken = any(self._found[runtime, mark] for mark in marks) or any(
            self._looking[place] or place in self._going for place in places
        )
        if is_taken:
            raise Busy
        gone = asyncio.Event()
        self._going.update(dict.fromkeys(places, gone))
        try:
            yield
        finally:
            for place in places:
                del self._going[place]
            gone.set()


class Hold:
    """What has been found is kept. Released once, however often it is told to."""

    def __init__(self, found: Counter[tuple[str, str]], marks: list[tuple[str, str]]) -> None:
        self._found = found
        self._marks = marks
        found.update(marks)

    def release(self) -> None:
        while self._marks:
            _less(self._found, self._marks.pop())


def _less(counter: Counter[tuple[str, str]], key: tuple[str, str]) -> None:
    counter[key] -= 1
    if not counter[key]:
        del counter[key]
