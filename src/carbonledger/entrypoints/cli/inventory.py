"""What ``credits`` does with lots."""

from __future__ import annotations

import sys
from pathlib import Path

from carbonledger.domains.receipts.service import credits as service
from carbonledger.domains.receipts.types import credits as types
from carbonledger.entrypoints.cli import console, exits, operating
from carbonledger.infra import db
from carbonledger.kernel import errors, page


class LotsFileMissing(errors.NotFound):
    """The file of lots can't be opened."""

    code = "credit_lots_file_missing"


def import_file(file: Path, *, json: bool) -> None:
    """Import a file and say what it added. Raises ``LotsInvalid``, ``LotsFileMissing``."""
    content = _read(file)

    async def work(operator: operating.Operator) -> types.Imported:
        house_id = await operator.organization(operating.HOUSE)
        async with operator.database.transaction(house_id) as uow:
            return await service.import_lots(uow, actor=operator.acting_in(house_id), now=operator.at, at=operator.at, content=content)

    imported = operating.run(work)
    if json:
        from carbonledger.entrypoints.rest import credit_lots

        console.shape(credit_lots.to_api_imported(imported))
        return
    tonnes = _tonnes(sum(lot.credit.quantity_mg for lot in imported.added))
    console.say(f"Lots imported: {len(imported.added)} ({tonnes} t). There already: {imported.known}.")


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(types.FILE_BYTES_MAX + 1)  # one more than may be, so that too much is seen
    except OSError as error:
        raise LotsFileMissing(f"{file}: {error.strerror}.") from error


def list_all(*, json: bool) -> None:
    """Print every lot."""

    async def work(operator: operating.Operator) -> list[types.Lot]:
        house_id = await operator.organization(operating.HOUSE)
        async with operator.database.transaction(house_id, read_only=True) as uow:
            return await _all(uow)

    lots = operating.run(work)
    if json:
        from carbonledger.entrypoints.rest import credit_lots

        console.json({"data": [credit_lots.to_api_lot(lot).model_dump(mode="json") for lot in lots]})
        return
    head = ("registry", "block", "project", "kind", "vintage", "retired", "tonnes", "left")
    console.table(head, [_row(lot) for lot in lots])


async def _all(uow: db.UnitOfWork) -> list[types.Lot]:
    found: list[types.Lot] = []
    request = page.PageRequest(limit=page.LIMIT_MAX)
    while True:
        part = await service.list_lots(uow, page=request)
        found += part.data
        if part.next_cursor is None:
            return found
        request = page.PageRequest(limit=page.LIMIT_MAX, after=page.decode_cursor(part.next_cursor, parts=1))


def _row(lot: types.Lot) -> tuple[str, ...]:
    credit = lot.credit
    words = (credit.block.registry, credit.block.text, credit.project_name, credit.kind.value, str(credit.vintage), str(credit.retired_on))
    return (*words, _tonnes(credit.quantity_mg), _tonnes(lot.remaining_mg))


def check() -> None:
    """Say whether every lot adds up, and end with 1 where one does not."""

    async def work(operator: operating.Operator) -> tuple[types.Imbalance, ...]:
        house_id = await operator.organization(operating.HOUSE)
        async with operator.database.transaction(house_id, read_only=True) as uow:
            return await service.check(uow)

    found = operating.run(work)
    if not found:
        console.say("Every lot adds up: what is left and what was given is what it has.")
        return
    rows = [(str(one.lot_id), *map(_tonnes, (one.quantity_mg, one.remaining_mg, one.allocated_mg))) for one in found]
    console.table(("lot", "tonnes", "left", "given"), rows)
    sys.exit(exits.Code.FAILED)


def _tonnes(milligrams: int) -> str:
    from carbonledger.entrypoints.rest import credit_lots

    return credit_lots.to_api_tonnes(milligrams)
