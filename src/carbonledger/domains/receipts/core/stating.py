"""Says what a closed period comes to in the terms of a receipt, which is what is signed. Pure.

Everything is whole: milligrams, microwatt-hours, tokens, and money as whole numbers of 10^-12 USD. Parts add up to the whole
(``core.totals`` shares the rounding out). What is not known stays unknown.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from carbonledger.domains.receipts.types import credits as credit_types
from carbonledger.domains.receipts.types.receipts import TRANSITIONS, ReceiptEnded, State
from carbonledger.domains.receipts.types.totals import Adjustment, ClosedPeriod, Part, Tokens, Totals, Version, Whole
from carbonledger.kernel import decimals
from carbonledger_proof import measures, statement

_COST_SCALE: Final = 12
_PERCENT_BP: Final = 100
_PSEUDONYM: Final = b"carbon-ledger/organization/v1\n"
_BOUNDS: Final = {credit_types.Bound.MID: measures.Bound.MID, credit_types.Bound.HIGH: measures.Bound.HIGH}


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a receipt says beside what its period comes to. ``test``: of a sandbox. ``receipts``: the serials of earlier months."""

    test: bool
    serial: str
    issuer: str
    organization: str
    issued_at: datetime
    kid: str
    receipts: Mapping[UUID, str]
    supersedes: str | None


def move(state: State, to: State) -> State:
    """Return the state that follows. Raises ``ReceiptEnded`` where it may not."""
    if to not in TRANSITIONS[state]:
        raise ReceiptEnded(f"A receipt that is {state.value} does not become {to.value}.")
    return to


def pseudonym(salt: bytes, organization_id: UUID) -> str:
    """Return what the log knows an organization by: who has no salt can't tell which one it is, nor tell two apart by guessing."""
    return hmac.digest(salt, _PSEUDONYM + organization_id.bytes, hashlib.sha256).hex()


def required_mg(closed: ClosedPeriod, policy: credit_types.OffsetPolicy) -> int | None:
    """Return how much is compensated of a period, in milligrams; None where its emissions are not known."""
    gross = _gross(closed.co2e_location_mg, None)
    return measures.required_mg(gross, basis=measures.Basis.LOCATION, bound=_BOUNDS[policy.bound], share_bp=policy.percent * _PERCENT_BP)


def receipt(
    closed: ClosedPeriod, facts: Facts, *, policy: credit_types.OffsetPolicy, allocations: Sequence[credit_types.Allocation]
) -> statement.Receipt:
    """Return the receipt of a closed period. Raises ``StatementInvalid`` if it does not add up, which is then a defect."""
    period = closed.period
    required = required_mg(closed, policy)
    return statement.Receipt(
        test=facts.test,
        serial=facts.serial,
        issuer=facts.issuer,
        organization=facts.organization,
        period=statement.Period(start=period.starts_at, end=period.ends_at, zone=period.zone, month=f"{period.month:%Y-%m}"),
        gross=_gross(closed.co2e_location_mg, closed.co2e_market_mg),
        energy_uwh=_range(closed.energy_uwh),
        tokens=measures.Tokens(covered=buckets(closed.totals.covered), not_covered=buckets(closed.totals.not_covered)),
        events=statement.Events(root=closed.root.hex(), count=closed.leaves),
        cost=_cost(closed.totals),
        factor_sets=_versions(closed.factor_sets),
        price_books=_versions(closed.price_books),
        projects=tuple(map(_project, closed.projects)),
        compensation=None if required is None else _compensation(required, policy),
        allocations=tuple(map(_allocation, allocations)),
        adjustments=tuple(_adjustment(one, facts.receipts) for one in closed.adjustments),
        supersedes=facts.supersedes,
        issued_at=facts.issued_at,
        kid=facts.kid,
    )


def _compensation(required: int, policy: credit_types.OffsetPolicy) -> statement.Compensation:
    return statement.Compensation(
        basis=measures.Basis.LOCATION,
        bound=_BOUNDS[policy.bound],
        share_bp=policy.percent * _PERCENT_BP,
        required_mg=required,
    )


def _range(whole: Whole | None) -> measures.Range | None:
    return None if whole is None else measures.Range(*whole)


def _gross(location: Whole | None, market: Whole | None) -> tuple[measures.Gross, ...]:
    bases = ((measures.Basis.LOCATION, location), (measures.Basis.MARKET, market))
    return tuple(measures.Gross(scope=measures.Scope.SCOPE_3, basis=basis, co2e_mg=_range(found)) for basis, found in bases)


def buckets(tokens: Tokens) -> measures.Buckets:
    """Return tokens by bucket as a receipt has them."""
    # A bucket of which nothing at all is known is not zero; where a part is known, what is known is stated.
    known = [None if unknown and not count else count for count, unknown in zip(tokens[:5], tokens.unknown, strict=True)]
    return measures.Buckets(
        uncached_input=known[0], cached_input=known[1], cache_creation_5m=known[2], cache_creation_1h=known[3], output=known[4]
    )


def _cost(totals: Totals) -> tuple[measures.Cost, ...]:
    amount = int(decimals.shifted(totals.cost_usd, _COST_SCALE))
    return (measures.Cost(currency="USD", amount=amount, scale=_COST_SCALE),)


def _versions(versions: Iterable[Version]) -> tuple[measures.Version, ...]:
    return tuple(measures.Version(version=one.version, sha256=one.sha256) for one in sorted(versions))


def _project(part: Part) -> statement.Project:
    # By its id alone: a receipt is for everybody who has its serial, and a name may be anybody's.
    if not isinstance(part.key, UUID):
        raise TypeError(f"{part.key} is no project")
    return statement.Project(
        project=str(part.key),
        name=None,
        gross=_gross(part.co2e_location_mg, part.co2e_market_mg),
        cost=_cost(part.totals),
    )


def _adjustment(adjustment: Adjustment, receipts: Mapping[UUID, str]) -> statement.Adjustment:
    return statement.Adjustment(
        month=f"{adjustment.month:%Y-%m}",
        receipt=receipts.get(adjustment.period_id),
        events=adjustment.events,
        gross=_gross(adjustment.co2e_location_mg, adjustment.co2e_market_mg),
        cost=_cost(adjustment.totals),
    )


def _allocation(allocation: credit_types.Allocation) -> statement.Allocation:
    credit, part = allocation.credit, allocation.interval
    return statement.Allocation(
        registry=credit.block.registry,
        project_id=credit.project_id,
        project_name=credit.project_name,
        standard=credit.standard,
        kind=statement.Kind(credit.kind.value),
        vintage=credit.vintage,
        block=credit.block.text,
        from_mg=part.from_mg,
        to_mg=part.to_mg,
        retirement_reference=credit.retirement_reference,
        retirement_url=credit.retirement_url,
        claim=statement.CLAIM,
    )
