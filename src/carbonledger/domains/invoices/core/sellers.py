"""What the settings of a seller may hold, and the party that they make; pure."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace
from datetime import timedelta
from typing import Final

from carbonledger.domains.accounts import types as accounts
from carbonledger.domains.invoices.types import sellers as types
from carbonledger.domains.invoices.types.invoices import Party
from carbonledger.domains.invoices.types.sellers import Logo, NumberSeries, SellerSettings
from carbonledger.kernel import country, errors, line
from carbonledger.kernel.errors import Problem

_COLOR: Final = re.compile(r"#[0-9a-f]{6}")
_EMAIL: Final = re.compile(r"[^@\s]{1,64}@(?:[^@\s.]{1,63}\.)+[^@\s.]{2,63}")
_TAX_KIND: Final = re.compile(r"[a-z]{2}_[a-z0-9_]{2,20}")
_CODE: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,19}")
_PREFIX: Final = re.compile(r"[A-Z0-9][A-Z0-9/_.-]{0,19}")
_PNG: Final = b"\x89PNG\r\n\x1a\n"
# What a picture must not hold: typst runs nothing, but the same file is shown in a browser.
_ACTIVE: Final = re.compile(
    rb"<\s*(script|foreignobject|iframe|!entity|!doctype)|\son[a-z]+\s*=|javascript:|(href|src)\s*=\s*[\"']\s*(?!#)", re.IGNORECASE
)
_LINES: Final = {"line1": 200, "line2": 200, "city": 200, "postal_code": 20, "region": 200}
FIRST_SERIES: Final = NumberSeries(code=types.DEFAULT_SERIES, prefix="INV-", padding=5, issued=0)
"""The series of whoever makes none."""


def checked(settings: SellerSettings) -> SellerSettings:
    """Return settings with their texts in their one form. Raises ``errors.Invalid`` with everything that is wrong with them."""
    problems: list[Problem] = []
    kept = replace(
        settings,
        name=_optional(problems, "/name", settings.name, accounts.NAME_MAX_CHARS),
        email=_email(problems, settings.email),
        footer=_optional(problems, "/footer", settings.footer, types.FOOTER_MAX_CHARS),
        address=_address(problems, settings.address),
        tax_ids=_tax_ids(problems, settings.tax_ids),
        color=settings.color.lower(),
    )
    if not _COLOR.fullmatch(kept.color):
        problems.append(Problem("/color", "color_invalid", "Give red, green and blue in hex, such as #1f7a6d."))
    if not 0 <= kept.payment_terms_days <= accounts.PAYMENT_TERMS_MAX_DAYS:
        detail = f"Give whole days from 0 to {accounts.PAYMENT_TERMS_MAX_DAYS}."
        problems.append(Problem("/payment_terms_days", "out_of_range", detail))
    if not timedelta(0) <= kept.grace <= types.GRACE_MAX:
        problems.append(Problem("/grace_hours", "out_of_range", f"Wait at most {types.GRACE_MAX.days} days for late usage."))
    if kept.logo is not None:
        _logo(problems, kept.logo)
    errors.refuse(problems)
    return kept


def _optional(problems: list[Problem], pointer: str, value: str | None, max_chars: int) -> str | None:
    return None if value is None else line.tidy(problems, pointer, value, max_chars=max_chars)


def _email(problems: list[Problem], value: str | None) -> str | None:
    kept = _optional(problems, "/email", value, accounts.EMAIL_MAX_CHARS)
    if kept is not None and not _EMAIL.fullmatch(kept):
        problems.append(Problem("/email", "email_invalid", "Give an address such as billing@example.com."))
    return kept


def _address(problems: list[Problem], address: accounts.Address) -> accounts.Address:
    if address.country is not None:
        try:
            country.by_code(address.country)
        except errors.Invalid as fault:
            problems.append(Problem("/address/country", fault.code, str(fault)))
    kept = {name: _optional(problems, f"/address/{name}", getattr(address, name), most) for name, most in _LINES.items()}
    return replace(address, **kept)


def _tax_ids(problems: list[Problem], tax_ids: tuple[accounts.TaxId, ...]) -> tuple[accounts.TaxId, ...]:
    if len(tax_ids) > accounts.TAX_IDS_MAX:
        problems.append(Problem("/tax_ids", "too_many", f"Give at most {accounts.TAX_IDS_MAX} tax ids."))
        return tax_ids
    kept = []
    for place, one in enumerate(tax_ids):
        if not _TAX_KIND.fullmatch(one.kind):
            problems.append(Problem(f"/tax_ids/{place}/kind", "kind_invalid", "Name the kind by its place and tax, such as eu_vat."))
        value = line.tidy(problems, f"/tax_ids/{place}/value", one.value, max_chars=accounts.TAX_ID_MAX_CHARS)
        kept.append(accounts.TaxId(one.kind, value))
    return tuple(kept)


def _logo(problems: list[Problem], logo: Logo) -> None:
    if not 0 < len(logo.content) <= types.LOGO_MAX_BYTES:
        problems.append(Problem("/logo", "size", f"Give a picture of at most {types.LOGO_MAX_BYTES // 1000} kB."))
    elif logo.media_type == "image/png":
        if not logo.content.startswith(_PNG):
            problems.append(Problem("/logo", "not_a_picture", "This is no PNG."))
    elif logo.media_type == "image/svg+xml":
        if b"<svg" not in logo.content or _ACTIVE.search(logo.content):
            problems.append(Problem("/logo", "not_a_picture", "Give an SVG without scripts and without parts that lie elsewhere."))
    else:
        problems.append(Problem("/logo", "media_type", "Give a PNG or an SVG."))


def checked_series(series: NumberSeries) -> NumberSeries:
    """Return a new series. Raises ``errors.Invalid`` with everything that is wrong with it."""
    problems: list[Problem] = []
    if not _CODE.fullmatch(series.code):
        problems.append(Problem("/code", "code_invalid", "Use up to 20 small letters, digits, - and _."))
    if not _PREFIX.fullmatch(series.prefix):
        problems.append(Problem("/prefix", "prefix_invalid", "Use up to 20 capitals, digits and / - _ . such as INV-2026-."))
    if not 1 <= series.padding <= types.PADDING_MAX:
        problems.append(Problem("/padding", "out_of_range", f"Give from 1 to {types.PADDING_MAX} digits."))
    errors.refuse(problems)
    return series


def seller(settings: SellerSettings, *, organization: str) -> Party:
    """Return the seller as an invoice names it: by the organization's name where it has no other."""
    name = settings.name or unicodedata.normalize("NFC", organization)
    return Party(name=name, address=settings.address, tax_ids=settings.tax_ids, email=settings.email)


def buyer(account: accounts.Account) -> Party:
    """Return the account as an invoice names it."""
    return Party(name=account.name, address=account.address, tax_ids=account.tax_ids, email=account.email, reference=account.external_id)


def unknown_tax_rates(settings: SellerSettings, known: frozenset[str]) -> list[Problem]:
    """Return a problem for each tax rate that the settings name and that is not in use: nothing could be billed."""
    return [
        Problem(f"/tax_rate_codes/{place}", "tax_rate_unknown", f"There is no tax rate {code} in use.")
        for place, code in enumerate(settings.tax_rate_codes)
        if code not in known
    ]
