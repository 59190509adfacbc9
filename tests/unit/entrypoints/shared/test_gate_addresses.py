"""The limits per address count one customer once: all addresses of an IPv6 /64 are one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from carbonledger.domains.identity import types
from carbonledger.entrypoints.shared import access, exchange, gate
from carbonledger.infra import limits, settings

AT = datetime(2026, 11, 21, 12, tzinfo=UTC)
WRONG = [(b"authorization", b"Bearer wrong")]


class Nobody:
    async def identify(self, *, authorization: str | None, cookies: Mapping[str, str], at: datetime) -> types.Caller:
        raise types.CredentialsMissing


def request(peer: str) -> exchange.Exchange:
    async def receive() -> exchange.Message:
        raise AssertionError("the gate reads no body")

    scope = {"type": "http", "method": "POST", "path": "/", "headers": WRONG, "query_string": b"", "client": (peer, 4711)}
    return exchange.Exchange(scope, receive, at=AT)


@pytest.mark.parametrize(
    "demand, before, refused",
    [
        (access.public(limit="sign_in"), None, gate.RateLimited),
        (access.public(limit="public"), None, gate.RateLimited),
        (access.caller(), types.CredentialsMissing, gate.AttemptsLimited),
    ],
)
async def test_another_address_of_the_same_64_is_the_same_customer(
    demand: access.Access, before: type[Exception] | None, refused: type[Exception], tmp_path: Path
) -> None:
    configuration = settings.Settings.model_validate({"home": tmp_path, "rate_sign_in_per_min": 3, "rate_public_per_min": 3})
    guard = gate.Gate(Nobody(), limits.MemoryLimiter(), configuration)

    async def admitted(peer: str) -> type[Exception] | None:
        try:
            await guard.admit(request(peer), demand)
        except (gate.RateLimited, gate.AttemptsLimited, types.CredentialsMissing) as failure:
            return type(failure)
        return None

    assert [await admitted(f"2001:db8:0:1::{number:x}") for number in range(5)] == [before] * 3 + [refused] * 2
    assert await admitted("2001:db8:0:2::1") is before, "the next customer has a count of their own"
