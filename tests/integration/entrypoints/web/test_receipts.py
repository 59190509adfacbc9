"""Months and receipts on pages."""

from __future__ import annotations

from tests.integration.entrypoints.web import months
from tests.integration.entrypoints.web.conftest import Person


async def test_probe(owner: Person) -> None:
    one = await months.issued(owner)
    print(await months.receipts(owner))
    for path in ("/receipts", f"/receipts/{one.id}", f"/receipts/periods/{one.period_id}", f"/receipts/verify/{one.serial}", "/receipts/verify"):
        text = await owner.read(path)
        print(path, len(text))
    assert one.serial
