"""How an organization appears on its invoices."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as upsert

from carbonledger.domains.accounts import types as accounts
from carbonledger.domains.invoices.store import packing
from carbonledger.domains.invoices.tables import sellers as tables
from carbonledger.domains.invoices.types.sellers import LateUsage, Logo, SellerSettings
from carbonledger.domains.invoices.types.totals import TaxRounding
from carbonledger.infra import db

if TYPE_CHECKING:
    import asyncpg

_settings = tables.settings


async def find(uow: db.UnitOfWork, *, organization_id: UUID, lock: bool = False) -> SellerSettings | None:
    """Return the settings, or None where nobody has made any; locked, they stay so until the transaction ends."""
    statement = select(_settings).where(_settings.c.organization_id == organization_id)
    row = await uow.fetch_one(statement.with_for_update() if lock else statement)
    return None if row is None else _from_row(row)


async def put(uow: db.UnitOfWork, *, organization_id: UUID, settings: SellerSettings, now: datetime) -> None:
    """Keep settings, whatever was there."""
    values = _row(settings) | {"updated_at": now}
    statement = upsert(_settings).values(organization_id=organization_id, **values)
    await uow.execute(statement.on_conflict_do_update(index_elements=["organization_id"], set_=values))


def _row(settings: SellerSettings) -> dict[str, Any]:
    logo = settings.logo
    return {
        "name": settings.name,
        "address": packing.address_to_json(settings.address),
        "tax_ids": packing.tax_ids_to_json(settings.tax_ids),
        "email": settings.email,
        "color": settings.color,
        "logo_media_type": None if logo is None else logo.media_type,
        "logo": None if logo is None else logo.content,
        "locale": settings.locale.value,
        "footer": settings.footer,
        "payment_terms_days": settings.payment_terms_days,
        "grace_s": settings.grace // timedelta(seconds=1),
        "late_usage": settings.late_usage.value,
        "tax_rate_codes": list(settings.tax_rate_codes),
        "tax_rounding": settings.tax_rounding.value,
        "series": settings.series,
    }


def _from_row(row: asyncpg.Record) -> SellerSettings:
    return SellerSettings(
        name=row["name"],
        address=accounts.Address(**row["address"]),
        tax_ids=packing.tax_ids_from_json(row["tax_ids"]),
        email=row["email"],
        color=row["color"],
        logo=None if row["logo"] is None else Logo(media_type=row["logo_media_type"], content=row["logo"]),
        locale=accounts.Locale(row["locale"]),
        footer=row["footer"],
        payment_terms_days=row["payment_terms_days"],
        grace=timedelta(seconds=row["grace_s"]),
        late_usage=LateUsage(row["late_usage"]),
        tax_rate_codes=tuple(row["tax_rate_codes"]),
        tax_rounding=TaxRounding(row["tax_rounding"]),
        series=row["series"],
    )
