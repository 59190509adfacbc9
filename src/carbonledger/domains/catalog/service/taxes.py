"""Tax rates: made, renamed, archived while no plan charges them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

import asyncpg

from carbonledger.domains.catalog.core import taxes as core
from carbonledger.domains.catalog.service.entries import Sort
from carbonledger.domains.catalog.store import entries
from carbonledger.domains.catalog.types import TaxRate, TaxRateCodeTaken, TaxRateInUse, TaxRateNotFound
from carbonledger.infra import db, outbox
from carbonledger.kernel import decimals, ids
from carbonledger.kernel import page as pages
from carbonledger.kernel.actor import Actor

_TAX_RATES: Final = Sort(entries.tax_rates, "tax_rate", TaxRateNotFound, TaxRateInUse, need="Plans charge it")


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
    return await _TAX_RATES.find(uow, organization_id=organization_id, entry_id=tax_rate_id)


async def list_tax_rates(
    uow: db.UnitOfWork, *, organization_id: UUID, page: pages.PageRequest, archived: bool = False
) -> pages.Page[TaxRate]:
    """Return tax rates in use, or those archived, newest first."""
    return await _TAX_RATES.some(uow, organization_id=organization_id, page=page, archived=archived)


async def rename_tax_rate(
    uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID, tax_rate_id: UUID, name: str
) -> TaxRate:
    """Give a tax rate another name. Raises ``errors.Invalid``, ``TaxRateNotFound``."""
    return await _TAX_RATES.rename(uow, actor=actor, now=now, organization_id=organization_id, entry_id=tax_rate_id, name=name)


async def archive_tax_rate(uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID, tax_rate_id: UUID) -> None:
    """Archive a tax rate that no version of any plan names. Again it changes nothing. Raises ``TaxRateNotFound``, ``TaxRateInUse``."""
    await _TAX_RATES.archive(uow, actor=actor, now=now, organization_id=organization_id, entry_id=tax_rate_id)


async def tax_rates_by_code(uow: db.UnitOfWork, *, organization_id: UUID, codes: Sequence[str]) -> dict[str, TaxRate]:
    """Return the tax rates in use of these codes, by code, in one statement; a code that is none is left out."""
    return await entries.tax_rates.with_codes(uow, organization_id=organization_id, codes=sorted(set(codes))) if codes else {}
