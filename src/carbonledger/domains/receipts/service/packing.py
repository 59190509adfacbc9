"""Makes an audit pack: gathers what proves the month, streams its events, seals the manifest, and reads all of it once more.

    gather ─> stream ─> seal ─> check ─> finish

Each step can be repeated, and is: what it writes are objects named by what is in them. Memory is that of the evidence and the lines of a
month, and of one part of what is streamed. Nothing of a pack is seen before ``finish``, which is the transaction that makes it one.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from carbonledger.domains.emissions import service as emissions
from carbonledger.domains.emissions import types as emission_types
from carbonledger.domains.identity.service import organizations
from carbonledger.domains.pricing import service as pricing
from carbonledger.domains.receipts import data
from carbonledger.domains.receipts.core import esrs, guide, stating, tracing
from carbonledger.domains.receipts.core import packs as rules
from carbonledger.domains.receipts.service import bundling, closing, log, packs, periods, signing, totals
from carbonledger.domains.receipts.service import keys as signing_keys
from carbonledger.domains.receipts.service.proving import Salt
from carbonledger.domains.receipts.store import credits as credit_store
from carbonledger.domains.receipts.store import packs as store
from carbonledger.domains.receipts.store import periods as period_store
from carbonledger.domains.receipts.store import receipts as receipt_store
from carbonledger.domains.receipts.types import packs as types
from carbonledger.domains.receipts.types import receipts as receipt_types
from carbonledger.domains.receipts.types.credits import Allocation, AllocationState
from carbonledger.domains.receipts.types.packs import Contents, Pack, Part, State, StoredFile
from carbonledger.domains.receipts.types.totals import ClosedPeriod, Rate
from carbonledger.domains.telemetry.service import closing as ledger
from carbonledger.domains.telemetry.types.closing import Frozen
from carbonledger.infra import db, outbox
from carbonledger.infra.objects import Objects
from carbonledger.kernel.actor import Actor
from carbonledger_proof import archive, bundle, canonical, keys, manifest, pack, statement

MADE: Final = "receipts.audit_pack_made"
PART_BYTES: Final = 8 * 2**20
EVENTS, BEFORE = "events.csv", "adjusted-before.csv"
_CREDITS: Final = (
    *("receipt", "state", "registry", "project_id", "project_name", "standard", "kind", "vintage", "block", "from_mg", "to_mg"),
    *("retired_on", "retirement_reference", "retirement_url", "beneficiary", "reason", "corresponding_adjustment", "evidence_sha256"),
)
_STATES: Final = {
    receipt_types.State.ISSUED: bundle.State.VALID,
    receipt_types.State.SUPERSEDED: bundle.State.SUPERSEDED,
    receipt_types.State.REVOKED: bundle.State.REVOKED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """What a pack is of, and its small files. ``unsealed``: the manifest as far as it is known; its files and its seal are not."""

    unsealed: manifest.Manifest
    basis: bytes
    checkpoint_size: int
    files: tuple[tuple[str, bytes], ...]


@dataclass(slots=True)
class Writing:
    """A file on its way into parts of ``PART_BYTES``, each an object. The same bytes make the same parts."""

    files: Objects
    name: str
    part_bytes: int = PART_BYTES
    parts: list[Part] = field(default_factory=list)
    _rest: bytearray = field(default_factory=bytearray)
    _crc32: int = 0
    _sha256: Any = field(default_factory=hashlib.sha256)

    async def take(self, piece: bytes) -> None:
        """Take the next piece."""
        self._sha256.update(piece)
        self._crc32 = zlib.crc32(piece, self._crc32)
        self._rest += piece
        while len(self._rest) >= self.part_bytes:
            await self._put(bytes(self._rest[: self.part_bytes]))
            del self._rest[: self.part_bytes]

    async def end(self) -> StoredFile:
        """Write what is left and return the file."""
        if self._rest:
            await self._put(bytes(self._rest))
            self._rest.clear()
        return StoredFile(name=self.name, sha256=self._sha256.hexdigest(), crc32=self._crc32, parts=tuple(self.parts))

    async def _put(self, content: bytes) -> None:
        sha256 = hashlib.sha256(content).hexdigest()
        await self.files.ensure(packs.key_of(sha256), content)
        self.parts.append(Part(sha256, len(content)))


async def put(files: Objects, named: Iterable[tuple[str, bytes]]) -> list[StoredFile]:
    """Write small files, and return them."""
    made = []
    for name, content in named:
        writing = Writing(files, name)
        await writing.take(content)
        made.append(await writing.end())
    return made


async def gather(uow: db.UnitOfWork, *, organization_id: UUID, pack_id: UUID, salting: Salt) -> Gathered:
    """Read all but the events; in a transaction of reading.

    Raises ``PackNotFound``, ``ReceiptUnproven`` while a receipt of the month has no bundle yet, ``CheckpointNotFound``.
    """
    found = await _found(uow, organization_id=organization_id, pack_id=pack_id)
    closed = await totals.closed(uow, organization_id=organization_id, period_id=found.period_id)
    receipts = await receipt_store.of_period(uow, organization_id=organization_id, period_id=found.period_id)
    unsealed = await _unsealed(uow, found, closed, receipts, organization_id=organization_id, salting=salting)
    checkpoint = await log.latest(uow)
    proven = [file for one in receipts if one.signed is not None for file in _of_receipt(one)]
    held = await _held(uow, receipts, organization_id=organization_id)
    standing = next((one.id for one in receipts if one.state is receipt_types.State.ISSUED), None)
    files = [
        *proven,
        *await _trace(uow, found, closed, organization_id=organization_id),
        *await _log(uow, found, checkpoint.size, checkpoint.note, organization_id=organization_id, known=unsealed.keys),
        ("credits.csv", tracing.table(_CREDITS, map(_credit, held))),
        ("esrs-e1.json", esrs.document(closed, [one for one in held if one.receipt_id == standing])),
        ("README.txt", guide.readme(unsealed, closed.period)),
        (data.RECOMPUTE, data.program()),
    ]
    basis = rules.basis(closed.root, (f"{one.id} {one.state.value}" for one in receipts))
    return Gathered(unsealed=unsealed, basis=basis, checkpoint_size=checkpoint.size, files=tuple(files))


async def _found(uow: db.UnitOfWork, *, organization_id: UUID, pack_id: UUID) -> Pack:
    found = await store.find(uow, organization_id=organization_id, pack_id=pack_id)
    if found is None:
        raise types.PackNotFound(f"There is no audit pack {pack_id}.")
    return found


async def _unsealed(
    uow: db.UnitOfWork,
    found: Pack,
    closed: ClosedPeriod,
    receipts: Sequence[receipt_types.Receipt],
    *,
    organization_id: UUID,
    salting: Salt,
) -> manifest.Manifest:
    period = closed.period
    origin = await log.origin(uow)
    if origin is None:
        raise RuntimeError("there is a key, and the log has no name")
    return manifest.Manifest(
        test=(await organizations.find(uow, organization_id=organization_id)).is_sandbox,
        issuer=origin,
        organization=stating.pseudonym(salting.secret, organization_id),
        period=statement.Period(start=period.starts_at, end=period.ends_at, zone=period.zone, month=f"{period.month:%Y-%m}"),
        number=found.number,
        events=statement.Events(root=closed.root.hex(), count=closed.leaves),
        receipts=tuple(manifest.Stated(serial=one.signed.serial, state=_STATES[one.state]) for one in receipts if one.signed is not None),
        files=(),
        keys=await signing_keys.published(uow),
        made_at=period.ends_at,
        seal=bundle.Seal(kid="-", signature="-"),
    )


def _of_receipt(receipt: receipt_types.Receipt) -> Iterable[tuple[str, bytes]]:
    signed = bundling.stated(receipt)
    folder = manifest.folder(signed.serial)
    yield f"{folder}/{manifest.STATEMENT}", canonical.write(signed.receipt.to_json())
    yield f"{folder}/{manifest.BUNDLE}", bundling.bundle(receipt)
    yield f"{folder}/{manifest.PAGE}", bundling.document(receipt)


async def _held(uow: db.UnitOfWork, receipts: Iterable[receipt_types.Receipt], *, organization_id: UUID) -> tuple[Allocation, ...]:
    found: list[Allocation] = []
    for receipt in receipts:
        for state in AllocationState:
            found += await credit_store.of_receipt(uow, organization_id=organization_id, receipt_id=receipt.id, state=state)
    return tuple(found)


def _credit(one: Allocation) -> list[object]:
    credit, part = one.credit, one.interval
    adjusted = {True: "yes", False: "no", None: ""}[credit.corresponding_adjustment]
    return [
        *(one.serial, one.state.value, credit.block.registry, credit.project_id, credit.project_name, credit.standard, credit.kind.value),
        *(credit.vintage, credit.block.text, part.from_mg, part.to_mg, credit.retired_on.isoformat(), credit.retirement_reference),
        *(credit.retirement_url, credit.beneficiary, credit.reason, adjusted, credit.evidence_sha256),
    ]


async def _trace(uow: db.UnitOfWork, found: Pack, closed: ClosedPeriod, *, organization_id: UUID) -> list[tuple[str, bytes]]:
    """Return the trace, what was adjusted, and the factor sets and price books that any of it names."""
    every = await period_store.every(uow, organization_id=organization_id)
    months = {one.id: one.month for one in every}
    own = await period_store.lines_of(uow, organization_id=organization_id, period_id=found.period_id)
    into = await period_store.booked(uow, organization_id=organization_id, booked_in=found.period_id)
    later = await period_store.booked(uow, organization_id=organization_id, period_id=found.period_id)
    lines = [*((found.month, line) for line in own), *((months[one.period_id], line) for one in into for line in one.lines)]
    booked = [(months[one.booked_in], months[one.period_id], line) for one in (*into, *later) for line in one.lines]
    keys_of = {line.key for _, line in lines} | {line.key for _, _, line in booked}
    rates = await emissions.named_rates(uow, ids={key.emission_rate_id for key in keys_of if key.emission_rate_id is not None})
    books = await pricing.published_books(uow, ids={key.price_book_id for key in keys_of if key.price_book_id is not None})
    numbers = {number: _rate(one.version, one.rates) for number, one in rates.items()}
    named = tracing.Named(
        {number: version for number, (version, _) in books.items()}, {number: one.digest.hex() for number, one in rates.items()}
    )
    sets = {version: await emissions.factor_set(uow, version=version) for version in sorted({one.version for one in rates.values()})}
    files = await pricing.published_files(uow, versions={version for version, _ in books.values()})
    return [
        ("trace/lines.csv", tracing.lines(lines, named, numbers)),
        ("adjustments.csv", tracing.adjustments(booked, named, numbers)),
        ("trace/rates.json", tracing.rates(rates.values())),
        ("trace/totals.json", tracing.trace(closed, every=every)),
        ("methodology.md", guide.methodology(emissions.described(file.document) for file in sets.values())),
        *((f"factors/{version}.json", file.document) for version, file in sets.items()),
        *((f"prices/{version}/prices.jsonl", prices) for version, (prices, _) in files.items()),
        *((f"prices/{version}/overrides.json", overrides) for version, (_, overrides) in files.items()),
    ]


def _rate(version: str, rates: emission_types.Rates) -> Rate:
    return Rate(version=version, energy=rates.energy, co2e_location=rates.co2e_location, co2e_market=rates.co2e_market)


async def _log(
    uow: db.UnitOfWork, found: Pack, size: int, note: str, *, organization_id: UUID, known: keys.KeySet
) -> list[tuple[str, bytes]]:
    """Return the newest checkpoint, that of the latest earlier month's pack, and the proof that the log only grew between them."""
    before = await store.before(uow, organization_id=organization_id, month=found.month)
    old = 0 if before is None else before
    path = await log.consistency(uow, old=old, new=size) if old else ()
    files = [
        (pack.CHECKPOINT, note.encode()),
        (pack.CONSISTENCY, pack.Consistency(old=old, new=size, path=path).encode()),
        (pack.KEYS, canonical.write(known.to_json())),
    ]
    if old:
        files.append((pack.EARLIER, (await log.signed(uow, size=old)).note.encode()))
    return files


