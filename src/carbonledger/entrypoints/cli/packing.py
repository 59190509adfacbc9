"""What ``audit-pack`` does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

from carbonledger import bootstrap
from carbonledger.domains.identity.service import organizations
from carbonledger.domains.receipts.service import packs as service
from carbonledger.domains.receipts.types import packs as types
from carbonledger.entrypoints.cli import closing, console, operating
from carbonledger.kernel import errors, instant, page


def list_packs(given: str, *, json: bool) -> None:
    """Print an organization's audit packs."""

    async def work(operator: operating.Operator) -> Sequence[types.Listed]:
        organization_id = await operator.organization(given)
        async with operator.database.transaction(organization_id, read_only=True) as uow:
            await organizations.find(uow, organization_id=organization_id)  # or else: no such organization
            request = page.PageRequest(limit=page.LIMIT_MAX)
            return (await service.some(uow, organization_id=organization_id, page=request)).data

    found = operating.run(work)
    if json:
        console.json({"audit_packs": [_document(pack) for pack in found]})
    elif found:
        rows = [tuple("" if value is None else str(value) for value in _document(pack).values()) for pack in found]
        console.table(tuple(_document(found[0])), rows)
    else:
        console.say(
            "There is no audit pack yet. One of each closed month is made on the third of the month after, where the plan has them."
        )


def _document(pack: types.Listed) -> dict[str, object]:
    return {
        "month": f"{pack.month:%Y-%m}",
        "number": pack.number,
        "state": pack.state.value,
        "made_at": None if pack.made_at is None else instant.to_api_instant(pack.made_at),
        "size_bytes": pack.size,
        "files": pack.files,
        "sha256": None if pack.sha256 is None else pack.sha256.hex(),
    }


def order(given: str, month: str) -> None:
    """Order an audit pack."""
    first = closing.first_of(month)

    async def work(operator: operating.Operator) -> tuple[types.Pack, UUID]:
        organization_id = await operator.organization(given)
        async with operator.database.transaction(organization_id) as uow:
            now = await organizations.business_now(uow, organization_id=organization_id, at=operator.at)
            return await service.order(
                uow,
                actor=operator.acting_in(organization_id),
                now=now,
                organization_id=organization_id,
                month=first,
                upgrade_url=f"{operator.configuration.address}/settings/plan",
            )

    found, _ = operating.run(work)
    console.say(
        f"Audit pack {found.number} of {month} is ordered. A worker makes it; `carbonledger audit-pack list` tells when it is there."
    )


def save(given: str, month: str, file: Path, *, number: int | None) -> None:
    """Write a pack to a file that is new."""
    first = closing.first_of(month)

    async def work(operator: operating.Operator) -> types.Pack:
        organization_id = await operator.organization(given)
        async with operator.database.transaction(organization_id, read_only=True) as uow:
            found = await service.find(
                uow,
                organization_id=organization_id,
                month=first,
                number=number,
                upgrade_url=f"{operator.configuration.address}/settings/plan",
            )
        files = bootstrap.open_objects(operator.configuration).of_organization(organization_id)
        try:
            with file.open("xb") as target:
                async for piece in service.content(files, service.made(found)):
                    target.write(piece)
        except OSError as error:
            raise errors.Invalid(f"{file} can't be written: {error.strerror}.") from error
        return found

    found = operating.run(work)
    console.say(f"{file} is audit pack {found.number} of {month}. Check it with `carbonledger verify {file}`.")
