"""A small issuer for tests: keys, a log with two credit lots, and a receipt of three events with all that proves it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from uuid import UUID

from carbonledger_proof import bundle, canonical, checkpoint, event, keys, leaves, measures, merkle, serials, signature, statement

ORIGIN = "ledger.example/log"
SECRET = bytes(range(32))
MONTH = "2026-11"
BEGIN = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
YEAR_LATER = int(datetime(2027, 1, 1, tzinfo=UTC).timestamp())
ISSUED = datetime(2026, 12, 3, 0, 5, tzinfo=UTC)
MADE = datetime(2026, 12, 4, tzinfo=UTC)
PROJECT = UUID("018f0000-0000-7000-8000-000000000001")

RECEIPT_PUBLIC, RECEIPT_SIGN = signature.signer(b"\x01" * 32)
LOG_PUBLIC, LOG_SIGN = signature.signer(b"\x02" * 32)
RECEIPT_KEY = keys.Key(public=RECEIPT_PUBLIC, purpose=keys.Purpose.RECEIPTS, nbf=BEGIN, exp=YEAR_LATER)
LOG_KEY = keys.Key(public=LOG_PUBLIC, purpose=keys.Purpose.LOG, nbf=BEGIN)
KEYS = keys.KeySet((RECEIPT_KEY, LOG_KEY))


def serial(counter: int = 0, month: str = MONTH) -> str:
    return serials.make(SECRET, month=month, counter=counter)


def series(**changes: object) -> event.Series:
    given = event.Series(
        project=PROJECT,
        provider="openai",
        model='gpt-5.4 "mini" %s',
        event=None,
        cost_currency="USD",
        cost_scale=12,
        price_book="2026-11-20-0123456789ab",
        emission_rate="ab" * 32,
        standing=event.Standing.COUNTED,
    )
    return dataclasses.replace(given, **changes)  # type: ignore[arg-type]  # each test gives what the field takes


def events(count: int = 3) -> list[event.Event]:
    """Events in the order of their ids."""
    return [
        event.Event(
            id=UUID(int=(number + 1) << 64),
            revision=number % 2,
            occurred_at=datetime(2026, 11, 1 + number % 28, 9, 30, 0, 1, tzinfo=UTC),
            duration_s=0,
            series=series(),
            requests=1,
            tokens=(1000 + number, 200, None, None, 50, *(None,) * 7),
            quantity=None,
            cost_amount=1_500_000_000 + number,
        )
        for number in range(count)
    ]


def contents(given: Sequence[event.Event]) -> list[bytes]:
    return [one.content(event.salt_of(SECRET, one.id.bytes, one.revision)) for one in given]


def gross(low: int = 400_000, mid: int = 1_200_000, high: int = 3_600_000) -> tuple[measures.Gross, ...]:
    return (
        measures.Gross(scope=measures.Scope.SCOPE_3, basis=measures.Basis.LOCATION, co2e_mg=measures.Range(low, mid, high)),
        measures.Gross(scope=measures.Scope.SCOPE_3, basis=measures.Basis.MARKET, co2e_mg=None),
    )


def cost(amount: int = 4_500_000_003) -> tuple[measures.Cost, ...]:
    return (measures.Cost(currency="USD", amount=amount, scale=12),)


def allocation(from_mg: int, to_mg: int, block: str = "12082-1-100-VCS-VCU-304") -> statement.Allocation:
    return statement.Allocation(
        registry="verra",
        project_id="VCS-304",
        project_name="Grünes Tal",
        standard="VCS",
        kind=statement.Kind.REMOVAL,
        vintage=2024,
        block=block,
        from_mg=from_mg,
        to_mg=to_mg,
        retirement_reference="R-1",
        retirement_url="https://registry.example/R-1",
        claim=statement.CLAIM,
    )


def receipt(**changes: object) -> statement.Receipt:
    root = merkle.tree_root(map(merkle.leaf_hash, contents(events())))
    unknown = measures.Buckets(uncached_input=0, cached_input=0, cache_creation_5m=0, cache_creation_1h=0, output=None)
    given: dict[str, object] = {
        "test": False,
        "serial": serial(),
        "issuer": ORIGIN,
        "organization": "0f" * 32,
        "period": statement.Period(
            start=datetime(2026, 10, 31, 23, tzinfo=UTC), end=datetime(2026, 11, 30, 23, tzinfo=UTC), zone="Europe/Berlin", month=MONTH
        ),
        "gross": gross(),
        "energy_uwh": measures.Range(1, 2, 3),
        "tokens": measures.Tokens(
            covered=measures.Buckets(uncached_input=3003, cached_input=600, cache_creation_5m=None, cache_creation_1h=None, output=150),
            not_covered=unknown,
        ),
        "events": statement.Events(root=root.hex(), count=3),
        "cost": cost(),
        "factor_sets": (measures.Version(version="1.0", sha256="cd" * 32),),
        "price_books": (measures.Version(version="2026-11-20-0123456789ab", sha256="ef" * 32),),
        "projects": (statement.Project(project=str(PROJECT), name="Support bot", gross=gross(), cost=cost()),),
        "compensation": statement.Compensation(
            basis=measures.Basis.LOCATION, bound=measures.Bound.HIGH, share_bp=10_000, required_mg=3_600_000
        ),
        "allocations": (allocation(0, 3_000_000), allocation(5_000_000, 5_600_000)),
        "adjustments": (),
        "supersedes": None,
        "issued_at": ISSUED,
        "kid": RECEIPT_KEY.kid,
    }
    return statement.Receipt(**{**given, **changes})  # type: ignore[arg-type]  # each test gives what the field takes


def lot(block: str = "12082-1-100-VCS-VCU-304", begin: int = 1, end: int = 100, **changes: object) -> leaves.LotImported:
    given = leaves.LotImported(
        at=datetime(2026, 2, 1, tzinfo=UTC),
        registry="verra",
        project_id="VCS-304",
        project_name="Grünes Tal",
        standard="VCS",
        kind=statement.Kind.REMOVAL,
        vintage=2024,
        block=block,
        block_prefix="12082",
        block_start=begin,
        block_end=end,
        quantity_mg=(end - begin + 1) * 10**9,
        retired_on=date(2026, 1, 15),
        retirement_reference="R-1",
        retirement_url="https://registry.example/R-1",
        beneficiary="Customers of ledger.example/log",
        evidence_sha256=None,
    )
    return dataclasses.replace(given, **changes)  # type: ignore[arg-type]  # each test gives what the field takes


def made(one: statement.Allocation, given: str, at: datetime = ISSUED) -> leaves.AllocationMade:
    return leaves.AllocationMade(at=at, serial=given, registry=one.registry, block=one.block, from_mg=one.from_mg, to_mg=one.to_mg)


def released(one: statement.Allocation, given: str, at: datetime = ISSUED) -> leaves.AllocationReleased:
    return leaves.AllocationReleased(at=at, serial=given, registry=one.registry, block=one.block, from_mg=one.from_mg, to_mg=one.to_mg)


def beginning() -> list[leaves.Leaf]:
    """How a log begins: both keys, a lot."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return [
        leaves.publish_key(RECEIPT_KEY, at=at, sign=RECEIPT_SIGN),
        leaves.publish_key(LOG_KEY, at=at, sign=LOG_SIGN),
        lot(),
    ]


