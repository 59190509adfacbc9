"""What a bill run has to know before it can work anything out, read in as many statements for hundreds of accounts as for one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from carbonledger.domains.accounts import service as accounts_service
from carbonledger.domains.accounts.types import Account
from carbonledger.domains.catalog import service as catalog
from carbonledger.domains.catalog.types import PlanVersion, TaxRate
from carbonledger.domains.invoices.core import amounts_off as core
from carbonledger.domains.invoices.core import pieces, services
from carbonledger.domains.invoices.core.pieces import Measured, Piece
from carbonledger.domains.invoices.core.services import Service
from carbonledger.domains.invoices.service import measuring, sellers
from carbonledger.domains.invoices.store import reading
from carbonledger.domains.invoices.types.invoices import Line
from carbonledger.domains.invoices.types.sellers import SellerSettings
from carbonledger.domains.invoices.types.totals import DocumentDiscount
from carbonledger.domains.subscriptions.types import DueCharge, DueKind
from carbonledger.infra import db
from carbonledger.kernel.currency import Currency
from carbonledger.kernel.period import Period


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What ``drafting`` asks for, and whom it is about."""

    settings: SellerSettings
    accounts: Mapping[UUID, Account]
    versions: Mapping[UUID, PlanVersion]
    rates: Mapping[str, TaxRate]
    measured: Mapping[str, Measured]
    billed: Mapping[str, Line]
    served: Mapping[Service, Sequence[Line]]


async def of_due(
    uow: db.UnitOfWork,
    *,
    now: datetime,
    organization_id: UUID,
    due: Mapping[UUID, Sequence[DueCharge]],
    late: Sequence[Line] = (),
) -> Context:
    """Read what is needed to bill what is due, by account, and what was gathered with it. ``late``: the lines of that."""
    every = [one for charges in due.values() for one in charges]
    settings = await sellers.settings(uow, organization_id=organization_id)
    accounts = await accounts_service.find_many(uow, organization_id=organization_id, account_ids=list(due))
    more = [pieces.of_line(line) for line in late]
    version_ids = [*(one.plan_version_id for one in every), *(version_id for _, version_id, _ in services.of_pieces(more))]
    versions = await catalog.find_versions(uow, organization_id=organization_id, version_ids=version_ids)
    codes = {code for one in every if one.charge is not None for code in one.charge.tax_rate_codes}
    credited = [one.credits for one in every if one.credits is not None]
    billed = await reading.billed(uow, organization_id=organization_id, causes=credited) if credited else {}
    codes.update(settings.tax_rate_codes, *(line.tax_codes for line in (*billed.values(), *late)))
    wanted = measuring.of_due(every, accounts=accounts)
    return Context(
        settings=settings,
        accounts=accounts,
        versions=versions,
        rates=await rates(uow, organization_id=organization_id, codes=codes),
        measured=await measuring.measure(uow, now=now, organization_id=organization_id, wanted=wanted),
        billed=billed,
        served=await _served(uow, organization_id=organization_id, due=every, late=more, versions=versions),
    )


async def amounts_off(
    uow: db.UnitOfWork, *, organization_id: UUID, made: Sequence[Piece], currency: Currency
) -> tuple[DocumentDiscount, ...]:
    """Return the amounts off a document that is made of nothing but what came late."""
    wanted = services.of_pieces(made)
    versions = await catalog.find_versions(uow, organization_id=organization_id, version_ids=[version_id for _, version_id, _ in wanted])
    wanted = [one for one in wanted if core.has_any(versions[one[1]])]
    earlier = await served(uow, organization_id=organization_id, services=wanted)
    return core.discounts_of(made, earlier=earlier, versions=versions, currency=currency)


async def rates(uow: db.UnitOfWork, *, organization_id: UUID, codes: Iterable[str]) -> Mapping[str, TaxRate]:
    """Return tax rates by their codes."""
    wanted = sorted(codes)
    return await catalog.tax_rates_by_code(uow, organization_id=organization_id, codes=wanted) if wanted else {}


async def _served(
    uow: db.UnitOfWork, *, organization_id: UUID, due: Iterable[DueCharge], late: Sequence[Piece], versions: Mapping[UUID, PlanVersion]
) -> dict[Service, list[Line]]:
    resting = [one for one in due if one.kind is DueKind.COMMITMENT_TRUE_UP or core.has_any(versions[one.plan_version_id])]
    asked = dict.fromkeys((one.subscription_id, one.plan_version_id, one.service) for one in resting)
    asked |= dict.fromkeys(one for one in services.of_pieces(late) if core.has_any(versions[one[1]]))
    return await served(uow, organization_id=organization_id, services=asked)


async def served(uow: db.UnitOfWork, *, organization_id: UUID, services: Iterable[tuple[UUID, UUID, Period]]) -> dict[Service, list[Line]]:
    """Return what was billed for subscriptions, plan versions and service periods, what came late and is gathered too."""
    wanted = list(services)
    by_start = {(subscription_id, version_id, service.start): one for one in wanted for subscription_id, version_id, service in [one]}
    asked = [(subscription_id, version_id, service.start, service.end) for subscription_id, version_id, service in wanted]
    found: dict[Service, list[Line]] = {}
    for line in await reading.served(uow, organization_id=organization_id, services=asked):
        if line.subscription_id is not None and line.plan_version_id is not None and line.service_start is not None:
            found.setdefault(by_start[line.subscription_id, line.plan_version_id, line.service_start], []).append(line)
    return found
