"""What stands in a row of the queue, and how plain values become JSON.

Rows may wait through an update of the software, and two versions of it may work side by side: the payload is versioned, fields are added
but never renamed or given another meaning.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson

VERSION = 1


class PayloadUnreadable(ValueError):
    """The row was written by a version that this one does not know, or by nobody of ours."""


@dataclass(frozen=True, slots=True)
class Payload:
    """Which job of which organization, and the request and trace it follows from."""

    job_id: UUID
    organization_id: UUID
    request_id: str | None
    traceparent: str | None


def to_json(value: object) -> bytes:
    """Return ``value`` as JSON. Raises ``TypeError`` for what is not plain: numbers with a point that must be exact are strings."""
    return orjson.dumps(value, default=_plain)


def _plain(value: object) -> str:
    if isinstance(value, uuid.UUID):  # asyncpg's own subclass, which orjson does not take
        return str(value)
    raise TypeError


def pack(payload: Payload) -> bytes:
    """Write the payload."""
    return to_json(
        {
            "v": VERSION,
            "job_id": payload.job_id,
            "organization_id": payload.organization_id,
            "request_id": payload.request_id,
            "traceparent": payload.traceparent,
        }
    )


def unpack(raw: bytes | None) -> Payload:
    """Read the payload. Raises ``PayloadUnreadable``."""
    try:
        fields: dict[str, Any] = orjson.loads(raw or b"")
        if fields["v"] != VERSION:
            raise PayloadUnreadable(f"It has format {fields['v']}.")
        return Payload(
            job_id=UUID(fields["job_id"]),
            organization_id=UUID(fields["organization_id"]),
            request_id=fields["request_id"],
            traceparent=fields["traceparent"],
        )
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise PayloadUnreadable(f"It is not a payload: {type(error).__name__}.") from error
    except ValueError as error:
        raise PayloadUnreadable(str(error)) from error
