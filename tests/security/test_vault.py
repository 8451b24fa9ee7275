"""Sealed values: unreadable without the key, unlike each other, and never shown by an error."""

from __future__ import annotations

import pytest

from ring.security.vault import Unsealable, Vault

KEY = bytes(range(32))
TEXT = "pärola-canary"


def test_what_is_sealed_is_opened_with_the_same_key() -> None:
    assert Vault(KEY).open(Vault(KEY).seal(TEXT)) == TEXT


def test_a_blob_is_nonce_ciphertext_and_tag() -> None:
    blob = Vault(KEY).seal(TEXT)
    assert len(blob) == 12 + len(TEXT.encode()) + 16
    assert TEXT.encode() not in blob


def test_equal_values_are_sealed_differently() -> None:
    vault = Vault(KEY)
    assert vault.seal(TEXT) != vault.seal(TEXT)


@pytest.mark.parametrize("at", [0, 12, -1])
def test_a_changed_byte_is_noticed(at: int) -> None:
    blob = bytearray(Vault(KEY).seal(TEXT))
    blob[at] ^= 1
    with pytest.raises(Unsealable):
        Vault(KEY).open(bytes(blob))


@pytest.mark.parametrize("blob", [b"", b"short", bytes(27)])
def test_what_is_no_blob_is_refused(blob: bytes) -> None:
    with pytest.raises(Unsealable):
        Vault(KEY).open(blob)


def test_another_key_opens_nothing_and_the_error_shows_nothing() -> None:
    blob = Vault(KEY).seal(TEXT)
    with pytest.raises(Unsealable) as caught:
        Vault(bytes(32)).open(blob)
    assert caught.value.__cause__ is None
    assert TEXT not in repr(caught.value)


def test_the_key_does_not_show() -> None:
    assert KEY.hex() not in repr(Vault(KEY))


@pytest.mark.parametrize("length", [0, 5, 16, 31, 33])
def test_a_key_of_another_length_is_a_mistake(length: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Vault(bytes(length))
