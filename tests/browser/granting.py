"""Run as a program in an installation's environment: puts the house on a plan with receipts, and has every month closed that is due."""

from __future__ import annotations

from carbonledger.domains.identity.service import entitlements
from carbonledger.domains.receipts.service import periods
from carbonledger.domains.receipts.types import receipts
from carbonledger.entrypoints.cli import operating


async def grant(operator: operating.Operator) -> None:
    """Grant, then close."""
    house_id = await operator.organization(operating.HOUSE)
    acting = operator.acting_in(house_id)
    async with operator.database.transaction(house_id) as uow:
        await entitlements.grant(
            uow,
            actor=acting,
            now=operator.at,
            at=operator.at,
            organization_id=house_id,
            quotas={},
            features={receipts.RECEIPTS: True},
        )
        await periods.advance(uow, actor=acting, now=operator.at, organization_id=house_id)


if __name__ == "__main__":
    operating.run(grant)
