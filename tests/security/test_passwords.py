from __future__ import annotations

import asyncio
import threading

import pytest
from argon2 import extract_parameters
from argon2.low_level import Type, hash_secret

from ring.security import passwords
from ring.security.passwords import CorruptHash, Passwords, hash_password, matches


def test_a_hash_has_the_agreed_cost_and_a_salt_of_its_own() -> None:
    encoded = hash_password("correct horse")
    cost = extract_parameters(encoded)
    assert (cost.type, cost.version) == (Type.ID, 0x13)
    assert (cost.memory_cost, cost.time_cost, cost.parallelism) == (65536, 2, 4)
    assert (cost.hash_len, cost.salt_len) == (32, 16)
    assert encoded != hash_password("correct horse")
    assert matches(encoded, "correct horse")
    assert not matches(encoded, "correct hors")


def test_the_hash_for_nobody_costs_the_same() -> None:
    known = extract_parameters(passwords._NOBODY)
    assert known == extract_parameters(hash_password("x"))


@pytest.mark.parametrize("encoded", ["", "plain", "$argon2id$v=19$m=65536,t=2,p=4$AAAA"])
def test_a_damaged_hash_is_an_error_not_a_mismatch(encoded: str) -> None:
    with pytest.raises(CorruptHash):
        matches(encoded, "x")


def test_nobody_never_matches() -> None:
    async def verify() -> tuple[bool, bool]:
        pool = Passwords()
        encoded = await pool.hash("secret-word")
        found = await pool.verify(None, "secret-word"), await pool.verify(encoded, "secret-word")
        pool.close()
        return found

    assert asyncio.run(verify()) == (False, True)


def test_hashing_is_done_one_at_a_time_off_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: set[str] = set()
    real = passwords.matches

    def noted(encoded: str, password: str) -> bool:
        threads.add(threading.current_thread().name)
        return real(encoded, password)

    monkeypatch.setattr(passwords, "matches", noted)

    async def verify() -> None:
        pool = Passwords()
        await asyncio.gather(*(pool.verify(None, "x") for _ in range(3)))
        pool.close()

    asyncio.run(verify())
    assert len(threads) == 1
    assert threading.current_thread().name not in threads


@pytest.mark.parametrize("kind", [Type.I, Type.ID])
def test_hashes_of_other_programs_are_taken(kind: Type) -> None:
    encoded = hash_secret(
        b"correct horse", b"s" * 12, time_cost=1, memory_cost=64, parallelism=1, hash_len=24,
        type=kind,
    ).decode()  # fmt: skip
    assert matches(encoded, "correct horse")
    assert not matches(encoded, "correct hors")
