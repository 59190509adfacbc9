"""The queue's rows: what is written is read, by this version and by those to come, and nothing else is taken for one."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

import pytest
from asyncpg.pgproto import pgproto

from carbonledger.infra.queue import wire

JOB, ORGANIZATION = UUID("01890a5d-ac96-774b-bcce-b302099a8057"), UUID("01890a5d-ac96-774b-bcce-b302099a8058")
# Rows as they lie in the queues of running installations. Never change one; add the next version below.
STORED = [
    (
        b'{"v":1,"job_id":"01890a5d-ac96-774b-bcce-b302099a8057","organization_id":"01890a5d-ac96-774b-bcce-b302099a8058",'
        b'"request_id":"r","traceparent":null}',
        wire.Payload(JOB, ORGANIZATION, "r", None),
    ),
]


@pytest.mark.parametrize("raw,payload", STORED)
def test_a_stored_row_is_read(raw: bytes, payload: wire.Payload) -> None:
    assert wire.unpack(raw) == payload


def test_what_is_written_is_the_stored_form() -> None:
    raw, payload = STORED[-1]
    assert wire.pack(payload) == raw


def test_a_field_of_a_later_version_is_passed_over() -> None:
    raw, payload = STORED[0]
    assert wire.unpack(raw[:-1] + b',"later":1}') == payload


@pytest.mark.parametrize(
    "raw",
    [
        None,
        b"",
        b"null",
        b"[]",
        b"7",
        b'"x"',
        b"{}",
        b'{"v":2}',
        b'{"v":1}',
        b'{"v":1,"job_id":1,"organization_id":2}',
        b'{"v":1,"job_id":"x"}',
        b"\xff",
    ],
)
def test_anything_else_is_refused(raw: bytes | None) -> None:
    with pytest.raises(wire.PayloadUnreadable):
        wire.unpack(raw)


def test_ids_of_the_driver_are_written_like_any_other_and_inexact_things_not_at_all() -> None:
    assert wire.to_json({"id": pgproto.UUID(str(JOB))}) == b'{"id":"01890a5d-ac96-774b-bcce-b302099a8057"}'
    with pytest.raises(TypeError):
        wire.to_json({"amount": Decimal("0.1")})
