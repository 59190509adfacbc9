"""What was used of what is to be billed: one question to the meters for all charges of a batch, with what shows the answer later."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from carbonledger.domains.accounts.types import Account
from carbonledger.domains.catalog.types import Charge
from carbonledger.domains.invoices.core import pieces
from carbonledger.domains.invoices.core.pieces import Measured
from carbonledger.domains.subscriptions.types import DueCharge
from carbonledger.infra import db
from carbonledger.kernel.currency import Currency
from carbonledger.kernel.period import Period


@dataclass(frozen=True, slots=True)
class Wanted:
    """The usage that is wanted for a cause: of an account, by a charge, in some stretches of time."""

    cause: str
    account: Account
    charge: Charge
    currency: Currency
    stretches: tuple[Period, ...]


def of_due(due: Iterable[DueCharge], *, accounts: Mapping[UUID, Account], currencies: Mapping[UUID, Currency]) -> list[Wanted]:
    """Return what is wanted for the charges of usage among what is due. ``currencies``: by plan version."""
    return [
        Wanted(one.cause, accounts[one.account_id], one.charge, currencies[one.plan_version_id], one.stretches)
        for one in due
        if one.charge is not None and one.credits is None and pieces.is_usage(one.charge)
    ]


async def measure(uow: db.UnitOfWork, *, now: datetime, organization_id: UUID, wanted: Sequence[Wanted]) -> dict[str, Measured]:
    """Return what was used until ``now``, by cause. Raises ``CostUnconvertible``."""
    if not wanted:
        return {}
    raise NotImplementedError
