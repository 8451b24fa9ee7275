"""Encryption of what is stored and must be read again: AES-256-GCM, a fresh nonce for each value.

A blob is nonce (12 bytes), ciphertext and tag (16 bytes), as NIST SP 800-38D has them. The library
is loaded with the first value.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from ring.core.errors import RingError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12


class Unsealable(RingError):
    """The blob was damaged, or sealed with another key."""


class Vault:
    """Holds the server's key. Neither it nor what it opens shows in a repr or an error."""

    def __init__(self, key: bytes) -> None:
        """`key` has 32 bytes."""
        if len(key) != KEY_BYTES:
            raise ValueError(f"a key has {KEY_BYTES} bytes, not {len(key)}")
        self._key = key
        self._cipher: AESGCM | None = None

    def seal(self, text: str) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._opened().encrypt(nonce, text.encode(), None)

    def open(self, blob: bytes) -> str:
        """Raises Unsealable, which says nothing of the value."""
        from cryptography.exceptions import InvalidTag

        nonce, sealed = blob[:_NONCE_BYTES], blob[_NONCE_BYTES:]
        try:
            return self._opened().decrypt(nonce, sealed, None).decode()
        except (InvalidTag, ValueError):  # a blob too short, or text that is not UTF-8
            raise Unsealable("it was encrypted with another key, or is damaged") from None

    def _opened(self) -> AESGCM:
        if self._cipher is None:
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM

            self._cipher = AESGCM(self._key)
        return self._cipher
