"""Tax rates: made, renamed, archived while no plan charges them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import asyncpg

from carbonledger.domains.catalog.core import naming
from carbonledger.domains.catalog.core import taxes as core
from carbonledger.domains.catalog.store import entries
from carbonledger.domains.catalog.store import versions as version_store
from carbonledger.domains.catalog.types import TaxRate, TaxRateCodeTaken, TaxRateInUse, TaxRateNotFound
from carbonledger.infra import db, outbox
from carbonledger.kernel import decimals, errors, ids
from carbonledger.kernel import page as pages
from carbonledger.kernel.actor import Actor
from carbonledger.kernel.errors import Problem


async def create_tax_rate(
    uow: db.UnitOfWork,
    *,
    actor: Actor,
    now: datetime,
    at: datetime,
    organization_id: UUID,
    code: str,
    name: str,
    percent: Decimal,
    inclusive: bool,
) -> TaxRate:
    """Make a tax rate. Raises ``TaxRateInvalid`` with all that is wrong, ``TaxRateCodeTaken``."""
    made = core.checked(
        TaxRate(id=ids.new_id(at), code=code, name=name, percent=percent, inclusive=inclusive, created_at=now, updated_at=now)
    )
    try:
        await entries.tax_rates.add(uow, organization_id=organization_id, entry=made)
    except asyncpg.UniqueViolationError as error:
        raise TaxRateCodeTaken(f"There is a tax rate {code} already. Choose another code.") from error
    after = {"code": made.code, "percent": decimals.to_api_decimal(made.percent), "inclusive": made.inclusive}
    await outbox.emit(uow, actor=actor, now=now, action="tax_rate.created", target_type="tax_rate", target_id=made.id, after=after)
    return made


async def find_tax_rate(uow: db.UnitOfWork, *, organization_id: UUID, tax_rate_id: UUID) -> TaxRate:
    """Return a tax rate, archived or not. Raises ``TaxRateNotFound``."""
    return _there(await entries.tax_rates.find(uow, organization_id=organization_id, entry_id=tax_rate_id), tax_rate_id)


def _there(found: TaxRate | None, tax_rate_id: UUID) -> TaxRate:
    if found is None:
        raise TaxRateNotFound(f"There is no tax rate {tax_rate_id}.")
    return found


async def list_tax_rates(
    uow: db.UnitOfWork, *, organization_id: UUID, page: pages.PageRequest, archived: bool = False
) -> pages.Page[TaxRate]:
    """Return tax rates in use, or those archived, newest first."""
    before = pages.before_id(page)
    rows = await entries.tax_rates.some(
        uow, organization_id=organization_id, archived=archived, search=None, before=before, limit=page.limit + 1
    )
    return pages.cut(rows, limit=page.limit, key=lambda rate: (str(rate.id),))


async def rename_tax_rate(
    uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID, tax_rate_id: UUID, name: str
) -> TaxRate:
    """Give a tax rate another name. Raises ``errors.Invalid``, ``TaxRateNotFound``."""
    problems: list[Problem] = []
    kept = naming.name(problems, "/name", name)
    errors.refuse(problems)
    old = _there(await entries.tax_rates.find(uow, organization_id=organization_id, entry_id=tax_rate_id, lock=True), tax_rate_id)
    if kept == old.name:
        return old
    await entries.tax_rates.change(uow, organization_id=organization_id, entry_id=tax_rate_id, values={"name": kept, "updated_at": now})
    await outbox.emit(
        uow,
        actor=actor,
        now=now,
        action="tax_rate.changed",
        target_type="tax_rate",
        target_id=tax_rate_id,
        before={"name": old.name},
        after={"name": kept},
    )
    return replace(old, name=kept, updated_at=now)


async def archive_tax_rate(uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID, tax_rate_id: UUID) -> None:
    """Archive a tax rate that no version of any plan names. Again it changes nothing. Raises ``TaxRateNotFound``, ``TaxRateInUse``."""
    old = _there(await entries.tax_rates.find(uow, organization_id=organization_id, entry_id=tax_rate_id, lock=True), tax_rate_id)
    if old.archived_at is not None:
        return
    plans = await version_store.needed_by(uow, organization_id=organization_id, needed_id=tax_rate_id)
    if plans:
        raise TaxRateInUse(f"Plans charge it: {', '.join(plans)}.", extra={"plans": list(plans)})
    await entries.tax_rates.change(
        uow, organization_id=organization_id, entry_id=tax_rate_id, values={"archived_at": now, "updated_at": now}
    )
    before = {"code": old.code}
    await outbox.emit(uow, actor=actor, now=now, action="tax_rate.archived", target_type="tax_rate", target_id=tax_rate_id, before=before)


async def tax_rates_by_code(uow: db.UnitOfWork, *, organization_id: UUID, codes: Sequence[str]) -> dict[str, TaxRate]:
    """Return the tax rates in use of these codes, by code, in one statement; a code that is none is left out."""
    return await entries.tax_rates.with_codes(uow, organization_id=organization_id, codes=sorted(set(codes))) if codes else {}
