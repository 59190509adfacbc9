"""What ``receipt`` does."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from uuid import UUID

from carbonledger import bootstrap
from carbonledger.domains.identity.service import organizations
from carbonledger.domains.receipts.service import issuing, periods
from carbonledger.domains.receipts.types.receipts import Receipt, Revocation, State
from carbonledger.entrypoints.cli import closing, console, operating
from carbonledger.entrypoints.shared import turns
from carbonledger.infra import crypto, db, opening
from carbonledger.kernel import errors, instant, page


@contextlib.asynccontextmanager
async def _turn(operator: operating.Operator, organization_id: UUID) -> AsyncIterator[tuple[db.UnitOfWork, issuing.Turn]]:
    configuration = operator.configuration
    means = turns.Means(
        operator.database,
        crypto.Sealer(opening.vault_keys(configuration)),
        bootstrap.outside_secrets(configuration),
        configuration.address,
    )
    actor = operator.acting_in(organization_id)
    async with turns.taken(means, actor=actor, at=operator.at, organization_id=organization_id) as taken:
        yield taken


async def _owner(operator: operating.Operator, serial: str) -> tuple[UUID, UUID]:
    async with operator.overview.transaction(read_only=True) as uow:
        return await issuing.owner(uow, serial=serial)


def list_receipts(given: str, *, json: bool) -> None:
    """Print an organization's receipts."""

    async def work(operator: operating.Operator) -> Sequence[Receipt]:
        organization_id = await operator.organization(given)
        async with operator.database.transaction(organization_id, read_only=True) as uow:
            await organizations.find(uow, organization_id=organization_id)  # or else: no such organization
            request = page.PageRequest(limit=page.LIMIT_MAX)
            return (await issuing.list_receipts(uow, organization_id=organization_id, page=request)).data

    found = operating.run(work)
    if json:
        console.json({"receipts": [_document(receipt) for receipt in found]})
    elif found:
        rows = [tuple("" if value is None else str(value) for value in _document(receipt).values()) for receipt in found]
        console.table(tuple(_document(found[0])), rows)
    else:
        console.say("There is no receipt yet. One is issued when a month is closed, to organizations whose plan has receipts.")


def _document(receipt: Receipt) -> dict[str, object]:
    signed = receipt.signed
    return {
        "month": f"{receipt.month:%Y-%m}",
        "serial": None if signed is None else signed.serial,
        "state": receipt.state.value,
        "required_mg": receipt.required_mg,
        "issued_at": None if signed is None else instant.to_api_instant(signed.receipt.issued_at),
        "is_test": None if signed is None else signed.receipt.test,
        "is_proven": receipt.bundle is not None,
        "id": str(receipt.id),
    }


def issue(given: str, month: str, *, again: bool) -> None:
    """Issue the receipt of a closed month."""
    first = closing.first_of(month)

    async def work(operator: operating.Operator) -> Receipt | None:
        organization_id = await operator.organization(given)
        async with operator.database.transaction(organization_id) as uow:
            period = await periods.of_month(uow, organization_id=organization_id, month=first)
        async with _turn(operator, organization_id) as (uow, turn):
            return await issuing.issue(uow, turn=turn, period_id=period.id, again=again)

    found = operating.run(work)
    if found is None:
        raise errors.Invalid("The plan of this organization has no receipts.")
    if found.state is State.DEFERRED:
        console.say(f"Deferred: {found.required_mg} mg of retired credits are needed. It is issued by itself when a lot is imported.")
    elif found.state is State.REVOKED:
        console.say(f"Receipt {_serial(found)} of {month} was revoked. `--again` issues another one.")
    else:
        console.say(f"Receipt {_serial(found)} of {month} is issued. Bundle and PDF follow in some seconds.")


def supersede(serial: str) -> None:
    """Put another receipt in the place of one."""

    async def work(operator: operating.Operator) -> Receipt:
        organization_id, receipt_id = await _owner(operator, serial)
        async with _turn(operator, organization_id) as (uow, turn):
            return await issuing.supersede(uow, turn=turn, receipt_id=receipt_id)

    made = operating.run(work)
    console.say(f"Receipt {_serial(made)} supersedes {serial}. Both are in the log; bundles and PDFs follow in some seconds.")


def revoke(serial: str, *, reason: str) -> None:
    """End a receipt."""

    async def work(operator: operating.Operator) -> Receipt:
        organization_id, receipt_id = await _owner(operator, serial)
        async with _turn(operator, organization_id) as (uow, turn):
            return await issuing.revoke(uow, turn=turn, receipt_id=receipt_id, reason=Revocation(reason))

    console.say(f"Receipt {_serial(operating.run(work))} is revoked, and what it held is free again.")


def _serial(receipt: Receipt) -> str:
    if receipt.signed is None:
        raise AssertionError("it is issued")
    return receipt.signed.serial