def log_of(given: statement.Receipt) -> list[leaves.Leaf]:
    """A log with a receipt and what was allocated to it."""
    return [*beginning(), *(made(one, given.serial) for one in given.allocations), leaves.of_receipt(given)]


def signed_checkpoint(log: Sequence[leaves.Leaf]) -> str:
    root = merkle.tree_root(map(leaves.leaf_hash, log))
    return checkpoint.Checkpoint(ORIGIN, len(log), root).signed(LOG_PUBLIC, LOG_SIGN)


def inclusion(hashes: Sequence[bytes], index: int) -> bundle.Inclusion:
    nodes: dict[tuple[int, int], bytes] = {}
    merkle.Frontier().extended(hashes, keep=lambda level, place, hash_: nodes.__setitem__((level, place), hash_))
    path = merkle.prove(merkle.inclusion_path(index, len(hashes)), lambda level, place: nodes[level, place])
    return bundle.Inclusion(index=index, size=len(hashes), path=tuple(path))


@dataclass(frozen=True)
class World:
    """A receipt and the log that it stands in."""

    receipt: statement.Receipt
    log: list[leaves.Leaf]

    def bundled(self, **changes: object) -> bundle.Bundle:
        """The receipt's bundle. What is changed is changed before it is sealed."""
        unsealed = bundle.Bundle(
            receipt=self.receipt,
            signature=statement.signed(self.receipt, RECEIPT_SIGN),
            inclusion=inclusion([leaves.leaf_hash(leaf) for leaf in self.log], self.log.index(leaves.of_receipt(self.receipt))),
            checkpoint=signed_checkpoint(self.log),
            keys=KEYS,
            status=bundle.Status(state=bundle.State.VALID),
            made_at=MADE,
            seal=bundle.Seal(kid="-", signature="-"),
        )
        changed = dataclasses.replace(unsealed, **changes)  # type: ignore[arg-type]  # each test gives what the field takes
        return bundle.seal(changed, kid=RECEIPT_KEY.kid, sign=RECEIPT_SIGN)

    def event_proof(self, index: int = 1) -> bundle.EventProof:
        found = contents(events())
        return bundle.EventProof(
            event=canonical.read(found[index]),
            inclusion=inclusion([merkle.leaf_hash(one) for one in found], index),
            bundle=self.bundled(),
        )


def world(**changes: object) -> World:
    given = receipt(**changes)
    return World(given, [*log_of(given), lot("12082-101-200-VCS-VCU-304", 101, 200, at=ISSUED)])
