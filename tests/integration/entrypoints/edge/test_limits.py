"""How often: by organization and tier, by address, and for credentials that are refused; shared through Redis where it is configured."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
import pytest

from carbonledger.infra import clock, limits
from carbonledger.infra.observe import metrics
from tests import conftest, until
from tests.integration.entrypoints.edge import kit

SLOW = {"rate_free_per_s": 2, "rate_paid_per_s": 4, "rate_sign_in_per_min": 3, "rate_public_per_min": 5}
Start = Callable[..., Awaitable[httpx2.AsyncClient]]
Hit = Callable[[limits.Policy, str], Awaitable[limits.Decision]]


@pytest.fixture(autouse=True)
def _standing_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """No window ends while a test counts."""
    monkeypatch.setattr(clock, "now", lambda: datetime(2026, 11, 21, 12, tzinfo=UTC))


@pytest.fixture
async def start(worker_database: conftest.TestDatabase, tmp_path: Path) -> AsyncIterator[Start]:
    async with contextlib.AsyncExitStack() as stack:

        async def client(bearer: object = None, *, peer: str = "203.0.113.9", **given: Any) -> httpx2.AsyncClient:
            configuration = kit.configure(worker_database, tmp_path, **{**SLOW, **given})
            return await stack.enter_async_context(kit.client(configuration, bearer, peer=peer))

        yield client


async def burst(client: httpx2.AsyncClient, path: str = "/v1/things/mine", *, count: int = 6, **headers: str) -> list[httpx2.Response]:
    return list(await asyncio.gather(*(client.get(path, headers=headers) for _ in range(count))))


def refused(answers: list[httpx2.Response]) -> list[httpx2.Response]:
    return [answer for answer in answers if answer.status_code == 429]


@pytest.mark.parametrize(
    "tier, served",
    [("free", 2), ("starter", 4), ("growth", 4), ("scale", 4), ("enterprise", 6), ("free:house", 6)],
)
async def test_an_organization_is_limited_by_its_tier(start: Start, organization_id: UUID, tier: str, served: int) -> None:
    answers = await burst(await start(f"{organization_id}:{tier}"))
    assert 6 - len(refused(answers)) == served
    assert ("ratelimit" in answers[0].headers) is (served < 6)


async def test_a_refusal_says_how_long_to_wait(start: Start, organization_id: UUID) -> None:
    answers = await burst(await start(f"{organization_id}:free"), count=12)
    for answer in refused(answers):
        assert answer.json()["code"] == "rate_limited"
        assert answer.headers["retry-after"] == "1"
        assert answer.headers["ratelimit-policy"] == '"organization";q=2;w=1'
        assert answer.headers["ratelimit"] == '"organization";r=0;t=1'
        assert (answer.headers["ratelimit-limit"], answer.headers["ratelimit-remaining"]) == ("2", "0")
    assert refused(answers)
    served = next(answer for answer in answers if answer.status_code == 200)
    assert served.headers["ratelimit-remaining"] in {"0", "1"}


async def test_an_address_is_limited_on_sign_in_and_public_reads_apart(start: Start) -> None:
    client = await start()
    sign_ins = [await client.post("/v1/things/sign-in") for _ in range(5)]
    assert [answer.status_code for answer in sign_ins] == [200, 200, 200, 429, 429]
    reads = [await client.get("/v1/things/cached") for _ in range(6)]
    assert [answer.status_code for answer in reads] == [200] * 5 + [429]
    assert reads[-1].headers["retry-after"] == "60"


async def test_what_watches_over_us_is_never_limited(start: Start) -> None:
    assert not refused(await burst(await start(), "/health", count=20))


async def test_refused_credentials_are_limited_by_address_and_good_ones_are_not(start: Start, organization_id: UUID) -> None:
    client = await start()
    bad = [await client.get("/v1/things/mine", headers={"authorization": f"Bearer wrong{number}"}) for number in range(5)]
    assert [answer.status_code for answer in bad] == [401, 401, 401, 429, 429]
    assert bad[-1].json()["code"] == "attempts_limited"
    assert int(bad[-1].headers["retry-after"]) >= 1
    good = await client.get("/v1/things/mine", headers={"authorization": f"Bearer {organization_id}"})
    assert good.status_code == 200, "one broken client does not lock out its network"


async def test_a_thousand_wrong_keys_all_look_alike(start: Start) -> None:
    client = await start(None, rate_sign_in_per_min=100)
    answers = [await client.get("/v1/things/mine", headers={"authorization": f"Bearer guess{number}"}) for number in range(1_000)]
    told = {(answer.status_code, answer.json()["code"], answer.json()["detail"]) for answer in answers}
    assert [status for status, _, _ in sorted(told)] == [401, 429]
    assert len(refused(answers)) == 900


@pytest.mark.parametrize(
    "trusted, forwarded, address",
    [
        ((), "198.51.100.7", "203.0.113.9"),  # nobody is trusted: what a client writes does not count
        (("203.0.113.0/24",), "198.51.100.7", "198.51.100.7"),
        (("203.0.113.0/24",), "10.0.0.1, 198.51.100.7", "198.51.100.7"),  # what stands further left, the client wrote
        (("203.0.113.0/24", "10.0.0.0/8"), "198.51.100.7, 10.0.0.1", "198.51.100.7"),
        (("203.0.113.9",), "", "203.0.113.9"),
        (("203.0.113.9",), "nonsense", "203.0.113.9"),
        (("203.0.113.9",), "[2001:db8::7]:4711", "2001:db8::7"),
        (("192.0.2.0/24",), "198.51.100.7", "203.0.113.9"),  # others are trusted, not this peer
    ],
)
async def test_the_clients_address_is_the_peers_unless_a_trusted_proxy_says_better(
    start: Start, trusted: tuple[str, ...], forwarded: str, address: str
) -> None:
    client = await start(None, trusted_proxies=trusted)
    assert (await client.get("/v1/things/cached", headers={"x-forwarded-for": forwarded})).json()["name"] == address


# --- Redis


@contextlib.contextmanager
def redis(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Serve, and let nobody take a busy machine's Redis for one that is away."""
    monkeypatch.setattr(limits, "_REDIS_TIMEOUT_S", until.DEADLINE_S)
    while True:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        command = ["redis-server", "--port", str(port), "--save", "", "--appendonly", "no"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
            try:
                until.holds_now(functools.partial(serves_or_ended, server, port))
                if server.poll() is None:
                    yield f"redis://127.0.0.1:{port}/0", server
                    return
            finally:
                server.kill()
        # Somebody else took the port before it did.


def serves_or_ended(server: subprocess.Popen[bytes], port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1) as probe:
        probe.sendall(b"INFO server\r\n")
        if f"process_id:{server.pid}\r\n".encode() in probe.recv(65_536):
            return True
    return server.poll() is not None


@pytest.mark.requires("redis-server")
async def test_two_processes_share_a_limit_through_redis(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    with redis(monkeypatch) as (url, _):
        one, other = await start(redis_url=url), await start(redis_url=url)
        statuses = [(await (one, other)[number % 2].post("/v1/things/sign-in")).status_code for number in range(6)]
        assert statuses == [200, 200, 200, 429, 429, 429]
        ready = await one.get("/health/ready")
        assert ready.json()["parts"]["redis"]["status"] == "ok"


@pytest.mark.requires("redis-server")
async def test_while_redis_is_away_each_process_counts_alone_and_serves(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = metrics.LIMITS_ALONE._value.get()
    with redis(monkeypatch) as (url, server):
        client = await start(redis_url=url)
        assert (await client.post("/v1/things/sign-in")).status_code == 200
        server.kill()
        server.wait()
        statuses = [(await client.post("/v1/things/sign-in")).status_code for _ in range(5)]
        assert statuses == [200, 200, 200, 429, 429], "counted anew, in memory"
        assert metrics.LIMITS_ALONE._value.get() - alone == 5
        ready = await client.get("/health/ready")
        assert (ready.status_code, ready.json()["parts"]["redis"]["status"]) == (200, "degraded")


@pytest.mark.requires("redis-server")
async def test_redis_is_asked_again_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "RETRY_REDIS_S", 0.0)
    policy = limits.Policy("two", 2, 3600)
    fallen_back: list[None] = []
    with redis(monkeypatch) as (url, _):
        limiter = limits.SharedLimiter(url, on_fallback=lambda: fallen_back.append(None))
        monkeypatch.setattr(limiter, "_hit", failing_once(limiter._hit))
        decisions = [await limiter.hit(policy, "one", clock.now()) for _ in range(4)]
        await limiter.close()
    assert [decision.allowed for decision in decisions] == [True, True, True, False], "one in memory, two in Redis"
    assert len(fallen_back) == 1


def failing_once(hit: Hit) -> Hit:
    async def failing(policy: limits.Policy, identity: str) -> limits.Decision:
        if not failed:
            failed.append(True)
            raise ConnectionError
        return await hit(policy, identity)

    failed: list[bool] = []
    return failing
