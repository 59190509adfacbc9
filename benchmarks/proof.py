"""What proving costs: signing a receipt, verifying a bundle, an inclusion proof in a log of 10 M leaves, and the leaves of events.

`dev.py bench proof` prints each figure beside its limit: signing, proving and rendering one receipt is to take 50 ms,
verifying 2 ms, an inclusion proof in 10 M leaves 5 ms, and closing a period with 10 M events 60 s on two cores. The tree is in memory, as
tiles; reading them from a disk is not in the figures. Times are of the processor, medians of rounds.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from uuid import UUID

from carbonledger_proof import bundle, checkpoint, event, keys, leaves, measures, merkle, serials, signature, statement, tiles, verify

ROUNDS = 7
LEAVES = 10_000_000
EVENTS = 100_000
PROJECTS = 20
ORIGIN = "ledger.example/log"
AT = datetime(2026, 12, 3, tzinfo=UTC)
LIMITS_MS = {"sign": 50.0, "verify": 2.0, "prove": 5.0}
CLOSE_LIMIT_S = 60.0

RECEIPT_PUBLIC, RECEIPT_SIGN = signature.signer(b"\x01" * 32)
LOG_PUBLIC, LOG_SIGN = signature.signer(b"\x02" * 32)
RECEIPT_KEY = keys.Key(public=RECEIPT_PUBLIC, purpose=keys.Purpose.RECEIPTS, nbf=0)
KEYS = keys.KeySet((RECEIPT_KEY, keys.Key(public=LOG_PUBLIC, purpose=keys.Purpose.LOG, nbf=0)))


def of_all(values: Sequence[int]) -> tuple[measures.Gross, ...]:
    low, mid, high = values
    return (measures.Gross(scope=measures.Scope.SCOPE_3, basis=measures.Basis.LOCATION, co2e_mg=measures.Range(low, mid, high)),)


def money(amount: int) -> tuple[measures.Cost, ...]:
    return (measures.Cost(currency="USD", amount=amount, scale=12),)


def receipt() -> statement.Receipt:
    """A receipt of an ordinary size: 20 projects, 3 allocations."""
    projects = tuple(
        statement.Project(project=str(UUID(int=number + 1)), name=f"Project {number}", gross=of_all((1000, 2000, 3000)), cost=money(10**12))
        for number in range(PROJECTS)
    )
    allocations = tuple(
        statement.Allocation(
            registry="verra",
            project_id="VCS-304",
            project_name="Some valley",
            standard="VCS",
            kind=statement.Kind.REMOVAL,
            vintage=2024,
            block="12082-384723093-384800545-VCS-VCU-304-VER-CN-1-191-01012008-31122008-0",
            from_mg=number * 20_000,
            to_mg=(number + 1) * 20_000,
            retirement_reference=f"R-{number}",
            retirement_url="https://registry.example/retirements/1",
            claim=statement.CLAIM,
        )
        for number in range(3)
    )
    buckets = measures.Buckets(uncached_input=10**9, cached_input=10**9, cache_creation_5m=0, cache_creation_1h=0, output=10**8)
    high = 3000 * PROJECTS
    return statement.Receipt(
        test=False,
        serial=serials.make(b"\x07" * 32, month="2026-11", counter=0),
        issuer=ORIGIN,
        organization="0f" * 32,
        period=statement.Period(start=datetime(2026, 11, 1, tzinfo=UTC), end=AT.replace(day=1), zone="UTC", month="2026-11"),
        gross=of_all((1000 * PROJECTS, 2000 * PROJECTS, high)),
        energy_uwh=measures.Range(1, 2, 3),
        tokens=measures.Tokens(covered=buckets, not_covered=buckets),
        events=statement.Events(root="ab" * 32, count=LEAVES),
        cost=money(PROJECTS * 10**12),
        factor_sets=(measures.Version(version="1.0", sha256="cd" * 32),),
        price_books=(measures.Version(version="2026-11-20-0123456789ab", sha256="ef" * 32),),
        projects=projects,
        compensation=statement.Compensation(basis=measures.Basis.LOCATION, bound=measures.Bound.HIGH, share_bp=10_000, required_mg=high),
        allocations=allocations,
        adjustments=(),
        supersedes=None,
        issued_at=AT,
        kid=RECEIPT_KEY.kid,
    )


class Tiles:
    """A tree of tiles in memory: for each level of tiles, their hashes one after the other."""

    def __init__(self, size: int, last: bytes) -> None:
        self.size = size
        self.levels: list[bytearray] = []
        started = time.process_time()
        self.edge = merkle.Frontier().extended(self._made(size, last), keep=self._keep)
        self.took_s = time.process_time() - started

    @staticmethod
    def _made(size: int, last: bytes) -> Sequence[bytes] | map[bytes]:
        generator = random.Random(1)
        return map(lambda place: last if place == size - 1 else generator.randbytes(32), range(size))  # noqa: C417 - nothing is kept

    def _keep(self, level: int, _: int, hash_: bytes) -> None:
        if level % tiles.HEIGHT == 0:
            place = level // tiles.HEIGHT
            if place == len(self.levels):
                self.levels.append(bytearray())
            self.levels[place] += hash_

    def fetch(self, tile: tiles.Tile) -> bytes:
        begin = tile.index * tiles.WIDTH * merkle.HASH_BYTES
        return bytes(self.levels[tile.level][begin : begin + tile.width * merkle.HASH_BYTES])

    def prove(self, index: int) -> list[bytes]:
        return merkle.prove(merkle.inclusion_path(index, self.size), tiles.reader(self.fetch, self.size))


def millis(run: Callable[[], object], times: int) -> float:
    """Return milliseconds of the processor for one run: the median of rounds."""
    rounds = []
    for _ in range(ROUNDS):
        started = time.process_time()
        for _ in range(times):
            run()
        rounds.append(1000 * (time.process_time() - started) / times)
    return statistics.median(rounds)


def told(name: str, figure: float, limit: float, unit: str = "ms") -> None:
    verdict = "kept" if figure <= limit else "missed"
    print(f"{name:<52} {figure:9.3f} {unit}   limit {limit:g} {unit}, ratio {figure / limit:.3f}: {verdict}")


def made(given: statement.Receipt, tree: Tiles) -> bundle.Bundle:
    """Sign, prove and seal: everything a receipt's bundle needs but the page."""
    place = tree.size - 1
    return bundle.make(
        given,
        signed=statement.signed(given, RECEIPT_SIGN),
        inclusion=bundle.Inclusion(index=place, size=tree.size, path=tuple(tree.prove(place))),
        checkpoint=checkpoint.Checkpoint(ORIGIN, tree.size, tree.edge.root()).signed(LOG_PUBLIC, LOG_SIGN),
        known=KEYS,
        status=bundle.Status(state=bundle.State.VALID),
        made_at=AT,
        kid=RECEIPT_KEY.kid,
        sign=RECEIPT_SIGN,
    )


