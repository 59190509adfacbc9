"""What an outside system answered: a whole body within its limit, and strict ways to read it."""

from __future__ import annotations

import decimal
import json
from dataclasses import dataclass
from typing import Any, Never

import httpx2

from carbonledger.infra import retry
from carbonledger.infra.http import faults

_EXPONENT_MAX = 400  # beyond a double's range nobody means a quantity; arithmetic on 1E+999999999 would not end


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer. ``retry_after_s`` is what its Retry-After asks for (bounded). The repr shows neither headers nor body."""

    where: str
    status: int
    headers: httpx2.Headers
    body: bytes
    retry_after_s: float | None = None

    def __repr__(self) -> str:
        return f"Answer({self.where}, {self.status}, {len(self.body)} bytes)"

    @property
    def is_success(self) -> bool:
        return retry.classify(self.status) is retry.Outcome.SUCCESS

    def checked(self) -> Answer:
        """Return itself when its status is 2xx. Raises ``AnswerRefused``, which carries the status and its verdict."""
        if not self.is_success:
            raise faults.AnswerRefused(f"{self.where}: answered {self.status}.", status=self.status, retry_after_s=self.retry_after_s)
        return self

    def json(self) -> Any:  # noqa: ANN401 - a parse boundary
        """Return the body read as JSON (RFC 8259): UTF-8, no NaN, fractions as exact ``Decimal``. Raises ``AnswerNotJson``."""
        kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind in {"text/html", "application/xhtml+xml"}:
            raise faults.AnswerNotJson(f"{self.where}: answered {self.status} with a page ({len(self.body)} bytes) instead of JSON.")
        try:
            return json.loads(self.body.decode("utf-8-sig"), parse_float=_decimal, parse_constant=_no_constant)
        except (ValueError, RecursionError, decimal.DecimalException):
            # Without the cause: it holds the body.
            raise faults.AnswerNotJson(f"{self.where}: answered {self.status} with {len(self.body)} bytes that are no JSON.") from None


def _decimal(text: str) -> decimal.Decimal:
    number = decimal.Decimal(text)
    if abs(number.adjusted()) > _EXPONENT_MAX:
        raise ValueError("exponent out of range")
    return number


def _no_constant(name: str) -> Never:
    raise ValueError(f"{name} is no JSON")
