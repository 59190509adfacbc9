"""Every SQL statement of emissions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import ARRAY, Integer, LargeBinary, any_, literal, select, tuple_
from sqlalchemy.dialects.postgresql import insert

from carbonledger.domains.emissions import tables, types
from carbonledger.infra import db
from carbonledger.kernel import decimals

_SET = ("version", "digest", "effective_from", "published_at")
_ROWS_MAX = 1_000  # of one INSERT: PostgreSQL takes 65,535 arguments, and a row has 17


async def factor_sets(uow: db.UnitOfWork, *, after: tuple[date, str] | None, limit: int) -> list[types.PublishedSet]:
    """Return published factor sets, the latest effective first, at most ``limit``, those after the one of this day and version."""
    place = tuple_(tables.factor_sets.c.effective_from, tables.factor_sets.c.version)
    statement = select(*(tables.factor_sets.c[name] for name in _SET)).order_by(*(column.desc() for column in place.clauses)).limit(limit)
    rows = await uow.fetch(statement if after is None else statement.where(place < tuple_(*after)))
    return [types.PublishedSet(**dict(row)) for row in rows]


async def factor_set(uow: db.UnitOfWork, *, version: str) -> types.PublishedFile | None:
    """Return a published factor set with its file, or None."""
    row = await uow.fetch_one(select(tables.factor_sets).where(tables.factor_sets.c.version == version))
    return None if row is None else types.PublishedFile(**dict(row))


async def factor_set_digest(uow: db.UnitOfWork, *, version: str) -> str | None:
    """Return the digest of a published factor set, or None."""
    found: str | None = await uow.fetch_value(select(tables.factor_sets.c.digest).where(tables.factor_sets.c.version == version))
    return found


async def insert_factor_set(uow: db.UnitOfWork, *, factors: types.FactorSet, at: datetime) -> None:
    """Add a factor set, unless one of its version is there; waits for a transaction that is just adding it."""
    values = {
        "version": factors.version,
        "digest": factors.digest,
        "effective_from": factors.effective_from,
        "document": factors.document,
        "published_at": at,
    }
    # Whichever key meets it first: of two that add one set at once, either the version or the digest may be the one that waits.
    await uow.execute(insert(tables.factor_sets).values(values).on_conflict_do_nothing())


async def rate_ids(uow: db.UnitOfWork, *, digests: Sequence[bytes]) -> dict[bytes, int]:
    """Return the ids of those rates that are there, by digest."""
    asked = literal(list(digests), ARRAY(LargeBinary))
    statement = select(tables.emission_rates.c.digest, tables.emission_rates.c.id).where(tables.emission_rates.c.digest == any_(asked))
    rows = await uow.fetch(statement)
    return {row["digest"]: row["id"] for row in rows}


async def kept_rates(uow: db.UnitOfWork, *, ids: Sequence[int]) -> dict[int, types.KeptRates]:
    """Return rates by their ids, those of them that are there."""
    asked = literal(list(ids), ARRAY(Integer))
    joined = tables.emission_rates.join(tables.factor_sets)
    statement = select(tables.emission_rates, tables.factor_sets.c.digest.label("set_digest")).select_from(joined)
    rows = await uow.fetch(statement.where(tables.emission_rates.c.id == any_(asked)))
    return {
        row["id"]: types.KeptRates(
            version=row["factor_version"],
            digest=row["set_digest"],
            energy=_quanta(row["energy_wh"]),
            co2e_location=_quanta(row["co2e_location_g"]),
            co2e_market=None if row["co2e_market_g"] is None else _quanta(row["co2e_market_g"]),
        )
        for row in rows
    }


async def rate_names(uow: db.UnitOfWork, *, ids: Sequence[int]) -> list[types.RateNames]:
    """Return what rates were made for, by the order of their ids, those of them that are there."""
    asked = literal(list(ids), ARRAY(Integer))
    rows = await uow.fetch(
        select(
            tables.emission_rates.c.id,
            tables.emission_rates.c.digest,
            tables.emission_rates.c.factor_version.label("version"),
            tables.emission_rates.c.model_tier.label("tier"),
            tables.emission_rates.c.is_fallback,
            tables.emission_rates.c.host,
            tables.emission_rates.c.grid,
            tables.emission_rates.c.market_grid.label("market"),
            tables.emission_rates.c.is_batch,
            tables.emission_rates.c.context_low,
            tables.emission_rates.c.context_high,
        )
        .where(tables.emission_rates.c.id == any_(asked))
        .order_by(tables.emission_rates.c.id)
    )
    return [types.RateNames(**dict(row)) for row in rows]


def _quanta(amounts: Sequence[Decimal]) -> types.PerToken:
    return tuple(int(decimals.shifted(amount, types.PLACES)) for amount in amounts)  # type: ignore[return-value]  # nine, by a check of the table


async def insert_rates(uow: db.UnitOfWork, *, rates: Sequence[types.NamedRates], at: datetime) -> None:
    """Add rates that are not there, in the order of their digests: two transactions that add the same ones then take turns."""
    rows = [_rates_to_row(one, at) for one in sorted(rates, key=lambda one: one.digest)]
    for start in range(0, len(rows), _ROWS_MAX):
        some = insert(tables.emission_rates).values(rows[start : start + _ROWS_MAX])
        await uow.execute(some.on_conflict_do_nothing(index_elements=["digest"]))


def _rates_to_row(named: types.NamedRates, at: datetime) -> dict[str, object]:
    rates = named.rates
    return {
        "factor_version": named.version,
        "digest": named.digest,
        "model_tier": named.tier,
        "is_fallback": named.is_fallback,
        "host": named.host,
        "grid": named.grid,
        "market_grid": named.market,
        "is_batch": named.is_batch,
        "context_low": named.context_low,
        "context_high": named.context_high,
        "energy_wh": _decimals(rates.energy),
        "co2e_location_g": _decimals(rates.co2e_location),
        "co2e_market_g": None if rates.co2e_market is None else _decimals(rates.co2e_market),
        "water_ml": _decimals(rates.water),
        "embodied_g": _decimals(rates.embodied),
        "created_at": at,
    }


def _decimals(rate: types.PerToken) -> list[Decimal]:
    return [decimals.shifted(decimals.of(quanta), -types.PLACES) for quanta in rate]
