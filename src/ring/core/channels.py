"""What goes over the channel of a command or a port: messages of one byte for their kind, and then
what they carry. Both ends speak it, so it is here.

The client's first message is BEGIN, before which the server says nothing; the server's last one is
STATUS.
"""

from __future__ import annotations

import json
from enum import IntEnum

PROTOCOL = "ring.channel.v1"
"""As a WebSocket's subprotocol."""
PIECE_BYTES = 16 * 1024
"""Of a stream in one message, so that none keeps others waiting for long."""
LARGEST_BYTES = 256 * 1024
"""Of any message: more is a mistake, or no client of ours."""
INSTANCE_HEADER = "X-Ring-Instance"
"""Name of the instance that was chosen, in the answer that opens the channel."""
RUNNING_HEADER = "X-Ring-Instances"
"""Of how many it was chosen."""


class Kind(IntEnum):
    BEGIN = 0
    """JSON: what is to be run; nothing for a port."""
    INPUT = 1
    """Bytes to the command or port."""
    END = 2
    """There is no more INPUT, or no more OUTPUT of a port, whoever sends it."""
    SIZE = 3
    """JSON: `rows` and `columns` of the client's terminal."""
    OUTPUT = 4
    ERRORS = 5
    """What a command writes to its stderr, where it has no terminal."""
    STATUS = 6
    """JSON: `code`, with which the command ended, or `error`, a sentence."""


class Garbled(ValueError):
    """A message that this protocol does not have."""


def message(kind: Kind, content: bytes = b"") -> bytes:
    return bytes((kind,)) + content


def told(kind: Kind, **members: object) -> bytes:
    """A message that carries JSON."""
    return message(kind, json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode())


def parse(received: bytes) -> tuple[Kind, bytes]:
    """Raises Garbled."""
    try:
        return Kind(received[0]), received[1:]
    except (IndexError, ValueError) as error:
        raise Garbled("a message of no known kind") from error


def members(content: bytes) -> dict[str, object]:
    """Of a message that carries JSON. Raises Garbled."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Garbled("a message that is not JSON") from error
    if not isinstance(found, dict):
        raise Garbled("a message that is no JSON object")
    return found
