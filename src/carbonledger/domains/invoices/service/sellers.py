"""How an organization sells: its appearance on invoices, what it does about late usage, and its series of numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from carbonledger.domains.catalog import service as catalog
from carbonledger.domains.invoices.core import sellers as rules
from carbonledger.domains.invoices.store import numbers
from carbonledger.domains.invoices.store import sellers as store
from carbonledger.domains.invoices.types import sellers as types
from carbonledger.domains.invoices.types.sellers import NumberSeries, SellerSettings
from carbonledger.infra import db, outbox
from carbonledger.kernel import errors
from carbonledger.kernel.actor import Actor

CHANGED: Final = "seller.changed"
SERIES_MADE: Final = "invoice_series.created"
_UNTOLD: Final = frozenset({"name", "address", "tax_ids", "email", "logo", "footer"})
"""What events only say that it changed: a sole trader is a person, and a picture is no change to read."""


async def settings(uow: db.UnitOfWork, *, organization_id: UUID) -> SellerSettings:
    """Return the organization's settings, or what holds until it makes some."""
    return await store.find(uow, organization_id=organization_id) or SellerSettings()


async def change(uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID, values: Mapping[str, object]) -> SellerSettings:
    """Give fields of the settings, by their names, other values.

    Issued invoices keep what they say. Raises ``errors.Invalid`` with everything that is wrong, ``SeriesNotFound``.
    """
    old = await store.find(uow, organization_id=organization_id, lock=True) or SellerSettings()
    new = rules.checked(replace(old, **values))  # type: ignore[arg-type]  # names and types are the edge's, checked here
    if new.tax_rate_codes != old.tax_rate_codes:
        known = await catalog.tax_rates_by_code(uow, organization_id=organization_id, codes=new.tax_rate_codes)
        errors.refuse(rules.unknown_tax_rates(new, frozenset(known)))
    await series(uow, organization_id=organization_id, code=new.series, now=now)
    changed = [field.name for field in fields(SellerSettings) if getattr(old, field.name) != getattr(new, field.name)]
    if not changed:
        return old
    await store.put(uow, organization_id=organization_id, settings=new, now=now)
    told = {name: str(getattr(getattr(new, name), "value", getattr(new, name))) for name in changed if name not in _UNTOLD}
    await outbox.emit(
        uow,
        actor=actor,
        now=now,
        action=CHANGED,
        target_type="organization",
        target_id=organization_id,
        after={"changed": changed, **told},
    )
    return new


async def drop_tax_rate(uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID, tax_rate_id: UUID) -> None:
    """Archive a tax rate that neither the settings nor any plan names: a bill that bears one that isn't there can't be made.

    Raises ``TaxRateOfSeller``, and as ``catalog.archive_tax_rate`` does.
    """
    rate = await catalog.find_tax_rate(uow, organization_id=organization_id, tax_rate_id=tax_rate_id)
    known = await store.find(uow, organization_id=organization_id, lock=True)
    if known is not None and rate.archived_at is None and rate.code in known.tax_rate_codes:
        raise types.TaxRateOfSeller("Everything that names no tax rate bears it. Choose another one first, or none.")
    await catalog.archive_tax_rate(uow, actor=actor, now=now, organization_id=organization_id, tax_rate_id=tax_rate_id)


async def series(uow: db.UnitOfWork, *, organization_id: UUID, code: str, now: datetime) -> NumberSeries:
    """Return a series; the first one is made when it is asked for. Raises ``SeriesNotFound``."""
    found = await numbers.find(uow, organization_id=organization_id, code=code)
    if found is None and code == types.DEFAULT_SERIES:
        await numbers.ensure(uow, organization_id=organization_id, series=rules.FIRST_SERIES, now=now)
        found = await numbers.find(uow, organization_id=organization_id, code=code)
    if found is None:
        raise types.SeriesNotFound(f"There is no series {code}.")
    return found


async def every_series(uow: db.UnitOfWork, *, organization_id: UUID) -> list[NumberSeries]:
    """Return all series by their codes; the first one also before it is made."""
    known = await numbers.every(uow, organization_id=organization_id)
    if any(one.code == types.DEFAULT_SERIES for one in known):
        return known
    return sorted([rules.FIRST_SERIES, *known], key=lambda one: one.code)


async def add_series(uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID, series: NumberSeries) -> NumberSeries:
    """Make a series, of which nothing is issued yet. Raises ``errors.Invalid``, ``SeriesTaken`` where its code or prefix is another's."""
    made = replace(rules.checked_series(series), issued=0)
    for known in await every_series(uow, organization_id=organization_id):
        if known.code == made.code or known.prefix == made.prefix:
            raise types.SeriesTaken(f"The series {known.code} has this code or this prefix.")
    await numbers.ensure(uow, organization_id=organization_id, series=made, now=now)
    after = {"prefix": made.prefix, "padding": made.padding}
    await outbox.emit(uow, actor=actor, now=now, action=SERIES_MADE, target_type="invoice_series", target_id=made.code, after=after)
    return made
