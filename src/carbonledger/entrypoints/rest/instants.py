"""Times as callers write them: RFC 3339 with an offset, and nothing else.

pydantic also reads ``"0"``, ``"1700000000"`` and ``2026-01-01 00:00Z``; a caller who sends seconds where milliseconds were meant would get
no error but a wrong year. The reading is put before every datetime of an input, whoever declares it.
"""

from __future__ import annotations

import typing
from datetime import datetime
from typing import Any, Final

from pydantic import AwareDatetime, FutureDatetime, PastDatetime

from carbonledger.kernel import instant

_TIMES: Final = (datetime, AwareDatetime, FutureDatetime, PastDatetime)
_NOT_SCHEMAS: Final = frozenset({"cls", "config", "default", "metadata"})


def read(value: object) -> object:
    """Return the instant that a text names; what is no text stays, and is of a wrong type. Raises ``ValueError``."""
    if not isinstance(value, str):
        return value
    try:
        return instant.from_api_instant(value)
    except instant.InstantUnreadable as fault:
        raise ValueError(str(fault)) from None


def strict(schema: Any) -> Any:  # noqa: ANN401 - pydantic's core schemas are nested dicts
    """Return pydantic's schema with ``read`` before each datetime in it; a part that has it already stays."""
    if isinstance(schema, list | tuple):
        return type(schema)(strict(part) for part in schema)
    if not isinstance(schema, dict):
        return schema
    if schema.get("type") == "datetime":
        return {"type": "function-before", "function": {"type": "no-info", "function": read}, "schema": schema}
    if schema.get("type") == "function-before" and schema["function"].get("function") is read:
        return schema
    return {key: part if key in _NOT_SCHEMAS else strict(part) for key, part in schema.items()}


def is_taken(annotation: object) -> bool:
    """Say whether a parameter of this type is a time."""
    return annotation in _TIMES or any(is_taken(part) for part in typing.get_args(annotation))
