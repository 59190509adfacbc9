"""Decisions about accounts: what one may hold, what a change changes, what its event may say, what an erasure leaves. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import datetime
from typing import Any, Final

from carbonledger.domains.accounts import types
from carbonledger.domains.accounts.types import Account, Address, TaxId
from carbonledger.kernel import country, currency, errors, line, zone
from carbonledger.kernel.errors import Problem

# One @ between a local part and a domain of two or more labels. Whether mail arrives there, only sending tells.
_EMAIL: Final = re.compile(r"[^@\s]{1,64}@(?:[^@\s.]{1,63}\.)+[^@\s.]{2,63}")
_TAX_KIND: Final = re.compile(r"[a-z]{2}_[a-z0-9_]{2,20}")
KEPT: Final = frozenset({"id", "created_at", "updated_at", "deleted_at", "erased_at"})
"""What no change sets."""


def checked(account: Account) -> Account:
    """Return the account with its texts in their one form. Raises ``errors.Invalid`` with everything that is wrong with it."""
    problems: list[Problem] = []
    kept = replace(
        account,
        name=line.tidy(problems, "/name", account.name, max_chars=types.NAME_MAX_CHARS),
        external_id=_optional(problems, "/external_id", account.external_id, types.EXTERNAL_ID_MAX_CHARS),
        email=_email(problems, account.email),
        address=_address(problems, account.address),
        tax_ids=_tax_ids(problems, account.tax_ids),
        metadata=_metadata(problems, account.metadata),
    )
    for pointer, look_up, value in (
        ("/currency", currency.by_code, account.currency),
        ("/time_zone", zone.named, account.time_zone),
    ):
        _found(problems, pointer, look_up, value)
    if not 0 <= account.payment_terms_days <= types.PAYMENT_TERMS_MAX_DAYS:
        problems.append(Problem("/payment_terms_days", "out_of_range", f"Give whole days from 0 to {types.PAYMENT_TERMS_MAX_DAYS}."))
    errors.refuse(problems)
    return kept


def _found(problems: list[Problem], pointer: str, look_up: Any, value: str) -> None:  # noqa: ANN401 - a look-up of the kernel
    try:
        look_up(value)
    except errors.Invalid as fault:
        problems.append(Problem(pointer, fault.code, str(fault)))


def _optional(problems: list[Problem], pointer: str, value: str | None, max_chars: int) -> str | None:
    return None if value is None else line.tidy(problems, pointer, value, max_chars=max_chars)


def _email(problems: list[Problem], value: str | None) -> str | None:
    kept = _optional(problems, "/email", value, types.EMAIL_MAX_CHARS)
    if kept is not None and len(kept) <= types.EMAIL_MAX_CHARS and not _EMAIL.fullmatch(kept):
        problems.append(Problem("/email", "email_invalid", "Give an address such as billing@example.com."))
    return kept


def _address(problems: list[Problem], address: Address) -> Address:
    if address.country is not None:
        _found(problems, "/address/country", country.by_code, address.country)
    lines = {
        name: _optional(problems, f"/address/{name}", getattr(address, name), types.LINE_MAX_CHARS)
        for name in ("line1", "line2", "city", "region")
    }
    code = _optional(problems, "/address/postal_code", address.postal_code, types.POSTAL_CODE_MAX_CHARS)
    return replace(address, postal_code=code, **lines)


def _tax_ids(problems: list[Problem], tax_ids: tuple[TaxId, ...]) -> tuple[TaxId, ...]:
    if len(tax_ids) > types.TAX_IDS_MAX:
        problems.append(Problem("/tax_ids", "too_many", f"Give at most {types.TAX_IDS_MAX} tax ids."))
        return tax_ids
    kept = []
    for place, one in enumerate(tax_ids):
        if not _TAX_KIND.fullmatch(one.kind):
            problems.append(Problem(f"/tax_ids/{place}/kind", "kind_invalid", "Name the kind by its place and tax, such as eu_vat."))
        value = line.tidy(problems, f"/tax_ids/{place}/value", one.value, max_chars=types.TAX_ID_MAX_CHARS)
        kept.append(TaxId(one.kind, value))
        if kept[-1] in kept[:-1]:
            problems.append(Problem(f"/tax_ids/{place}", "duplicate", "This tax id is in the list already."))
    return tuple(kept)


def _metadata(problems: list[Problem], metadata: Mapping[str, str]) -> dict[str, str]:
    if len(metadata) > types.METADATA_MAX:
        problems.append(Problem("/metadata", "too_many", f"Give at most {types.METADATA_MAX} keys."))
        return dict(metadata)
    kept: dict[str, str] = {}
    for key, value in metadata.items():
        pointer = "/metadata/" + key.replace("~", "~0").replace("/", "~1")
        name = line.tidy(problems, pointer, key, max_chars=types.METADATA_KEY_MAX_CHARS)
        if name in kept:
            problems.append(Problem(pointer, "duplicate", "Two keys are the same once written in their one form."))
        # An empty value is a value.
        kept[name] = line.tidy(problems, pointer, value, max_chars=types.METADATA_VALUE_MAX_CHARS) if value.strip() else ""
    return kept


def changed(old: Account, values: Mapping[str, object]) -> Account:
    """Return the account with other values of some fields, checked. Raises ``AccountDeleted``, ``errors.Invalid``."""
    refuse_deleted(old)
    return checked(replace(old, **values))  # type: ignore[arg-type]  # names and types are the edge's, checked here


def differences(old: Account, new: Account) -> tuple[str, ...]:
    """Return the names of the fields in which the two differ, in the order in which an account has them."""
    names = (field.name for field in fields(Account) if field.name not in KEPT)
    return tuple(name for name in names if getattr(old, name) != getattr(new, name))


def told(account: Account, names: tuple[str, ...]) -> dict[str, object]:
    """Return what an event may say of these fields: their values, but of what may be about a person only that it is there."""
    said: dict[str, object] = {}
    for name in names:
        value = getattr(account, name)
        if name in types.PERSONAL:
            said.setdefault("personal", []).append(name)  # type: ignore[attr-defined]  # a list of names
        else:
            said[name] = getattr(value, "value", value)
    return said


def refuse_deleted(account: Account) -> None:
    """Raise ``AccountDeleted`` for an account that takes nothing new."""
    if account.deleted_at is not None:
        raise types.AccountDeleted("It was deleted. Make another, which may have its external id.")


def refuse_in_use(uses: Mapping[str, int]) -> None:
    """Raise ``AccountInUse`` where something live, such as a subscription, still belongs to the account."""
    live = {kind: count for kind, count in sorted(uses.items()) if count}
    if live:
        listed = ", ".join(f"{count} {kind}" for kind, count in live.items())
        raise types.AccountInUse(f"It still has {listed}. End them first.", extra={"uses": live})


def refuse_renamed(old: Account, new: Account, uses: Mapping[str, int]) -> None:
    """Raise ``AccountInUse`` where another external id would leave usage behind: events carry the old one, and are billed by it."""
    if old.external_id is None or old.external_id == new.external_id or not any(uses.values()):
        return
    raise types.AccountInUse(
        "Its usage is sent under this external id, and would not be billed. End what is live first.", extra={"uses": dict(uses)}
    )


def erased(account: Account, *, now: datetime) -> Account:
    """Return a deleted account without what may be about a person. Raises ``AccountNotDeleted``: who is billed must be addressed."""
    if account.deleted_at is None:
        raise types.AccountNotDeleted("Delete it first: whoever is still billed has to have a name and an address.")
    return replace(
        account, name=types.ERASED_NAME, email=None, address=types.NOWHERE, tax_ids=(), metadata={}, updated_at=now, erased_at=now
    )
