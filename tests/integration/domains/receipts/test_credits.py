"""Lots come in once, go to receipts oldest first, and come back whole; every step is a leaf that an auditor can replay."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from carbonledger.domains.identity.service import entitlements
from carbonledger.domains.receipts.service import credits as service
from carbonledger.domains.receipts.types import credits as types
from carbonledger.infra import clock, outbox
from carbonledger.kernel import actor, page
from carbonledger_proof import leaves
from tests import conftest
from tests.integration.domains.receipts import logs
from tests.integration.domains.receipts.inventories import TONNE, Inventory
from tests.unit.domains.receipts import credit_files as files


@pytest.fixture
def inventory(kit: logs.Kit) -> Inventory:
    return Inventory(kit)


async def test_the_same_file_twice_adds_nothing(inventory: Inventory) -> None:
    first = await inventory.take_in(files.VERRA, files.block(1, 10))
    assert ([lot.credit.block.units for lot in first.added], first.known) == ([100, 10], 0)
    assert await inventory.take_in(files.VERRA, files.block(1, 10)) == types.Imported((), 2)
    longer = await inventory.take_in(files.VERRA, files.block(1, 10), files.block(11, 30))
    assert ([lot.credit.block.units for lot in longer.added], longer.known) == ([20], 2)
    assert await inventory.remaining() == [20 * TONNE, 10 * TONNE, 100 * TONNE]
    assert len(await inventory.kit.contents()) == 3


async def test_a_lot_is_a_leaf_of_the_log_with_all_that_it_says(inventory: Inventory) -> None:
    await inventory.take_in(files.VERRA)
    (leaf,) = [leaves.parse(content) for content in await inventory.kit.contents()]
    assert isinstance(leaf, leaves.LotImported)
    assert (leaf.registry, leaf.block, leaf.block_start, leaf.block_end) == ("verra", files.VERRA["serial_block"], 1, 100)
    assert (leaf.quantity_mg, leaf.kind.value, leaf.vintage, str(leaf.retired_on)) == (100 * TONNE, "reduction", 2020, "2026-10-30")
    assert (leaf.retirement_url, leaf.evidence_sha256) == (files.VERRA["retirement_url"], "a" * 64)


async def test_one_bad_line_keeps_all_out(inventory: Inventory) -> None:
    await inventory.take_in(files.block(1, 10))
    for bad, code in ((files.block(10, 20), "lot_exists"), (files.block(21, 30, retired_at="2999-01-01"), "retired_in_future")):
        with pytest.raises(types.LotsInvalid) as fault:
            await inventory.take_in(files.VERRA, bad)
        assert [(problem.pointer.split("/")[2], problem.code) for problem in fault.value.problems] == [("3", code)]
    assert await inventory.remaining() == [10 * TONNE]
    assert len(await inventory.kit.contents()) == 1


async def test_a_file_that_is_too_large_is_not_read(inventory: Inventory) -> None:
    now = clock.now()
    with pytest.raises(types.LotsInvalid, match="can't be read"):
        async with inventory.kit.database.transaction(inventory.kit.house_id) as uow:
            await service.import_lots(
                uow, actor=actor.system(inventory.kit.house_id), now=now, at=now, content=b"x" * (types.FILE_BYTES_MAX + 1)
            )


async def test_an_import_is_told_to_whoever_waits_for_credits(inventory: Inventory) -> None:
    await inventory.take_in(files.VERRA, files.block(1, 10))
    async with inventory.kit.database.transaction(inventory.kit.house_id) as uow:
        (event,) = (await outbox.events(uow, filters=outbox.Filters(action=service.IMPORTED), request=page.PageRequest())).data
    assert event.after == {"lots": 2, "quantity_mg": 110 * TONNE, "registries": ["acr", "verra"]}


async def test_the_oldest_vintage_goes_first_and_the_rest_stays(inventory: Inventory) -> None:
    await inventory.take_in(files.block(1, 1, vintage="2022"), files.block(11, 11, vintage="2019"), files.block(21, 21, vintage="2020"))
    customer = await conftest.make_organization(inventory.kit.database)
    first = await inventory.give(customer, TONNE // 2)
    assert await inventory.held(customer, first) == [(11, 0, TONNE // 2)]
    second = await inventory.give(customer, 2 * TONNE, number=2)
    assert await inventory.held(customer, second) == [(11, TONNE // 2, TONNE), (21, 0, TONNE), (1, 0, TONNE // 2)]
    assert await inventory.remaining() == [0, 0, TONNE // 2]
    assert await inventory.audited() == set()


async def test_what_is_not_there_is_not_given_in_part(inventory: Inventory) -> None:
    await inventory.take_in(files.block(1, 1))
    customer = await conftest.make_organization(inventory.kit.database)
    with pytest.raises(types.InventoryShort) as short:
        await inventory.give(customer, TONNE + 1)
    assert (short.value.needed_mg, short.value.available_mg) == (TONNE + 1, TONNE)
    assert await inventory.remaining() == [TONNE]
    await inventory.take_in(files.block(2, 2))
    receipt = await inventory.give(customer, TONNE + 1)
    assert await inventory.held(customer, receipt) == [(1, 0, TONNE), (2, 0, 1)]


async def test_asked_again_a_receipt_has_what_it_was_given(inventory: Inventory) -> None:
    await inventory.take_in(files.block(1, 1))
    customer = await conftest.make_organization(inventory.kit.database)
    receipt = await inventory.give(customer, 700)
    await inventory.give(customer, 700, receipt_id=receipt)
    assert await inventory.held(customer, receipt) == [(1, 0, 700)]
    with pytest.raises(types.AllocationExists):
        await inventory.give(customer, 701, receipt_id=receipt)
    with pytest.raises(types.AllocationExists):
        await inventory.give(customer, 700, number=2, receipt_id=receipt)
    nothing = await inventory.give(customer, 0, number=3)
    assert await inventory.held(customer, nothing) == []
    assert len(await inventory.kit.contents()) == 2


async def test_what_is_released_is_whole_again_and_goes_to_others(inventory: Inventory) -> None:
    await inventory.take_in(files.block(1, 1))
    customer = await conftest.make_organization(inventory.kit.database)
    receipts = [await inventory.give(customer, 100, number=number) for number in (1, 2, 3)]
    assert await inventory.release(customer, receipts[1]) == 1
    assert await inventory.release(customer, receipts[1]) == 0
    other = await inventory.give(customer, 150, number=4)
    assert await inventory.held(customer, other) == [(1, 100, 200), (1, 300, 350)]
    for receipt in (receipts[0], receipts[2], other):
        await inventory.release(customer, receipt)
    assert await inventory.remaining() == [TONNE]
    whole = await inventory.give(customer, TONNE, number=5)
    assert await inventory.held(customer, whole) == [(1, 0, TONNE)]
    assert await inventory.audited() == set()


async def test_sandboxes_have_an_inventory_of_their_own(inventory: Inventory) -> None:
    practice = files.line(registry="sandbox", serial_block="TRIAL-1-5", block_start="1", block_end="5", quantity_t="5")
    await inventory.take_in(practice, files.block(1, 1))
    real = await conftest.make_organization(inventory.kit.database)
    sandbox = await conftest.make_organization(inventory.kit.database, sandbox=True)
    with pytest.raises(types.InventoryShort) as short:
        await inventory.give(real, 2 * TONNE)
    assert short.value.available_mg == TONNE
    receipt = await inventory.give(sandbox, 5 * TONNE)
    assert await inventory.held(sandbox, receipt) == [(1, 0, 5 * TONNE)]
    with pytest.raises(types.InventoryShort) as short:
        await inventory.give(sandbox, 1, number=2)
    assert short.value.available_mg == 0


@pytest.mark.parametrize(
    "quota, is_mid, policy",
    [
        (100, False, types.OffsetPolicy()),
        (None, False, types.OffsetPolicy()),
        (50, True, types.OffsetPolicy(types.Bound.MID, 50)),
    ],
)
async def test_a_plan_says_what_is_compensated(
    inventory: Inventory, quota: int | None, policy: types.OffsetPolicy, *, is_mid: bool
) -> None:
    customer, now = await conftest.make_organization(inventory.kit.database), clock.now()
    async with inventory.kit.database.transaction(customer) as uow:
        assert await service.offset_policy(uow, organization_id=customer) == types.OffsetPolicy(types.Bound.HIGH, 100)
        await entitlements.grant(
            uow,
            actor=actor.system(customer),
            now=now,
            at=now,
            organization_id=customer,
            quotas={service.OFFSET_PERCENT: quota},
            features={service.OFFSET_MID: is_mid},
        )
        assert await service.offset_policy(uow, organization_id=customer) == policy
        await entitlements.grant(
            uow,
            actor=actor.system(customer),
            now=now,
            at=now,
            organization_id=customer,
            quotas={service.OFFSET_PERCENT: 0},
            features={},
        )
        with pytest.raises(types.OffsetPolicyInvalid):
            await service.offset_policy(uow, organization_id=customer)


async def test_files_that_come_at_once_take_each_unit_in_once(inventory: Inventory) -> None:
    """Ten times the same file and ten files that share units with it: the units of 1 to 100 are in one lot each, whoever came first."""
    whole = [inventory.take_in(files.block(1, 50), files.block(51, 100)) for _ in range(10)]
    crossing = [inventory.take_in(files.block(number, number + 49)) for number in range(2, 12)]
    done = await asyncio.gather(*whole, *crossing, return_exceptions=True)
    taken = [one for one in done if isinstance(one, types.Imported)]
    refused = [one for one in done if isinstance(one, BaseException)]
    assert {type(one) for one in refused} <= {types.LotsInvalid}
    units = [(lot.credit.block.start, lot.credit.block.end) for one in taken for lot in one.added]
    assert len(units) == len(await inventory.remaining())
    ordered = sorted(units)
    assert all(end < start for (_, end), (start, _) in itertools.pairwise(ordered))
    assert len(refused) + len(taken) == 20
    assert await inventory.audited() == set()
