"""Server-sent events: lines -> messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Message(NamedTuple):
    event: str
    data: str


def messages(batches: Iterable[Iterable[bytes]]) -> Iterator[list[Message]]:
    """The messages whose closing blank lines came together; comments are signs of life alone."""
    event = "message"
    data: list[str] = []
    for lines in batches:
        whole = []
        for raw in lines:
            line = raw.decode("utf-8", "replace").rstrip("\r\n")
            if not line:
                if data:
                    whole.append(Message(event, "\n".join(data)))
                event, data = "message", []
                continue
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if field == "data":
                data.append(value)
            elif field == "event":
                event = value
        if whole:
            yield whole