async def stream(
    uow: db.UnitOfWork,
    *,
    organization_id: UUID,
    pack_id: UUID,
    salting: Salt,
    files: Objects,
    told: Callable[[int], Awaitable[None]],
    part_bytes: int = PART_BYTES,
) -> list[StoredFile]:
    """Write the events of the month, and those of earlier months as they were before; in a transaction of reading, however long.

    ``told`` is given the number of bytes so far with each part that is written.
    """
    found = await _found(uow, organization_id=organization_id, pack_id=pack_id)
    period = await periods.find(uow, organization_id=organization_id, period_id=found.period_id)
    await ledger.take_time(uow)
    cut = closing.cut_of(period)
    frozen = Frozen(starts_at=period.starts_at, ends_at=period.ends_at, cut=cut)
    events, before = Writing(files, EVENTS, part_bytes), Writing(files, BEFORE, part_bytes)

    async def take(piece: bytes) -> None:
        parts = len(events.parts)
        await events.take(piece)
        if len(events.parts) > parts:
            await told(len(events.parts) * part_bytes)

    names = {"organization_id": organization_id, "salting": salting}
    await ledger.rows(uow, **names, frozen=frozen, take=take)  # type: ignore[arg-type]  # the two names
    await ledger.rows_before(uow, **names, cut=cut - 1, take=before.take)  # type: ignore[arg-type]  # the same
    return [await events.end(), await before.end()]


