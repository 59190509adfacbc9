"""Passwords: hashed and checked with argon2id, a bounded number at a time, off the event loop.

Owns the parameters and the threads. It does not own which password is good enough, nor how often one may try (``domains.identity``).
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import argon2
from argon2 import exceptions

from carbonledger.kernel import errors

T = TypeVar("T")

# RFC 9106, section 4, second recommended option (memory-constrained): argon2id, 3 passes, 4 lanes, 64 MiB, 128-bit salt, 256-bit tag.
# Above the least that OWASP's Password Storage Cheat Sheet asks for (19 MiB, 2 passes, 1 lane).
PARAMETERS = argon2.profiles.RFC_9106_LOW_MEMORY
_THREADS = 2  # 64 MiB each; more at once would only share the same cores
_WAITING_MAX = 32  # some seconds of work: whoever comes after that is better told to come back


class PasswordsBusy(errors.Unavailable):
    """Too many sign-ins at once."""

    code = "sign_in_busy"


class Passwords:
    """Hashes and checks. One for each process; made by ``opened``."""

    def __init__(self, pool: ThreadPoolExecutor, parameters: argon2.Parameters) -> None:
        self._pool = pool
        self._hasher = argon2.PasswordHasher.from_parameters(parameters)
        self._waiting = 0
        # Checked when there is no hash to check, so that an unknown address takes as long as a known one.
        self._nobody: str | None = None

    async def hash(self, password: str) -> str:
        """Return the hash to store, in PHC form. Raises ``PasswordsBusy``."""
        return await self._run(lambda: self._hasher.hash(password))

    async def check(self, password: str, *, stored: str | None) -> bool:
        """Say whether ``password`` is the one whose hash is ``stored``; None takes as long and is never right. Raises ``PasswordsBusy``."""
        return await self._run(lambda: self._check(password, stored))

    def is_outdated(self, stored: str) -> bool:
        """Say whether a hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(stored)

    def _check(self, password: str, stored: str | None) -> bool:
        if stored is None and self._nobody is None:
            self._nobody = self._hasher.hash(secrets.token_hex())
        try:
            return self._hasher.verify(stored or self._nobody or "", password) and stored is not None
        except exceptions.VerifyMismatchError:
            return False

    async def _run(self, work: Callable[[], T]) -> T:
        if self._waiting >= _WAITING_MAX:
            raise PasswordsBusy("Try again in a few seconds.", retry_after_s=5)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._waiting -= 1


@contextlib.asynccontextmanager
async def opened(parameters: argon2.Parameters = PARAMETERS) -> AsyncIterator[Passwords]:
    """Hold the threads while the block runs. Tests pass ``argon2.profiles.CHEAPEST``."""
    pool = ThreadPoolExecutor(max_workers=_THREADS, thread_name_prefix="passwords")
    try:
        yield Passwords(pool, parameters)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
