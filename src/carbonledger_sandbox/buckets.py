"""Time buckets, pages and groups, which OpenAI's and Anthropic's usage APIs have in common.

Owns: which buckets a request asks for, how many of them are on a page, the limits by width, and sums by bucket and dimension. A
dimension that was not asked for is null.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from carbonledger_sandbox import calls
from carbonledger_sandbox.refusals import Refused

WIDTHS = {"1m": 60, "1h": calls.HOUR_S, "1d": calls.DAY_S}
LIMITS = {"1m": (60, 1440), "1h": (24, 168), "1d": (7, 31)}  # default and most; the same at both providers

Dimension = Callable[[calls.Call], str | bool | None]
Group = tuple[str | bool | None, ...]


_Sum = TypeVar("_Sum")


@dataclass(frozen=True, slots=True)
class Query:
    """The parameters of a request by name; ``name[]`` and ``name`` are the same, as the providers' own libraries send both."""

    values: Mapping[str, Sequence[str]]

    @classmethod
    def parse(cls, items: Iterable[tuple[str, str]]) -> Query:
        """Collect repeated parameters."""
        values: dict[str, list[str]] = {}
        for name, value in items:
            values.setdefault(name.removesuffix("[]"), []).append(value)
        return cls(values)

    def one(self, name: str) -> str | None:
        """Return a parameter that may occur once."""
        given = self.values.get(name, ())
        if len(given) > 1:
            raise Refused(400, f"{name}: given more than once", code="invalid_value", param=name)
        return given[0] if given else None

    def many(self, name: str, allowed: Iterable[str] | None = None) -> tuple[str, ...]:
        """Return a list parameter, each value among ``allowed``."""
        given = tuple(self.values.get(name, ()))
        wrong = [] if allowed is None else [value for value in given if value not in set(allowed)]
        if wrong:
            raise Refused(400, f"{name}: {wrong[0]!r} is not supported", code="invalid_value", param=name)
        return given

    def width(self, allowed: Sequence[str] = ("1d", "1h", "1m")) -> str:
        """Return the bucket width, by default a day."""
        given = self.many("bucket_width", allowed)
        return given[0] if given else "1d"

    def limit(self, default: int, most: int) -> int:
        """Return how many buckets a page may hold."""
        given = self.one("limit")
        if given is None:
            return default
        if not given.isascii() or not given.isdigit() or not 1 <= int(given) <= most:
            raise Refused(400, f"limit: must be an integer from 1 to {most}", code="invalid_value", param="limit")
        return int(given)


@dataclass(frozen=True, slots=True)
class Page:
    """The buckets of one page, by their starts (Unix), and where the next page begins."""

    starts: tuple[int, ...]
    width_s: int
    next_s: int | None

    @property
    def end_s(self) -> int:
        """The end of the last bucket, outside."""
        return self.starts[-1] + self.width_s if self.starts else 0

    @property
    def start_s(self) -> int:
        """The start of the first bucket."""
        return self.starts[0] if self.starts else 0


def page(start_s: int, end_s: int, *, width_s: int, limit: int, cursor_s: int | None) -> Page:
    """Return the page of buckets that start in ``[start_s snapped down, end_s)``, from the cursor on."""
    first = start_s - start_s % width_s
    if cursor_s is not None:
        if cursor_s < first or cursor_s % width_s:
            raise Refused(400, "page: not a cursor of this query", code="invalid_value", param="page")
        first = cursor_s
    starts = tuple(range(first, end_s, width_s)[:limit])
    next_s = first + len(starts) * width_s
    return Page(starts, width_s, next_s if next_s < end_s else None)


def cursor(text: str) -> str:
    """Return an opaque cursor."""
    return f"page_{base64.urlsafe_b64encode(text.encode()).decode()}"


def from_cursor(given: str | None) -> str | None:
    """Return what a cursor holds."""
    if given is None:
        return None
    try:
        return base64.b64decode(given.removeprefix("page_"), altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise Refused(400, "page: not a cursor", code="invalid_value", param="page") from error


def sums(
    given: Iterable[calls.Call],
    *,
    bucket: Callable[[calls.Call], int],
    dimensions: Sequence[Dimension],
    zero: _Sum,
    add: Callable[[_Sum, calls.Call], _Sum],
) -> dict[int, dict[Group, _Sum]]:
    """Return sums by bucket and group, the groups of a bucket in the order of their names."""
    found: dict[int, dict[Group, _Sum]] = {}
    for call in given:
        groups = found.setdefault(bucket(call), {})
        group = tuple(dimension(call) for dimension in dimensions)
        groups[group] = add(groups.get(group, zero), call)
    return {start: dict(sorted(groups.items(), key=lambda item: [str(part) for part in item[0]])) for start, groups in found.items()}