def events(tree_s_per_leaf: float) -> None:
    series = event.Series(
        project=UUID(int=1),
        provider="anthropic",
        model="claude-sonnet-5-5",
        event=None,
        cost_currency="USD",
        cost_scale=12,
        price_book="2026-11-20-0123456789ab",
        emission_rate="ab" * 32,
        standing=event.Standing.COUNTED,
    )
    write, secret = event.writer(series), b"\x05" * 32
    first = event.Values(UUID(int=1).bytes, 0, AT, 0, 1, (1000, 20_000, 0, 0, 500, None, 0, 0, 0, 0, 0, 0), None, 123_456_789, b"")

    def leaf() -> bytes:
        salt = event.salt_of(secret, first.event_id, first.revision)
        return merkle.leaf_hash(write(first._replace(salt=salt)))

    per_event = millis(leaf, EVENTS // ROUNDS)
    print(f"leaf of an event, with salt and hash: {1000 * per_event:.2f} us, {1000 / per_event:,.0f} a second")
    told(f"the root over {LEAVES:,} stored leaf digests", tree_s_per_leaf * LEAVES, CLOSE_LIMIT_S, "s")


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--leaves", type=int, default=LEAVES, help="of the log (10,000,000)")
    chosen = parser.parse_args(argv)
    given = receipt()
    tree = Tiles(chosen.leaves, leaves.leaf_hash(leaves.of_receipt(given)))
    print(f"{os.cpu_count()} cores, one used; medians of {ROUNDS} rounds; a log of {tree.size:,} leaves, grown in {tree.took_s:.1f} s")
    generator = random.Random(2)
    told("inclusion proof", millis(lambda: tree.prove(generator.randrange(tree.size)), 50), LIMITS_MS["prove"])
    told("sign, prove and seal a receipt (without the page)", millis(lambda: made(given, tree), 20), LIMITS_MS["sign"])
    file = made(given, tree).encode()
    report = verify.bundle(file)
    if not report.ok:
        raise SystemExit("\n".join(check.text for check in report.checks if not check.ok))
    told(f"verify a bundle of {len(file):,} bytes", millis(lambda: verify.bundle(file), 100), LIMITS_MS["verify"])
    digest = bytes(32)
    started = time.process_time()
    merkle.Frontier().extended(digest for _ in range(1_000_000))
    events((time.process_time() - started) / 1_000_000)


if __name__ == "__main__":
    main()
