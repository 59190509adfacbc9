"""Passwords: argon2id with its parameters, off the event loop, a bounded number at a time."""

from __future__ import annotations

import asyncio

import argon2
import pytest

from carbonledger.infra import passwords
from carbonledger.kernel import errors


async def test_a_hash_is_argon2id_with_the_parameters_of_rfc_9106() -> None:
    async with passwords.opened() as hasher:
        stored = await hasher.hash("plenty of quiet otters")
        assert stored.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
        assert await hasher.check("plenty of quiet otters", stored=stored)
        assert not await hasher.check("plenty of quiet otter", stored=stored)
        assert not hasher.is_outdated(stored)


async def test_a_known_hash_of_another_program_is_right() -> None:
    # echo -n password | argon2 somesalt -id -t 2 -m 16 -p 1 -l 24 (the reference implementation's own documentation)
    stored = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
    async with passwords.opened() as hasher:
        assert await hasher.check("password", stored=stored)
        assert hasher.is_outdated(stored)


async def test_nobodys_password_is_never_right_and_costs_the_same_work(monkeypatch: pytest.MonkeyPatch) -> None:
    worked: list[str] = []
    verify = argon2.PasswordHasher.verify

    def count(self: argon2.PasswordHasher, stored: str, password: str) -> bool:
        worked.append(stored)
        return verify(self, stored, password)

    monkeypatch.setattr(argon2.PasswordHasher, "verify", count)
    async with passwords.opened(argon2.profiles.CHEAPEST) as hasher:
        for password in ("", "plenty of quiet otters"):
            assert not await hasher.check(password, stored=None)
        assert len(worked) == 2
        assert argon2.extract_parameters(worked[0]) == argon2.profiles.CHEAPEST


async def test_a_stored_hash_that_is_damaged_is_a_defect_and_no_wrong_password() -> None:
    async with passwords.opened(argon2.profiles.CHEAPEST) as hasher:
        with pytest.raises(argon2.exceptions.VerificationError, match="Decoding"):
            await hasher.check("x", stored="$argon2id$damaged")


async def test_more_than_can_be_done_soon_is_refused_with_a_time_to_come_back() -> None:
    async with passwords.opened(argon2.profiles.CHEAPEST) as hasher:
        answers = await asyncio.gather(*(hasher.hash(f"password {number}") for number in range(200)), return_exceptions=True)
        refused = [answer for answer in answers if isinstance(answer, errors.Unavailable)]
        assert refused
        assert all(fault.retry_after_s for fault in refused)
        assert len(refused) + sum(isinstance(answer, str) for answer in answers) == 200
        assert await hasher.hash("afterwards")
