"""Plan versions: checked with what they name, made, read. Nothing changes one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

from carbonledger.domains.catalog.core import versions as core
from carbonledger.domains.catalog.store import entries
from carbonledger.domains.catalog.store import versions as store
from carbonledger.domains.catalog.types import PlanNotEffective, PlanVersion, PlanVersionNotFound
from carbonledger.domains.catalog.types.drafts import VersionDraft
from carbonledger.infra import db
from carbonledger.kernel import currency
from carbonledger.kernel import page as pages
from carbonledger.kernel.errors import Problem
from carbonledger.kernel.period import CalendarUnit, Interval

_MONTH: Final = Interval(CalendarUnit.MONTH)
_NO_CURRENCY: Final = currency.by_code("USD")


def first(draft: VersionDraft, *, version_id: UUID, plan_id: UUID, now: datetime) -> PlanVersion:
    """Return the first version of a plan as it is wanted, unchecked: what the draft does not say is as the words say."""
    values = {"currency": _NO_CURRENCY, "interval": _MONTH, **draft.values}
    charges = draft.charges or ()
    effective_at = draft.effective_at or now
    return PlanVersion(
        id=version_id, plan_id=plan_id, number=1, effective_at=effective_at, created_at=now, **{**values, "charges": charges}
    )


def following(draft: VersionDraft, *, before: PlanVersion, version_id: UUID, now: datetime) -> PlanVersion:
    """Return the version after ``before`` as it is wanted, unchecked: what the draft does not say stays."""
    charges = before.charges if draft.charges is None else draft.charges
    effective_at = draft.effective_at or max(now, before.effective_at)
    values = {**draft.values, "charges": charges, "number": before.number + 1, "effective_at": effective_at}
    return replace(before, id=version_id, created_at=now, **values)


async def check_version(
    uow: db.UnitOfWork,
    *,
    organization_id: UUID,
    draft: VersionDraft,
    version: PlanVersion,
    before: PlanVersion | None,
    now: datetime,
    told: Sequence[Problem] = (),
) -> PlanVersion:
    """Return the version that a draft wants with its texts in their one form. Raises ``PlanInvalid`` with everything that is wrong."""
    problems = [*told, *draft.problems]
    if draft.effective_at is not None:
        problems += core.effective_problems(draft.effective_at, now=now, before=before)
    if before is not None and version.currency != before.currency:
        problems.append(
            Problem("/currency", "currency_fixed", f"This plan is in {before.currency.code}. Make another plan for another currency.")
        )
    known = await _known(uow, organization_id=organization_id, version=version)
    return core.checked(version, known=known, told=problems)


async def _known(uow: db.UnitOfWork, *, organization_id: UUID, version: PlanVersion) -> core.Known:
    meter_codes, rate_codes = core.needs(version)
    found = await entries.meters.with_codes(uow, organization_id=organization_id, codes=sorted(meter_codes)) if meter_codes else {}
    rates = await entries.tax_rates.with_codes(uow, organization_id=organization_id, codes=sorted(rate_codes)) if rate_codes else {}
    return core.Known(meters=found, tax_rates=frozenset(rates))


async def add(uow: db.UnitOfWork, *, organization_id: UUID, version: PlanVersion) -> None:
    """Keep a version that was checked, with what it needs: a meter or tax rate that was archived meanwhile is unknown after all."""
    meter_codes, rate_codes = core.needs(version)
    found = (
        await entries.meters.with_codes(uow, organization_id=organization_id, codes=sorted(meter_codes), hold=True) if meter_codes else {}
    )
    rates = (
        await entries.tax_rates.with_codes(uow, organization_id=organization_id, codes=sorted(rate_codes), hold=True) if rate_codes else {}
    )
    core.checked(version, known=core.Known(meters=found, tax_rates=frozenset(rates)))
    await store.add(
        uow,
        organization_id=organization_id,
        version=version,
        meter_ids=[meter.id for meter in found.values()],
        tax_rate_ids=[rate.id for rate in rates.values()],
    )


async def find_version(uow: db.UnitOfWork, *, organization_id: UUID, plan_id: UUID, number: int) -> PlanVersion:
    """Return a version of a plan. Raises ``PlanVersionNotFound``."""
    found = await store.numbered(uow, organization_id=organization_id, plan_id=plan_id, number=number)
    if found is None:
        raise PlanVersionNotFound(f"Plan {plan_id} has no version {number}.")
    return found


async def find_versions(uow: db.UnitOfWork, *, organization_id: UUID, version_ids: Sequence[UUID]) -> dict[UUID, PlanVersion]:
    """Return versions by id, in one statement; an id that is none is left out."""
    found = await store.those(uow, organization_id=organization_id, version_ids=list(dict.fromkeys(version_ids)))
    return {version.id: version for version in found}


async def versions_of_plans(uow: db.UnitOfWork, *, organization_id: UUID, plan_ids: Sequence[UUID]) -> dict[UUID, tuple[PlanVersion, ...]]:
    """Return all versions of plans by plan, each plan's by number, in one statement: what decides who migrates when."""
    by_plan: dict[UUID, list[PlanVersion]] = {}
    for version in await store.of_plans(uow, organization_id=organization_id, plan_ids=list(dict.fromkeys(plan_ids))):
        by_plan.setdefault(version.plan_id, []).append(version)
    return {plan_id: tuple(found) for plan_id, found in by_plan.items()}


async def version_in_force(uow: db.UnitOfWork, *, organization_id: UUID, plan_id: UUID, at: datetime) -> PlanVersion:
    """Return the version of a plan that is effective at an instant. Raises ``PlanNotEffective``."""
    found = await store.in_force(uow, organization_id=organization_id, plan_ids=[plan_id], at=at)
    if plan_id not in found:
        raise PlanNotEffective(f"No version of plan {plan_id} is effective then.")
    return found[plan_id]


async def list_versions(uow: db.UnitOfWork, *, organization_id: UUID, plan_id: UUID, page: pages.PageRequest) -> pages.Page[PlanVersion]:
    """Return versions of a plan, newest first."""
    rows = await store.some(uow, organization_id=organization_id, plan_id=plan_id, before=_number_before(page), limit=page.limit + 1)
    return pages.cut(rows, limit=page.limit, key=lambda version: (str(version.number),))


def _number_before(page: pages.PageRequest) -> int | None:
    if page.after is None:
        return None
    (last,) = page.after
    if not last.isdecimal() or len(last) > 9:  # noqa: PLR2004 - more digits are no number of ours
        raise pages.CursorUnreadable("This cursor belongs to another list.")
    return int(last)
