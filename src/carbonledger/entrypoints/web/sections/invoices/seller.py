"""How the organization sells: its name, address, tax ids and look on invoices; how long it waits for late usage and what becomes of it."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from carbonledger.domains.accounts.types import Address, Locale, TaxId
from carbonledger.domains.catalog import service as catalog
from carbonledger.domains.invoices.service import sellers as service
from carbonledger.domains.invoices.types import sellers as types
from carbonledger.domains.invoices.types.sellers import LateUsage, Logo, SellerSettings
from carbonledger.domains.invoices.types.totals import TaxRounding
from carbonledger.entrypoints.rest import problems, routing
from carbonledger.entrypoints.shared import exchange
from carbonledger.entrypoints.web import forms, routes, screens, uploads
from carbonledger.entrypoints.web.sections.invoices import pages, shown, wording
from carbonledger.infra import db
from carbonledger.kernel import errors
from carbonledger.kernel import page as kernel_pages

router = routes.Router()
PATH: Final = pages.PATH + "/seller"
RULES: Final = PATH + "/rules"
_ADDRESS: Final = ("line1", "line2", "postal_code", "city", "region", "country")
_TAX_IDS: Final = 2  # in the form; further ones are the API's, and stay
_TAX_RATES: Final = 50
_PNG: Final = b"\x89PNG"
_DONE: Final = {"saved": "Saved. Invoices that are issued keep what they say."}
_WHOLE: Final = "Give a whole number."


@router.page(PATH, pages.READ)
async def seller(call: routing.CallDep) -> exchange.Answer:
    """Show how the organization sells."""
    return await _show(call, forms.Refused())


@router.upload(PATH, pages.WRITE)
async def save(call: routing.CallDep) -> exchange.Answer:
    """Change how the organization appears on its invoices."""
    sent = uploads.sent(call)
    fields = sent.fields

    async def act(uow: db.UnitOfWork) -> str:
        known = await service.settings(uow, organization_id=call.caller.organization_id)
        values: dict[str, object] = {
            "name": fields.given("name"),
            "email": fields.given("email"),
            "address": Address(**{name: fields.given(name) for name in _ADDRESS}),
            "tax_ids": _tax_ids(fields, known),
            "color": fields.text("color"),
            "locale": Locale(fields.text("locale")) if fields.text("locale") in {one.value for one in Locale} else known.locale,
            "footer": fields.given("footer"),
            "logo": _logo(sent, known),
        }
        return await _changed(call, uow, values)

    return await screens.attempt(call, act, functools.partial(_refusal, call, fields))


@router.act(RULES, pages.WRITE)
async def save_rules(call: routing.CallDep) -> exchange.Answer:
    """Change how invoices are made: terms, grace, late usage, tax, numbers."""
    fields = screens.sent(call)

    async def act(uow: db.UnitOfWork) -> str:
        return await _changed(call, uow, _rules(fields))

    return await screens.attempt(call, act, functools.partial(_refusal, call, fields))


async def _changed(call: routing.Call, uow: db.UnitOfWork, values: Mapping[str, object]) -> str:
    await service.change(uow, actor=call.actor, now=call.now, organization_id=call.caller.organization_id, values=values)
    return f"{PATH}?done=saved"


def _tax_ids(fields: forms.Fields, known: SellerSettings) -> tuple[TaxId, ...]:
    given = [TaxId(fields.text(f"tax_kind_{place}").strip(), fields.text(f"tax_value_{place}")) for place in _filled(fields)]
    return (*given, *known.tax_ids[_TAX_IDS:])


def _filled(fields: forms.Fields) -> list[int]:
    """Return which of the tax ids in the form are filled in, by their places there."""
    return [place for place in range(_TAX_IDS) if fields.given(f"tax_value_{place}") is not None]


def _logo(sent: uploads.Sent, known: SellerSettings) -> Logo | None:
    file = sent.file("logo")
    if file is not None:
        return Logo(media_type="image/png" if file.content.startswith(_PNG) else "image/svg+xml", content=file.content)
    return None if sent.fields.given("no_logo") else known.logo


def _rules(fields: forms.Fields) -> dict[str, object]:
    found: list[errors.Problem] = []
    days, hours = (_whole(fields, name, found) for name in ("payment_terms_days", "grace_hours"))
    errors.refuse(found)
    return {
        "payment_terms_days": days,
        "grace": timedelta(hours=hours),
        "late_usage": _one_of(fields, "late_usage", LateUsage),
        "tax_rounding": _one_of(fields, "tax_rounding", TaxRounding),
        "tax_rate_codes": tuple(fields.every("tax_rate_codes")),
        "series": fields.text("series"),
    }


_DIGITS_MAX: Final = 6


def _whole(fields: forms.Fields, name: str, found: list[errors.Problem]) -> int:
    text = fields.text(name).strip()
    if text.isascii() and text.isdigit() and len(text) <= _DIGITS_MAX:
        return int(text)
    found.append(errors.Problem(f"/{name}", "whole_number", _WHOLE))
    return 0


def _one_of(fields: forms.Fields, name: str, words: Any) -> Any:  # noqa: ANN401 - an enumeration
    try:
        return words(fields.text(name))
    except ValueError:
        raise errors.invalid(f"/{name}", "unknown", "Choose one of those that are offered.") from None


async def _refusal(call: routing.Call, fields: forms.Fields, fault: errors.Fault) -> exchange.Answer:
    beside = {_field(problem.pointer, _filled(fields)): problem.detail for problem in reversed(fault.problems)}
    return await _show(call, forms.Refused(fields, forms.words(fault), beside), status=problems.status_of(fault))


def _field(pointer: str, filled: Sequence[int]) -> str:
    """Return the field that a problem stands beside. ``filled``: the places in the form of the tax ids that it names."""
    parts = pointer.strip("/").split("/")
    if parts[0] == "address" and len(parts) > 1:
        return parts[1]
    if parts[0] == "tax_ids" and len(parts) > 2 and int(parts[1]) < len(filled):  # noqa: PLR2004 - the list, a place, a member
        return f"tax_{parts[2]}_{filled[int(parts[1])]}"
    return parts[0]


async def _show(call: routing.Call, refused: forms.Refused, *, status: int = 200) -> exchange.Answer:
    organization_id = call.caller.organization_id
    async with screens.reading(call) as uow:
        known = await service.settings(uow, organization_id=organization_id)
        series = await service.every_series(uow, organization_id=organization_id)
        taxes = await catalog.list_tax_rates(uow, organization_id=organization_id, page=kernel_pages.PageRequest(limit=_TAX_RATES))
        pairs = [known.tax_ids[place] if place < len(known.tax_ids) else None for place in range(_TAX_IDS)]
        return await screens.show(
            call,
            uow,
            "invoices/seller.html",
            section="invoices",
            title="How you sell",
            path=PATH,
            status=status,
            refused=refused,
            done=_DONE.get(screens.query(call).text("done"), ""),
            tab="seller",
            known=known,
            address=shown.address(known.address),
            tax_ids=pairs,
            more_tax_ids=len(known.tax_ids[_TAX_IDS:]),
            grace_hours=known.grace // timedelta(hours=1),
            grace_max=types.GRACE_MAX // timedelta(hours=1),
            languages=[(one.value, words) for one, words in wording.LANGUAGES.items()],
            late=[(one.value, words) for one, words in wording.LATE.items()],
            roundings=[(one.value, words) for one, words in wording.ROUNDINGS.items()],
            series=[(one.code, f"{one.code}: next is {one.number(one.issued + 1)}") for one in series],
            taxes=[
                (one.code, f"{one.name}, {shown.number(one.percent)} %{' inside prices' if one.inclusive else ''}") for one in taxes.data
            ],
        )
