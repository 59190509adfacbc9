"""Subscriptions begun: for an account, on a plan, now, later, or as of a day in the past."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from uuid import UUID

import asyncpg

from carbonledger.domains.accounts import service as accounts
from carbonledger.domains.catalog import service as catalog
from carbonledger.domains.catalog import types as catalog_types
from carbonledger.domains.catalog.types import Charge, PlanState, PlanVersion, Proration
from carbonledger.domains.catalog.types.drafts import VersionDraft
from carbonledger.domains.subscriptions import types
from carbonledger.domains.subscriptions.core import commands, drafts, indexing
from carbonledger.domains.subscriptions.service import recording
from carbonledger.domains.subscriptions.service.recording import Hand
from carbonledger.domains.subscriptions.store import subscriptions as store
from carbonledger.domains.subscriptions.types import Fact, Status, Subscription, Terms, View
from carbonledger.infra import db
from carbonledger.kernel import errors, ids
from carbonledger.kernel.actor import Actor
from carbonledger.kernel.errors import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A subscription to begin.

    ``version``: the number of the plan's version (None: the one in force when it starts, or now if that is past). ``start_at`` None: now.
    ``overrides``: charges of this customer's own in place of the version's with the same codes. ``zone`` is for previews without an
    account; an account has its own.
    """

    plan_id: UUID
    account_id: UUID | None = None
    version: int | None = None
    quantity: int = 1
    start_at: datetime | None = None
    zone: str | None = None
    anchor: date | None = None
    trial_days: int | None = None
    ends_at: datetime | None = None
    payment_first: bool = False
    proration: Proration | None = None
    overrides: VersionDraft | None = None
    external_id: str | None = None
    name: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


async def create(uow: db.UnitOfWork, *, actor: Actor, now: datetime, at: datetime, organization_id: UUID, draft: Draft) -> View:
    """Begin a subscription.

    Raises ``errors.Invalid`` with all problems, ``AccountNotFound``, ``AccountDeleted``, ``PlanNotFound``, ``PlanVersionNotFound``,
    ``PlanArchived``, ``PlanNotEffective``, ``SubscriptionExternalIdTaken``.
    """
    if draft.account_id is None:
        raise errors.invalid("/account_id", "required", "Name the account that is billed.")
    hand = Hand(uow=uow, actor=actor, now=now, organization_id=organization_id)
    await accounts.hold(uow, organization_id=organization_id, account_ids=[draft.account_id])
    account = await accounts.find(uow, organization_id=organization_id, account_id=draft.account_id)
    # Before its version is read: who publishes one waits, so that a subscription is on it or is seen by the job that moves all to it.
    await catalog.mark_plans_used(uow, organization_id=organization_id, plan_ids=[draft.plan_id], kind=recording.KIND, now=now)
    version = await plan_version(
        uow, organization_id=organization_id, plan_id=draft.plan_id, number=draft.version, now=now, at=draft.start_at
    )
    own, told = await own_charges(uow, organization_id=organization_id, now=now, version=version, draft=draft.overrides)
    facts, kept = begun(draft, version, actor=actor, now=now, zone=account.time_zone, overrides=own, told=told)
    versions = {version.id: version}
    blank = Subscription(
        id=ids.new_id(at),
        account_id=account.id,
        external_id=kept.external_id,
        name=kept.name,
        currency=version.currency.code,
        metadata=kept.metadata,
        facts=(),
        status=Status.SCHEDULED,
        advanced_until=now,
        next_due_at=None,
        billable_at=None,
        billed_until=None,
        billed_facts=0,
        created_at=now,
        updated_at=now,
    )
    made = indexing.recorded(blank, facts, versions, now=now)
    try:
        await store.add(uow, organization_id=organization_id, subscription=made, plan_id=version.plan_id)
    except asyncpg.UniqueViolationError as error:
        raise types.SubscriptionExternalIdTaken("Is it the same subscription? Then change that one.") from error
    after = {"plan_id": str(version.plan_id), "status": made.status.value, **recording.told(facts[0])}
    await hand.emit(recording.CREATED, made, after)
    await recording.count(hand, [account.id])
    return indexing.view(made, versions, at=now)


async def own_charges(
    uow: db.UnitOfWork, *, organization_id: UUID, now: datetime, version: PlanVersion, draft: VersionDraft | None
) -> tuple[tuple[Charge, ...], tuple[Problem, ...]]:
    """Return a customer's own charges in their one form, and what is wrong with them.

    They are checked as charges of the plan are. They name no meter or tax rate that the version doesn't, so that what a plan needs is all
    that bills need.
    """
    if draft is None or draft.charges is None:
        return (), ()
    own = tuple(charge for charge in draft.charges if charge is not None)
    problems = drafts.foreign(draft.charges, version)
    try:
        checked = await catalog.check_version(
            uow, organization_id=organization_id, draft=draft, version=replace(version, charges=own), before=None, now=now
        )
    except catalog_types.PlanInvalid as fault:
        return (), (*fault.problems, *problems)
    return checked.charges, problems


def begun(
    draft: Draft,
    version: PlanVersion,
    *,
    actor: Actor,
    now: datetime,
    zone: str,
    overrides: tuple[Charge, ...] = (),
    told: Sequence[Problem] = (),
) -> tuple[tuple[Fact, ...], drafts.Labels]:
    """Return the facts of a draft, and its labels in their one form. Raises ``errors.Invalid`` with all problems, those ``told`` too."""
    start_at = draft.start_at or now
    problems: list[Problem] = list(told)
    kept = drafts.labels(problems, drafts.Labels(external_id=draft.external_id, name=draft.name, metadata=draft.metadata))
    problems += drafts.terms_problems(start_at=start_at, trial_days=draft.trial_days, now=now)
    terms = Terms(
        plan_version_id=version.id,
        quantity=draft.quantity,
        start_at=start_at,
        zone=zone,
        anchor=draft.anchor,
        trial_days=None if problems else draft.trial_days,  # what is out of range is not counted with
        ends_at=draft.ends_at,
        payment_first=draft.payment_first,
        proration=draft.proration,
        overrides=overrides,
    )
    try:
        facts = commands.start(terms, version, actor=actor, at=now)
    except errors.Invalid as fault:
        errors.refuse([*problems, *fault.problems])
        raise
    errors.refuse(problems)
    return facts, kept


async def plan_version(
    uow: db.UnitOfWork, *, organization_id: UUID, plan_id: UUID, number: int | None, now: datetime, at: datetime | None = None
) -> PlanVersion:
    """Return the version of a plan that somebody takes at ``at`` (None, or past: now).

    Raises ``PlanNotFound``, ``PlanVersionNotFound``, ``PlanArchived``, ``PlanNotEffective``.
    """
    plan = await catalog.find_plan(uow, organization_id=organization_id, plan_id=plan_id, now=now)
    if plan.state is PlanState.ARCHIVED:
        raise catalog_types.PlanArchived("Choose another plan, or make this one active again.")
    if number is not None:
        return await catalog.find_version(uow, organization_id=organization_id, plan_id=plan_id, number=number)
    return await catalog.version_in_force(uow, organization_id=organization_id, plan_id=plan_id, at=max(now, at or now))
