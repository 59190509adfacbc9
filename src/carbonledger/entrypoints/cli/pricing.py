"""Compares the shipped price book with another one."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from carbonledger.domains.pricing import service
from carbonledger.domains.pricing import types as price_types
from carbonledger.entrypoints.cli import console
from carbonledger.infra import clock
from carbonledger.kernel import decimals, errors, instant

BYTES_MAX = 64 * 2**20  # thirty times the largest public book


class BookFileMissing(errors.NotFound):
    """The book to compare with can't be opened."""

    code = "other_book_missing"


class BookFileTooLarge(errors.Fault):
    """The book to compare with is too large."""

    kind = errors.Kind.TOO_LARGE
    code = "other_book_too_large"


def diff(file: Path, *, at: str | None, json: bool) -> None:
    """Print where the books disagree at an instant, now by default. Raises ``OtherBookUnreadable``, ``BookFileMissing``."""
    moment = clock.now() if at is None else instant.from_api_instant(at)
    found = service.compare(_read(file), at=moment)
    if json:
        console.json(_document(found, at=instant.to_api_instant(moment)))
        return
    if found.rows:
        head = ("provider", "model", "service", "above", "kind", "ours", "theirs", "our entries")
        console.table(head, [_row(row) for row in found.rows])
    console.say(
        f"Different prices: {len(found.rows)}; equal: {found.agreed}; models that are not in ours: {len(found.only_theirs)}. "
        f"Price book {service.book().version}, USD per million tokens at {instant.to_api_instant(moment)}."
    )


def _read(file: Path) -> bytes:
    try:
        if file.stat().st_size > BYTES_MAX:
            raise BookFileTooLarge(f"{file} has more than {BYTES_MAX} bytes.")
        return file.read_bytes()
    except OSError as error:
        raise BookFileMissing(f"{file}: {error.strerror}.") from error


def _row(row: price_types.Disagreement) -> tuple[str, ...]:
    above = str(row.above_tokens) if row.above_tokens else ""
    ours, theirs = (_price(price) or "none" for price in (row.ours, row.theirs))
    return row.provider, row.model, row.service, above, row.kind.value, ours, theirs, ", ".join(row.rules)


def _document(found: price_types.Comparison, *, at: str) -> dict[str, object]:
    return {
        "price_version": service.book().version,
        "at": at,
        "currency": price_types.USD.code,
        "agreed": found.agreed,
        "differences": [
            {
                "provider": row.provider,
                "model": row.model,
                "service": row.service,
                "above_input_tokens": row.above_tokens,
                "kind": row.kind.value,
                "ours_per_million_tokens": _price(row.ours),
                "theirs_per_million_tokens": _price(row.theirs),
                "rules": row.rules,
                "key": row.key,
            }
            for row in found.rows
        ],
        "only_theirs": found.only_theirs,
    }


def _price(price: Decimal | None) -> str | None:
    return None if price is None else decimals.to_api_decimal(price)
