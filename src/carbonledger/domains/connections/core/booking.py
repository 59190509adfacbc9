"""What a time bucket becomes in the ledger: a draft for each row, under a key that no poll and no count ever changes.

A row's identity is its connection, stream, bucket and dimensions. A row that was there and is told no more becomes a known zero, so that
what the ledger holds of a bucket is always all of what the provider said of it last.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final
from uuid import UUID

from carbonledger.domains.connections.types import Activity, Bucket, ReportedCost, Row, Stream, ToldRow
from carbonledger.domains.telemetry.types import AnyDraft, Draft, MeteredDraft
from carbonledger.kernel import decimals
from carbonledger.kernel.usage import BUCKETS, PARTS, TokenBuckets, Usage

_DIGEST_CHARS: Final = 32  # 128 bits: no two rows of a bucket meet by chance
_ROW, _ACTIVITY, _COST = "row", "activity", "cost"  # in digests: never rename


def row_key(connection_id: UUID, *, stream: Stream, bucket: Bucket, digest: str) -> str:
    """Return the idempotency key of a row, at most 200 characters. Never change its form: the same row would be added again."""
    start = f"{bucket.starts_at:%Y%m%dT%H%M%SZ}"
    return f"conn:{connection_id.hex}:{stream.name}:{start}:{stream.bucket_width_s}:{digest}"


def told(bucket: Bucket) -> tuple[ToldRow, ...]:
    """Return the rows and activities of a bucket without their counts, by digest."""
    rows = [
        ToldRow(row_digest(row), model=row.model, batch=row.batch, service_tier=row.service_tier, region=row.region) for row in bucket.rows
    ]
    activities = [ToldRow(activity_digest(one), event=one.event) for one in bucket.activities]
    return tuple(sorted((*rows, *activities), key=lambda one: one.digest))


def together(before: Iterable[ToldRow], now: Iterable[ToldRow]) -> tuple[ToldRow, ...]:
    """Return every row that was ever told, as it was told last, by digest."""
    known = {one.digest: one for one in (*before, *now)}
    return tuple(known[digest] for digest in sorted(known))


def drafts(connection_id: UUID, provider: str, *, stream: Stream, bucket: Bucket, known: Sequence[ToldRow]) -> tuple[AnyDraft, ...]:
    """Return the bucket as drafts, with a zero for each row of ``known`` that it has no more."""
    made: dict[str, AnyDraft] = {}
    for row in bucket.rows:
        digest = row_digest(row)
        made[digest] = Draft(
            idempotency_key=row_key(connection_id, stream=stream, bucket=bucket, digest=digest),
            usage=Usage(
                provider=provider,
                model=row.model,
                occurred_at=bucket.starts_at,
                tokens=row.tokens,
                requests=row.requests,
                batch=row.batch,
                service_tier=row.service_tier,
                region=row.region,
            ),
            operation=stream.name,
            quality=row.quality,
            duration_s=stream.bucket_width_s,
            size=row.size,
        )
    for one in bucket.activities:
        digest = activity_digest(one)
        made[digest] = MeteredDraft(
            idempotency_key=row_key(connection_id, stream=stream, bucket=bucket, digest=digest),
            occurred_at=bucket.starts_at,
            event=f"{provider}.{one.event}",
            quantity=one.quantity,
            properties=None if one.model is None else {"model": one.model},
        )
    for gone in known:
        if gone.digest not in made:
            key = row_key(connection_id, stream=stream, bucket=bucket, digest=gone.digest)
            made[gone.digest] = _zero(gone, provider, key=key, stream=stream, bucket=bucket)
    return tuple(made[digest] for digest in sorted(made))


def _zero(gone: ToldRow, provider: str, *, key: str, stream: Stream, bucket: Bucket) -> AnyDraft:
    if gone.model is None:
        return MeteredDraft(idempotency_key=key, occurred_at=bucket.starts_at, event=f"{provider}.{gone.event}", quantity=Decimal(0))
    usage = Usage(
        provider=provider,
        model=gone.model,
        occurred_at=bucket.starts_at,
        tokens=TokenBuckets.zero(),
        requests=0,
        batch=gone.batch,
        service_tier=gone.service_tier,
        region=gone.region,
    )
    return Draft(idempotency_key=key, usage=usage, operation=stream.name, duration_s=stream.bucket_width_s)


def content_digest(bucket: Bucket) -> bytes:
    """Return the SHA-256 of all that a bucket says, whatever the order in which it says it. One that says nothing has one too."""
    contents: list[tuple[str, str, list[object]]] = []
    contents += [(_ROW, row_digest(row), _row_content(row)) for row in bucket.rows]
    contents += [(_ACTIVITY, activity_digest(one), [_text(one.quantity), one.model, one.requests]) for one in bucket.activities]
    contents += [(_COST, cost_digest(cost), _cost_content(cost)) for cost in bucket.costs]
    return hashlib.sha256(_json(sorted(contents, key=lambda content: content[:2]))).digest()


def _row_content(row: Row) -> list[object]:
    size = None if row.size is None else [row.size.above, row.size.up_to]
    counts = [getattr(row.tokens, name) for name in (*BUCKETS, *PARTS)]
    return [row.batch, row.service_tier, row.region, row.quality.value, size, row.requests, counts]


def _cost_content(cost: ReportedCost) -> list[object]:
    return [_text(cost.amount.amount), cost.amount.currency.code, cost.model, _text(cost.quantity), cost.unit]


def row_digest(row: Row) -> str:
    """Return what tells a row apart in its bucket: its dimensions and its model, never its counts."""
    return _digest([_ROW, row.model, [list(pair) for pair in row.dimensions]])


def activity_digest(activity: Activity) -> str:
    """Return what tells an activity apart in its bucket: what was counted, and its dimensions."""
    return _digest([_ACTIVITY, activity.event, [list(pair) for pair in activity.dimensions]])


def cost_digest(cost: ReportedCost) -> str:
    """Return what tells a cost apart in its bucket: its item, its dimensions and its currency."""
    return _digest([_COST, cost.item, cost.amount.currency.code, [list(pair) for pair in cost.dimensions]])


def parts(buckets: Sequence[Bucket], *, rows_max: int) -> list[list[Bucket]]:
    """Return buckets in order, in parts of at most ``rows_max`` rows; a bucket is never cut, so one alone may have more."""
    found: list[list[Bucket]] = []
    size = 0
    for bucket in buckets:
        rows = len(bucket.rows) + len(bucket.activities) + len(bucket.costs)
        if not found or size + rows > rows_max:
            found.append([])
            size = 0
        found[-1].append(bucket)
        size += rows
    return found


def is_empty(bucket: Bucket) -> bool:
    """Say whether nothing was used in the bucket."""
    return not (bucket.rows or bucket.activities or bucket.costs)


def _digest(identity: list[object]) -> str:
    return hashlib.sha256(_json(identity)).hexdigest()[:_DIGEST_CHARS]


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=True).encode()


def _text(number: Decimal | None) -> str | None:
    return None if number is None else decimals.to_api_decimal(number)
