"""Bearer tokens: how they are made, and what of them is kept."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass, field

PREFIX = "ring_pat_"
SHOWN = 15
"""Characters of a token that may be displayed and stored in clear."""

_SHAPE = re.compile(PREFIX + "[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Minted:
    """A new token; `clear` is shown once and kept nowhere."""

    clear: str = field(repr=False)
    hash: str
    prefix: str


def mint() -> Minted:
    """256 bits from the operating system's generator."""
    clear = PREFIX + secrets.token_hex(32)
    return Minted(clear=clear, hash=token_hash(clear), prefix=clear[:SHOWN])


def token_hash(clear: str) -> str:
    """SHA-256 hex of the whole token: the only form that is stored and looked up.

    A lookup by digest cannot be timed towards a valid token, and 256 random bits need no salt.
    """
    return hashlib.sha256(clear.encode()).hexdigest()


def is_shaped(text: str) -> bool:
    """Whether it can be a token at all."""
    return _SHAPE.fullmatch(text) is not None
