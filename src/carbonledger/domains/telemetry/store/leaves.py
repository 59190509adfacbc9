"""Leaf hashes of events as they stood at a cut, in the order of their ids, made by the database and streamed from it.

A leaf's content is what ``carbonledger_proof.event`` says (ADR 0015): a property test holds both against each other, byte for byte. It is
written here in SQL because an event takes the database a third of the time that it takes Python, in two processes at once, and 48 bytes
of it have to travel instead of all its columns.

The secret that salts are made of reaches the database as an argument of ``set_config`` and never as part of a statement's text, so that it
stands in no log and no view of what runs; it is local to the transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, Protocol
from uuid import UUID

from carbonledger.domains.telemetry.store import standing
from carbonledger.domains.telemetry.types import Fact
from carbonledger.domains.telemetry.types.closing import Frozen
from carbonledger.infra import db

HEADER_BYTES: Final = 19  # of COPY's binary form: a signature, flags, no extension
ROW_BYTES: Final = 2 + 4 + 16 + 4 + 32  # the number of fields, then each with its length: an id and a hash
_BLOCK: Final = 64  # of SHA-256, which HMAC pads its key to (RFC 2104)
_DOMAIN: Final = b"carbon-ledger/event-salt/v1\n"
_SALT: Final = "SELECT set_config('carbonledger.salt_inner', $1, true), set_config('carbonledger.salt_outer', $2, true)"
_RAW: Final = ("id", "occurred_at", "duration_s")
_TOKENS: Final = (
    *("audio_input", "audio_output", "cache_creation_1h", "cache_creation_5m", "cached_audio_input", "cached_image_input"),
    *("cached_input", "image_input", "image_output", "output", "reasoning", "uncached_input"),
)
_PLAIN: Final = ", ".join(f"e.{name}" for name in (*_RAW, "revision", "facts", *standing.MEASURES))
STOOD: Final = ", ".join(
    (
        *(f"e.{name}" for name in _RAW),
        "coalesce(n.revision, e.revision) AS revision, coalesce(n.facts, e.facts) AS facts",
        *(standing.stood(name) for name in standing.MEASURES),
    )
)


def _or_null(expression: str, shown: str | None = None) -> str:
    return f"coalesce({shown or f'{expression}::text'}, 'null')"


def _counts(known: Sequence[str]) -> str:
    """Return an expression for the members of all counts, of which those that are not ``known`` are null."""
    texts, pieces = "", []
    for place, name in enumerate(_TOKENS):
        texts += f"""{"," if place else ""}"{name}":"""
        if name in known:
            pieces += [f"'{texts}'", _or_null(f"x.{name}")]
            texts = ""
        else:
            texts += "null"
    return ", ".join([*pieces, f"'{texts}'"] if texts else pieces)


# Modalities are rarely known: what most events say of them is written once, which spares a seventh of an event's time.
_MODALITIES: Final = [name for name in _TOKENS if "audio" in name or "image" in name]
_COUNTS: Final = f"""CASE WHEN coalesce({", ".join(f"x.{name}" for name in _MODALITIES)}) IS NULL
    THEN concat({_counts([name for name in _TOKENS if name not in _MODALITIES])}) ELSE concat({_counts(_TOKENS)}) END"""
_COST: Final = """CASE WHEN x.cost_amount IS NULL THEN 'null'
    ELSE concat('{"amount":"', (x.cost_amount * 1000000000000)::numeric(38, 0), '","currency":"USD","scale":12}') END"""
HMAC: Final = "sha256(k.outer_pad || sha256(k.inner_pad || uuid_send(x.id) || int4send(x.revision)))"
_STANDING: Final = f"CASE WHEN x.facts & {int(Fact.DUPLICATE)} = 0 THEN 'counted' ELSE 'duplicate' END"
_CONTENT: Final = f"""concat(
    '{{"cost":', {_COST}, ',"duration_s":', x.duration_s, coalesce(r.part, ',"emission_rate":null'), s.before_id, x.id, s.before_time,
    to_char(x.occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'), coalesce(b.part, 'Z","price_book":null'), s.before_quantity,
    {_or_null("x.quantity", shown="'" + '"' + "' || trim_scale(x.quantity)::text || '" + '"' + "'")},
    ',"requests":', {_or_null("x.requests")}, ',"revision":', x.revision, ',"salt":"', encode(substr({HMAC}, 1, 16), 'hex'),
    '","schema":"carbon-ledger/event/v1","standing":"', {_STANDING}, '","tokens":{{', {_COUNTS}, '}}}}'
)"""
SALTED: Final = """
CROSS JOIN (
    SELECT decode(min(current_setting('carbonledger.salt_inner')), 'hex') AS inner_pad,
        decode(min(current_setting('carbonledger.salt_outer')), 'hex') AS outer_pad
) k
"""
# What events of a series, a price book or a rate share is written once. Grouped, so that the planner does not write it for each event after
# all, and every process of a parallel plan makes its own.
_SHARED: Final = f"""
JOIN (
    SELECT s.id, min(concat(',"event":', {_or_null("", shown="to_json(s.event)::text")}, ',"id":"')) AS before_id,
        min(concat('","model":', {_or_null("", shown="to_json(s.model)::text")}, ',"occurred_at":"')) AS before_time,
        min(concat(',"project":"', s.project_id, '","provider":', {_or_null("", shown="to_json(s.provider)::text")}, ',"quantity":'))
            AS before_quantity
    FROM telemetry_series s WHERE s.organization_id = $1 GROUP BY s.id
) s ON s.id = x.series_id
LEFT JOIN (SELECT b.id, min(concat('Z","price_book":', to_json(b.version)::text)) AS part FROM price_books b GROUP BY b.id) b
    ON b.id = x.price_book_id
LEFT JOIN (
    SELECT r.id, min(concat(',"emission_rate":"', encode(r.digest, 'hex'), '"')) AS part FROM emission_rates r GROUP BY r.id
) r ON r.id = x.emission_rate_id
{SALTED}
"""
_UNTOUCHED: Final = standing.UNTOUCHED.replace("<columns>", _PLAIN)
_BEFORE: Final = standing.BEFORE.replace("<columns>", STOOD)
_LATE: Final = standing.LATE_AFTER.replace("<columns>", STOOD)
EVENTS: Final = f"{_UNTOUCHED} UNION ALL {_BEFORE} UNION ALL {_LATE}"
# Apart, so that what is most of a month is hashed by all processes of a parallel plan: of a union only the rows would be read by them.
_HASH: Final = f"sha256('\\x00'::bytea || convert_to({_CONTENT}, 'UTF8'))"
_HASHES: Final = f"""
SELECT x.id, {_HASH} FROM ({_UNTOUCHED}) x {_SHARED}
UNION ALL SELECT x.id, {_HASH} FROM ({_BEFORE} UNION ALL {_LATE}) x {_SHARED}
ORDER BY 1
"""
_ONE: Final = f"SELECT {_CONTENT} FROM ({EVENTS}) x {_SHARED} WHERE x.id = $5"


class Salting(Protocol):
    """What salts of an organization's leaves are made of."""

    @property
    def secret(self) -> bytes:
        """32 bytes or more, never shown."""
        ...


Take = Callable[[bytes], Coroutine[Any, Any, None]]


async def stream(uow: db.UnitOfWork, *, organization_id: UUID, frozen: Frozen, salting: Salting, take: Take) -> None:
    """Give ``take`` ids and leaf hashes of the events that are meant, in the order of the ids: COPY's binary rows, in any pieces."""
    await uow.conn.execute(standing.SETTINGS)
    await set_salt(uow, salting)
    await uow.conn.copy_from_query(
        _HASHES,
        *_arguments(organization_id, frozen),
        output=take,
        format="binary",
        timeout=standing.TIMEOUT_S,
    )


async def content(uow: db.UnitOfWork, *, organization_id: UUID, frozen: Frozen, salting: Salting, event_id: UUID) -> bytes | None:
    """Return the content of one leaf; None: the event is not among them."""
    await set_salt(uow, salting)
    found: str | None = await uow.conn.fetchval(_ONE, *_arguments(organization_id, frozen), event_id)
    return None if found is None else found.encode()


def _arguments(organization_id: UUID, frozen: Frozen) -> tuple[Any, ...]:
    return organization_id, frozen.starts_at, frozen.ends_at, frozen.cut


async def set_salt(uow: db.UnitOfWork, salting: Salting) -> None:
    """Let the statements of this transaction that name ``HMAC`` and ``SALTED`` make salts."""
    key = salting.secret.ljust(_BLOCK, b"\x00")
    inner = bytes(byte ^ 0x36 for byte in key) + _DOMAIN
    outer = bytes(byte ^ 0x5C for byte in key)
    await uow.conn.execute(_SALT, inner.hex(), outer.hex())
