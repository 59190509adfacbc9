"""Answers kept for ``Idempotency-Key``: the same request, sent again, gets the first answer and has no second effect.

An answer is written in the transaction of its effect, so after a crash there are either both or neither. While the first request runs,
its transaction holds an advisory lock on the key, which PostgreSQL frees with the transaction, also when the process dies; nobody has to
clean up after it. Only success is kept: a request that failed has had no effect, and may be sent again with the same key.

A key belongs to an organization, a method and a path, lives for ``KEPT_FOR`` and is bound to the digest of what was sent and with which
credential: another caller of the organization is not given the answer. An answer that holds a secret is kept sealed. It does not own
HTTP: an answer here is a status, the headers worth repeating, and a body.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import bindparam, delete, select
from sqlalchemy.dialects.postgresql import insert

from carbonledger.infra import crypto, db, statements, tables
from carbonledger.kernel import errors

KEPT_FOR: Final = timedelta(hours=24)
PURPOSE: Final = "idempotent_answer"
PURGE_BATCH = 1_000  # organizations in one run of the purge; the next run takes the rest
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_answers = tables.idempotent_answers
_FIND = statements.Prepared(
    select(_answers).where(
        _answers.c.organization_id == bindparam("organization_id"),
        _answers.c.place == bindparam("place"),
        _answers.c.expires_at > bindparam("at"),
    )
)
_INSERT = insert(_answers).values({column.name: bindparam(column.name) for column in _answers.c})
# A row can only be there if it has expired: begin() would have given it otherwise.
_KEEP = statements.Prepared(
    _INSERT.on_conflict_do_update(
        index_elements=["organization_id", "place"],
        set_={column.name: _INSERT.excluded[column.name] for column in _answers.c if not column.primary_key},
    )
)


class IdempotencyFault(errors.Fault):
    """The idempotency key can't be used."""

    kind = errors.Kind.CONFLICT
    code = "idempotency"


class KeyMalformed(IdempotencyFault):
    """The idempotency key is not 1 to 255 visible ASCII characters."""

    kind = errors.Kind.MALFORMED
    code = "idempotency_key_malformed"


class KeyReused(IdempotencyFault):
    """The idempotency key was used for another request."""

    code = "idempotency_key_reused"


class InProgress(IdempotencyFault):
    """The first request with this idempotency key is still running."""

    code = "in_progress"


class AnswerLost(IdempotencyFault):
    """The request was done, but its answer can't be given again: the key that sealed it is gone."""

    code = "idempotent_answer_lost"


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer as it is kept."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked under a key. ``place`` is the key's digest with its method and path, ``digest`` that of who asks and the body."""

    organization_id: UUID
    place: bytes
    digest: bytes


def request(organization_id: UUID, *, key: str, method: str, path: str, asker: str, content: bytes) -> Request:
    """Return what a request with ``Idempotency-Key: key`` is known by. Raises ``KeyMalformed``.

    ``content`` is all it says. ``asker`` names the credential and what it may do, where that is not the credential's own: what was answered
    to one is not for another, who may be allowed less.
    """
    if not _KEY.fullmatch(key):
        raise KeyMalformed("Send 1 to 255 visible ASCII characters, such as a UUID.")
    place = hashlib.sha256(b"\x00".join((method.encode(), path.encode("utf-8", "surrogatepass"), key.encode()))).digest()
    digest = hashlib.sha256(asker.encode() + b"\x00" + content).digest()
    return Request(organization_id=organization_id, place=place, digest=digest)


async def begin(uow: db.UnitOfWork, *, asked: Request, at: datetime, sealer: crypto.Sealer) -> Kept | None:
    """Return the answer kept for this request, or None: then it is the first, and holds the key until its transaction ends.

    Raises ``InProgress`` while another holds it, ``KeyReused`` when the key stands for another body or another caller.
    """
    # In a statement of its own: only the next one's snapshot is sure to see what a former holder of the lock has committed.
    if not await uow.conn.fetchval("SELECT pg_try_advisory_xact_lock($1)", _lock_number(asked)):
        raise InProgress("Ask again in a moment with the same key; the answer will be the first request's.", retry_after_s=1)
    row = await uow.fetch_one(_FIND(organization_id=asked.organization_id, place=asked.place, at=at))
    if row is None:
        return None
    if row["digest"] != asked.digest:
        raise KeyReused("Use a new key for a new request; a key stands for one body of one caller for 24 hours.")
    body = row["body"]
    if row["sealed_body"] is not None:
        body = _open(row["sealed_body"], asked, sealer)
    return Kept(status=row["status"], headers=tuple((name, value) for name, value in row["headers"]), body=body)


async def keep(uow: db.UnitOfWork, *, asked: Request, answer: Kept, at: datetime, sealer: crypto.Sealer | None) -> None:
    """Keep the answer with its effect. With a ``sealer`` it is kept sealed."""
    sealed = None
    if sealer is not None:
        sealed = sealer.seal_bytes(answer.body, organization_id=asked.organization_id, secret_id=asked.place.hex(), purpose=PURPOSE)
    await uow.execute(
        _KEEP(
            organization_id=asked.organization_id,
            place=asked.place,
            digest=asked.digest,
            status=answer.status,
            headers=[list(header) for header in answer.headers],
            body=None if sealed is not None else answer.body,
            sealed_body=sealed,
            created_at=at,
            expires_at=at + KEPT_FOR,
        )
    )


async def purge(database: db.Database, *, at: datetime) -> int:
    """Delete what has expired, organization by organization, and return how many answers that was."""
    async with database.transaction(None, read_only=True) as uow:
        rows = await uow.conn.fetch("SELECT organization_id FROM organizations_with_expired_answers($1, $2)", at, PURGE_BATCH)
    gone = 0
    for row in rows:
        async with database.transaction(row["organization_id"]) as uow:
            gone += await uow.execute(
                delete(_answers).where(_answers.c.organization_id == row["organization_id"], _answers.c.expires_at <= at)
            )
    return gone


def _lock_number(asked: Request) -> int:
    """Return the key as the 64-bit number that an advisory lock takes. That two keys share one is as likely as any 64-bit collision."""
    digest = hashlib.sha256(b"carbonledger.idempotency" + asked.organization_id.bytes + asked.place).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def _open(sealed: str, asked: Request, sealer: crypto.Sealer) -> bytes:
    try:
        return sealer.open_bytes(sealed, organization_id=asked.organization_id, secret_id=asked.place.hex(), purpose=PURPOSE)
    except crypto.SealKeyUnknown as error:
        raise AnswerLost("The request was done once. Look at what it made instead of sending it again.") from error
