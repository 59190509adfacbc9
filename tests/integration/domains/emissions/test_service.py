"""Published factor sets and rates: each once, never another under the same name, and exact amounts by a join."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import date
from decimal import Decimal

import asyncpg
import pytest

from carbonledger.domains.emissions import service, types
from carbonledger.infra import clock, db
from carbonledger.kernel import page
from carbonledger.kernel.usage import Usage
from tests import conftest
from tests.integration.domains.emissions.events import usage

DIGEST = "9a5eb3e79bc9bf5a2ea7c83977fcb23970a9ee518cdaeaae600b7a9f59aeb702"  # docs/methodology/emissions.md
# Every way in which rates differ: tier, fallback, host, place, market basis, batch, long context told and untold.
KINDS = (
    usage(),
    usage("gpt-4o-mini"),
    usage("a-model-nobody-knows"),
    usage("gemini-2.5-pro", provider="google"),
    usage("gpt-4o", provider="azure", region="swedencentral"),
    usage(batch=True),
    usage(uncached=40_000),
    usage(uncached=200_000),
    usage(uncached=40_000, requests=None),
    usage(uncached=200_000, requests=None),
)


@pytest.fixture
async def fresh(fresh_database: conftest.TestDatabase) -> AsyncIterator[db.Database]:
    database = await db.connect(fresh_database.app, size=8, application="test")
    try:
        yield database
    finally:
        await database.close()


async def rate_ids(database: db.Database, *usages: Usage) -> list[int | None]:
    async with database.transaction() as uow:
        return await service.rate_ids(uow, at=clock.now(), emissions=[service.estimate(one) for one in usages])


async def test_a_factor_set_is_published_once_and_read_again_byte_for_byte(fresh: db.Database) -> None:
    for _ in range(2):
        async with fresh.transaction() as uow:
            await service.publish(uow, at=clock.now())
    async with fresh.transaction(read_only=True) as uow:
        (found,) = (await service.factor_sets(uow, page=page.PageRequest())).data
        again = await service.factor_set(uow, version="1.0")
    assert (found.version, found.digest, found.effective_from) == ("1.0", DIGEST, date(2026, 11, 1))
    assert again.document == service.current().document


async def test_many_that_publish_at_once_succeed(fresh: db.Database) -> None:
    async def publish() -> None:
        async with fresh.transaction() as uow:
            await service.publish(uow, at=clock.now())

    await asyncio.gather(*(publish() for _ in range(8)))
    async with fresh.transaction(read_only=True) as uow:
        assert len((await service.factor_sets(uow, page=page.PageRequest())).data) == 1


async def test_another_set_under_a_published_version_is_refused(fresh: db.Database) -> None:
    async with fresh.transaction() as uow:
        await uow.conn.execute(
            "INSERT INTO factor_sets (version, digest, effective_from, document, published_at) VALUES ('1.0', $1, $2, $3, $4)",
            "0" * 64,
            date(2026, 11, 1),
            b"{}",
            clock.now(),
        )
    with pytest.raises(types.FactorSetChanged, match=DIGEST):
        async with fresh.transaction() as uow:
            await service.publish(uow, at=clock.now())
    with pytest.raises(types.FactorSetChanged):
        await rate_ids(fresh, usage())


async def test_sets_are_listed_the_latest_effective_first_page_by_page(fresh: db.Database) -> None:
    async with fresh.transaction() as uow:
        for place, (version, day) in enumerate((("1.1", 2), ("1.2", 3), ("1.3", 2))):
            await uow.conn.execute(
                "INSERT INTO factor_sets (version, digest, effective_from, document, published_at) VALUES ($1, $2, $3, '{}', $4)",
                version,
                str(place) * 64,
                date(2026, 12, day),
                clock.now(),
            )
        found = await service.factor_sets(uow, page=page.PageRequest(limit=2))
        rest = await service.factor_sets(uow, page=page.PageRequest(limit=2, after=("2026-12-02", "1.3")))
        with pytest.raises(page.CursorUnreadable):
            await service.factor_sets(uow, page=page.PageRequest(after=("today", "1.3")))
    assert [one.version for one in (*found.data, *rest.data)] == ["1.2", "1.3", "1.1"]


async def test_a_version_that_was_never_published_is_not_found(fresh: db.Database) -> None:
    with pytest.raises(types.FactorSetNotFound):
        async with fresh.transaction() as uow:
            await service.factor_set(uow, version="9.9")


async def test_each_kind_of_rates_has_one_id_and_what_is_not_covered_has_none(fresh: db.Database) -> None:
    first = await rate_ids(fresh, *KINDS, usage("dall-e-3"))
    again = await rate_ids(fresh, *KINDS, usage("dall-e-3"))
    assert first == again
    assert first[-1] is None
    assert len({*first[:-1]}) == len(KINDS)
    assert await rate_ids(fresh, usage("gpt-5")) == first[:1], "two models of one tier at one place share their rates"
    async with fresh.transaction(read_only=True) as uow:
        rows = await uow.conn.fetch("SELECT * FROM emission_rates ORDER BY id")
    assert sorted(row["id"] for row in rows) == sorted(one for one in first if one is not None)
    of = {row["id"]: row for row in rows}
    long, untold = of[first[6]], of[first[8]]
    assert (long["context_low"], long["context_high"]) == (32_000, 32_000)
    assert (untold["context_low"], untold["context_high"]) == (0, 32_000)
    assert [of[one]["is_fallback"] for one in first[:3]] == [False, False, True]
    assert (of[first[3]]["host"], of[first[3]]["market_grid"]) == ("google", "GOOGLE_FLEET_MB")
    assert (of[first[4]]["host"], of[first[4]]["grid"]) == ("azure", "SWE")


async def test_amounts_follow_from_tokens_and_rates_by_a_join_to_the_last_digit(fresh: db.Database) -> None:
    for one in KINDS:
        emissions = service.estimate(one)
        (rate_id,) = await rate_ids(fresh, one)
        tokens = (emissions.prefill_tokens, emissions.cached_tokens, emissions.decode_tokens)
        async with fresh.transaction(read_only=True) as uow:
            for column, expected in {
                "energy_wh": emissions.energy_wh,
                "co2e_location_g": emissions.co2e_location_g,
                "co2e_market_g": emissions.co2e_market_g,
                "water_ml": emissions.water_ml,
                "embodied_g": emissions.embodied_g,
            }.items():
                bounds = ", ".join(
                    f"$2::bigint * {column}[{place}] + $3::bigint * {column}[{place + 1}] + $4::bigint * {column}[{place + 2}]"
                    for place in (1, 4, 7)
                )
                found = await uow.conn.fetchrow(f"SELECT {bounds} FROM emission_rates WHERE id = $1", rate_id, *tokens)
                assert found is not None
                assert tuple(found) == ((None,) * 3 if expected is None else (expected.low, expected.mid, expected.high)), column


async def test_an_estimate_in_the_database_is_the_published_one(fresh: db.Database) -> None:
    """By hand: 1,000 input and 500 output tokens of gpt-4o: (0.075 + 0.5 * 0.8) Wh * PUE 1.18."""
    (rate_id,) = await rate_ids(fresh, usage())
    async with fresh.transaction(read_only=True) as uow:
        mid = await uow.conn.fetchval("SELECT 1000 * energy_wh[4] + 500 * energy_wh[6] FROM emission_rates WHERE id = $1", rate_id)
    assert mid == Decimal("0.5605")


async def test_many_that_add_the_same_rates_at_once_get_the_same_ids(fresh_database: conftest.TestDatabase) -> None:
    databases = [await db.connect(fresh_database.app, size=2, application="test") for _ in range(4)]
    try:
        orders = (KINDS, KINDS[::-1], KINDS[3:] + KINDS[:3], KINDS)
        found = await asyncio.gather(*(rate_ids(one, *order) for one, order in zip(databases, orders, strict=True)))
    finally:
        await asyncio.gather(*(one.close() for one in databases))
    assert found[0] == found[1][::-1] == found[2][-3:] + found[2][:-3] == found[3]


async def test_ids_of_work_that_was_undone_are_not_remembered(fresh: db.Database) -> None:
    with pytest.raises(RuntimeError):
        async with fresh.transaction() as uow:
            await service.rate_ids(uow, at=clock.now(), emissions=[service.estimate(usage())])
            raise RuntimeError
    async with fresh.transaction() as uow:
        with pytest.raises(RuntimeError):
            async with uow.savepoint():
                await service.rate_ids(uow, at=clock.now(), emissions=[service.estimate(usage())])
                raise RuntimeError
    (found,) = await rate_ids(fresh, usage())
    async with fresh.transaction(read_only=True) as uow:
        assert await uow.conn.fetchval("SELECT id FROM emission_rates") == found


async def test_an_id_is_found_again_after_rates_were_let_go_and_made_anew(fresh: db.Database) -> None:
    (before,) = await rate_ids(fresh, usage())
    for _ in range(3):
        estimates = [service.estimate(one) for one in KINDS]
        copies = [one._replace(rates=type(one.rates)(**fields(one.rates))) for one in estimates if one.rates is not None]
        async with fresh.transaction() as uow:
            assert (await service.rate_ids(uow, at=clock.now(), emissions=copies))[0] == before


def fields(rates: types.Rates) -> dict[str, types.PerToken]:
    return {name: getattr(rates, name) for name in types.Rates.__dataclass_fields__}


async def test_numbers_that_are_not_nine_are_refused(fresh: db.Database) -> None:
    await rate_ids(fresh, usage())
    copy = "INSERT INTO emission_rates ({names}) SELECT {values} FROM emission_rates"
    async with fresh.transaction(read_only=True) as uow:
        rows = await uow.conn.fetch("SELECT column_name FROM information_schema.columns WHERE table_name = 'emission_rates'")
    names = [row["column_name"] for row in rows if row["column_name"] != "id"]
    for column in ("energy_wh", "co2e_location_g", "water_ml", "embodied_g"):
        for wrong in (f"{column}[1:8]", f"array_append({column}[1:8], NULL)"):
            values = [wrong if name == column else "sha256('other')" if name == "digest" else name for name in names]
            with pytest.raises(asyncpg.CheckViolationError):
                async with fresh.transaction() as uow:
                    await uow.conn.execute(copy.format(names=", ".join(names), values=", ".join(values)))