async def seal(uow: db.UnitOfWork, *, gathered: manifest.Manifest, files: Iterable[StoredFile], at: datetime) -> bytes:
    """Return the manifest of these files, sealed with the key of receipts; ``at`` is the real time.

    Raises ``SigningKeyClosed``, ``SigningKeyMissing``.
    """
    by = await signing.current(uow, purpose=keys.Purpose.RECEIPTS, at=at)
    listed = manifest.in_order(file.listed for file in files)
    known = await signing_keys.published(uow)
    whole = manifest.with_files(gathered, files=listed, known=known, made_at=at.replace(microsecond=0))
    return manifest.sealed(whole, kid=by.key.kid, sign=by.sign).encode()


async def check(files: Objects, stored: Iterable[StoredFile], *, basis: bytes, checkpoint_size: int) -> Contents:
    """Read every file once more as it will be given away, and return what the pack is. Raises ``PackDamaged``."""
    ordered = rules.in_order(stored)
    plan = archive.plan(file.entry for file in ordered)
    whole = hashlib.sha256()
    for head, file in zip(plan.heads, ordered, strict=True):
        whole.update(head)
        own, crc32 = hashlib.sha256(), 0
        async for piece in packs.of_file(files, file):
            own.update(piece)
            whole.update(piece)
            crc32 = zlib.crc32(piece, crc32)
        if (own.hexdigest(), crc32) != (file.sha256, file.crc32):
            raise types.PackDamaged(f"{file.name} is not what was written a moment ago.")
    whole.update(plan.tail)
    return Contents(files=ordered, size=plan.size, sha256=whole.digest(), basis=basis, checkpoint_size=checkpoint_size)


async def finish(
    uow: db.UnitOfWork, *, actor: Actor, now: datetime, at: datetime, organization_id: UUID, pack_id: UUID, contents: Contents
) -> Pack:
    """Write what the pack is, and tell. One that was made stays as it is."""
    found = await store.find(uow, organization_id=organization_id, pack_id=pack_id, lock=True)
    if found is None:
        raise types.PackNotFound(f"There is no audit pack {pack_id}.")
    if found.state is State.MADE:
        return found
    rules.move(found.state, State.MADE)
    await store.made(uow, organization_id=organization_id, pack_id=pack_id, contents=contents, at=at)
    told = {"month": f"{found.month:%Y-%m}", "number": found.number, "size_bytes": contents.size, "sha256": contents.sha256.hex()}
    await outbox.emit(uow, actor=actor, now=now, action=MADE, target_type="audit_pack", target_id=pack_id, after=told)
    return await _found(uow, organization_id=organization_id, pack_id=pack_id)
