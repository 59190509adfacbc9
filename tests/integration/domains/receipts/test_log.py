"""The public log on a real database: indexes without holes, proofs that another program verifies, checkpoints over exactly what stands."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from carbonledger.domains.receipts.service import keys, log
from carbonledger.domains.receipts.types import log as types
from carbonledger.infra import clock
from carbonledger_proof import audit, leaves, merkle, tiles
from tests.integration.domains.receipts import logs


async def test_a_leaf_stands_where_append_says_and_its_hash_is_that_of_rfc_6962(kit: logs.Kit) -> None:
    [first] = await kit.append(1)
    second, third = await kit.append(2, 3)
    contents = await kit.contents()
    assert (first.index, second.index, third.index) == (0, 1, 2)
    assert [first.hash, second.hash, third.hash] == [merkle.leaf_hash(content) for content in contents]
    assert [leaves.parse(content).block for content in contents] == ["VCS-1-1-1", "VCS-1-2-2", "VCS-1-3-3"]  # type: ignore[union-attr]


async def test_what_rolls_back_leaves_no_hole(kit: logs.Kit) -> None:
    await kit.append(1)
    with pytest.raises(ZeroDivisionError):
        async with kit.database.transaction(kit.house_id) as uow:
            now = clock.now()
            await log.append(uow, statement=logs.lot(2, at=await log.turn(uow, at=now)), at=now)
            raise ZeroDivisionError
    [after] = await kit.append(3)
    assert after.index == 1


async def test_appends_at_once_get_indexes_without_holes_and_without_doubles(kit: logs.Kit) -> None:
    async def one(number: int) -> list[int]:
        if number % 5:
            return [entry.index for entry in await kit.append(2 * number, 2 * number + 1)]
        with pytest.raises(ZeroDivisionError):
            async with kit.database.transaction(kit.house_id) as uow:
                now = clock.now()
                await log.append(uow, statement=logs.lot(2 * number, at=await log.turn(uow, at=now)), at=now)
                raise ZeroDivisionError
        return []

    taken = [index for some in await asyncio.gather(*(one(number) for number in range(100))) for index in some]
    assert sorted(taken) == list(range(160))


async def test_a_checkpoint_is_over_exactly_the_leaves_that_stand(kit: logs.Kit) -> None:
    await kit.ready()
    await kit.append(*range(300))
    signed = await kit.sign()
    contents = await kit.contents()
    assert signed is not None
    assert len(contents) == 302  # two keys were published before
    async with kit.database.transaction(read_only=True) as uow:
        known = await keys.published(uow)
        latest = await log.latest(uow)
    said = logs.verified(latest, known)
    assert (said.size, said.root) == (302, merkle.tree_root(map(merkle.leaf_hash, contents)))
    assert audit.audit(contents, [latest.note], origin=logs.ORIGIN) == []
    assert await kit.sign() is None, "what is signed is not signed again"


# Around the edges of tiles: of 256 leaves, and of the second level.
@pytest.mark.parametrize("count", [1, 255, 256, 257, 600])
async def test_proofs_of_every_kind_verify_against_the_tree_of_all_leaves(kit: logs.Kit, count: int) -> None:
    entries = await kit.append(*range(count))
    hashes = [entry.hash for entry in entries]
    async with kit.database.transaction(read_only=True) as uow:
        for size in {1, count // 2 or 1, count - 1 or 1, count}:
            root = merkle.tree_root(hashes[:size])
            for index in {0, size // 3, size - 1}:
                path = await log.inclusion(uow, index=index, size=size)
                merkle.verify_inclusion(hashes[index], index=index, size=size, proof=path, root=root)
            proof = await log.consistency(uow, old=size, new=count)
            merkle.verify_consistency(first=size, second=count, first_root=root, second_root=merkle.tree_root(hashes), proof=proof)


async def test_tiles_are_the_hashes_and_entries_of_the_signed_tree(kit: logs.Kit) -> None:
    await kit.ready()
    await kit.append(*range(510))  # 512 leaves with the two keys: two full tiles, and one of width 2 above
    await kit.sign()
    await kit.append(1000)
    contents = await kit.contents()
    hashes = [merkle.leaf_hash(content) for content in contents]
    async with kit.database.transaction(read_only=True) as uow:
        assert await log.tile(uow, tile=tiles.Tile(0, 1)) == b"".join(hashes[256:512])
        assert await log.tile(uow, tile=tiles.Tile(0, 0, 3)) == b"".join(hashes[:3])
        assert await log.tile(uow, tile=tiles.Tile(1, 0, 2)) == merkle.tree_root(hashes[:256]) + merkle.tree_root(hashes[256:512])
        assert tiles.unpack_entries(await log.tile(uow, tile=tiles.Tile(-1, 1))) == contents[256:512]
        for absent in (
            tiles.Tile(0, 2, 1),
            tiles.Tile(0, 2),
            tiles.Tile(1, 0),
            tiles.Tile(1, 0, 3),
            tiles.Tile(2, 0, 1),
            tiles.Tile(-1, 2, 1),
        ):
            with pytest.raises(types.TileNotFound):
                await log.tile(uow, tile=absent)


async def test_a_leaf_of_the_past_or_of_the_future_is_refused(kit: logs.Kit) -> None:
    now = clock.now()
    await kit.append(1, at=now)
    async with kit.database.transaction(kit.house_id) as uow:
        spoken = await log.turn(uow, at=now)
        with pytest.raises(types.LeafTimeReversed):
            await log.append(uow, statement=logs.lot(2, at=spoken - timedelta(seconds=1)), at=now)
        with pytest.raises(types.LeafRefused):
            await log.append(uow, statement=logs.lot(2, at=spoken + timedelta(minutes=6)), at=now)


async def test_whose_clock_is_behind_takes_the_time_of_the_last_leaf(kit: logs.Kit) -> None:
    now = clock.now()
    await kit.append(1, at=now)
    await kit.append(2, at=now - timedelta(seconds=30))
    first, second = map(leaves.parse, await kit.contents())
    assert first.at == second.at == now.replace(microsecond=0)


@pytest.mark.parametrize("index,size", [(0, 0), (2, 2), (-1, 2), (0, 4)])
async def test_a_proof_of_a_tree_that_there_is_not_is_refused(kit: logs.Kit, index: int, size: int) -> None:
    await kit.append(1, 2, 3)
    async with kit.database.transaction(read_only=True) as uow:
        with pytest.raises(types.SizeInvalid):
            await log.inclusion(uow, index=index, size=size)
