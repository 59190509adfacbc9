"""The front door of emissions: estimates by the factor set of this process, published sets, and the ids of rates.

Factor sets ship with the code, so an estimate asks no database. What the ledger keeps of an estimate is the id of its rates, which are
published once: the amounts are token counts times rates, so that they follow by a join, to the last digit. Nothing here belongs to an
organization. ``at`` is real time.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Sequence
from datetime import date, datetime

from carbonledger.domains.emissions import data, store, types
from carbonledger.domains.emissions.core import estimating, explaining, loading, naming
from carbonledger.domains.emissions.core import methodology as methods
from carbonledger.infra import db
from carbonledger.kernel import page as pages
from carbonledger.kernel.usage import RequestSize, Usage

# Rates are remembered by their object, which the estimator shares between events, so a look-up takes 0.1 µs. What it has let go of is made
# anew as another object, and remembered beside the old one; at 2 kB each, 8,192 take 16 MB.
REMEMBERED_MAX = 8_192
_REMEMBERED = "emissions.rate_ids"
_RateIds = dict[int, tuple[types.Rates, int]]  # by the address of the object, which the entry keeps alive: the rates and their id


@functools.cache
def _estimator(version: str) -> estimating.Estimator:
    return estimating.Estimator(loading.factor_set(data.factor_set(version)))


def current() -> types.FactorSet:
    """Return the factor set of this process, read once. Raises ``FactorSetInvalid``."""
    return _estimator(data.VERSIONS[-1]).factors


def estimate(usage: Usage, *, size: RequestSize | None = None) -> types.Emissions:
    """Return what usage emits, with amounts None where they can't be known. ``size``: how large each request's input was."""
    return _estimator(data.VERSIONS[-1]).estimate(usage, size=size)


def edges() -> tuple[int, ...]:
    """Return the counts of input tokens, rising, above each of which one request takes other rates: the steps of long context."""
    return tuple(step.input_tokens_min - 1 for step in current().context_steps)


def explain(usage: Usage, *, size: RequestSize | None = None) -> types.Explanation:
    """Return what usage emits, with the steps that lead to each number. ``size`` as in ``estimate``."""
    return explaining.explain(_estimator(data.VERSIONS[-1]), usage, size=size)


async def publish(uow: db.UnitOfWork, *, at: datetime) -> None:
    """Publish the shipped factor sets that are new here. Safe by many at once.

    Raises ``FactorSetChanged`` where another set has one of their versions: estimates would no longer be what their version says.
    """
    for version in data.VERSIONS:
        factors = _estimator(version).factors
        found = await store.factor_set_digest(uow, version=version)
        if found is None:
            await store.insert_factor_set(uow, factors=factors, at=at)
            found = await store.factor_set_digest(uow, version=version)  # that of another process, if it was first
        if found != factors.digest:
            raise types.FactorSetChanged(
                f"Factor set {version} was published here with the digest {found}, and this release brings {factors.digest}. "
                "A published set never changes: install the release it came with, or give the new numbers a version of their own."
            )


@functools.cache
def methodology() -> types.Methodology:
    """Return how this process estimates: formulas, phases, what is assumed, and what the flags mean."""
    return methods.methodology(current())


async def factor_sets(uow: db.UnitOfWork, *, page: pages.PageRequest) -> pages.Page[types.PublishedSet]:
    """Return the published factor sets, the latest effective first. Raises ``CursorUnreadable``."""
    rows = await store.factor_sets(uow, after=_after(page), limit=page.limit + 1)
    return pages.cut(rows, limit=page.limit, key=lambda one: (one.effective_from.isoformat(), one.version))


def _after(page: pages.PageRequest) -> tuple[date, str] | None:
    if page.after is None:
        return None
    try:
        day, version = page.after
        return date.fromisoformat(day), version
    except ValueError as error:
        raise pages.CursorUnreadable("This cursor belongs to another list.") from error


async def factor_set(uow: db.UnitOfWork, *, version: str) -> types.PublishedFile:
    """Return a published factor set. Raises ``FactorSetNotFound``."""
    found = await store.factor_set(uow, version=version)
    if found is None:
        raise types.FactorSetNotFound(f"There is no factor set {version} here.")
    return found


async def rate_ids(uow: db.UnitOfWork, *, at: datetime, emissions: Sequence[types.Emissions]) -> list[int | None]:
    """Return the id of the rates of each estimate, in their order; None: not covered. Rates that are new in this database are added.

    Call it once for a batch, before rows are locked: a transaction that adds rates keeps others that need the same ones waiting. The ids
    hold in this transaction; they are remembered when it is committed, and only then. Raises ``FactorSetChanged``.
    """
    remembered: _RateIds = uow.remembered.setdefault(_REMEMBERED, {})
    found = [None if one.rates is None else remembered.get(id(one.rates)) for one in emissions]
    missing = {id(one.rates): one for one, known in zip(emissions, found, strict=True) if known is None and one.rates is not None}
    added: _RateIds = {}
    if missing:
        added = await _registered(uow, at=at, emissions=tuple(missing.values()))
        uow.after_commit(functools.partial(_remember, remembered, added))
    known = (was or added.get(id(one.rates)) for one, was in zip(emissions, found, strict=True))
    return [None if one is None else one[1] for one in known]


async def kept_rates(uow: db.UnitOfWork, *, ids: Collection[int]) -> dict[int, types.KeptRates]:
    """Return the rates that events name, by id. Raises ``RatesUnpublished`` where one is not there."""
    found = await store.kept_rates(uow, ids=sorted(ids))
    if found.keys() != set(ids):
        raise types.RatesUnpublished(f"Rates {sorted(set(ids) - found.keys())} are named by events and are not there.")
    return found


async def named_rates(uow: db.UnitOfWork, *, ids: Collection[int]) -> dict[int, types.NamedRates]:
    """Return rates that events name with all that their digest is over, computed anew from the published factor set.

    Raises ``RatesUnpublished`` where one is not there, or is not what its factor set gives.
    """
    rows = await store.rate_names(uow, ids=sorted(ids))
    files = {version: await factor_set(uow, version=version) for version in sorted({row.version for row in rows})}
    estimators = {version: estimating.Estimator(loading.factor_set(file.document)) for version, file in files.items()}
    made = {}
    for row in rows:
        key = estimating.RatesKey(row.tier, row.is_fallback, row.host, row.grid, row.market, row.is_batch)
        again = naming.made_again(estimators[row.version], key, context_low=row.context_low, context_high=row.context_high)
        if again.digest == row.digest:
            made[row.id] = again
    if made.keys() != set(ids):
        raise types.RatesUnpublished(f"Rates {sorted(set(ids) - made.keys())} are not there, or not those of their factor set.")
    return made


def described(document: bytes) -> types.Methodology:
    """Return how estimates by the factor set of a file are made. Raises ``FactorSetInvalid``."""
    return methods.methodology(loading.factor_set(document))


async def _registered(uow: db.UnitOfWork, *, at: datetime, emissions: Sequence[types.Emissions]) -> _RateIds:
    """Return the ids of the estimates' rates, adding what is not there."""
    named = [naming.named(_estimator(one.version), one, one.rates) for one in emissions if one.rates is not None]
    digests = [one.digest for one in named]
    ids = await store.rate_ids(uow, digests=digests)
    new = {one.digest: one for one in named if one.digest not in ids}
    if new:
        await publish(uow, at=at)
        await store.insert_rates(uow, rates=tuple(new.values()), at=at)
        ids |= await store.rate_ids(uow, digests=list(new))  # also those that another transaction has added meanwhile
    if not ids.keys() >= set(digests):
        raise types.RatesUnpublished("Rates were added and are not there.")
    return {id(one.rates): (one.rates, ids[one.digest]) for one in named}


def _remember(remembered: _RateIds, added: _RateIds) -> None:
    if len(remembered) + len(added) > REMEMBERED_MAX:
        remembered.clear()
    remembered.update(added)
