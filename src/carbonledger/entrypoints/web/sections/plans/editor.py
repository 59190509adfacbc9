"""The editor of a plan as a form: what its fields say as the API would be sent it, and a version as fields.

A form without script has no list that grows, so each charge and tier is numbered, a button adds one, and the page comes back with it. What
is wrong with what the API would be sent has a pointer; here it is led back to the field.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import pydantic

from carbonledger.domains.catalog import types
from carbonledger.entrypoints.rest import plan_shapes
from carbonledger.entrypoints.web import forms
from carbonledger.kernel import errors
from carbonledger.kernel.errors import Problem

M = TypeVar("M", bound=pydantic.BaseModel)
CHARGES_MAX: Final = 40
TIERS_MAX: Final = 30
PLAIN: Final = ("code", "name", "description", "currency", "trial_days", "setup_fee", "minimum_commitment", "anchor", "proration")
MODELS: Final = {
    "flat": "Flat amount",
    "standard": "Price of a unit",
    "graduated": "Graduated: each unit at the price of its tier",
    "volume": "Volume: all units at the price of one tier",
    "package": "Packages of units",
    "percentage": "Percentage of an amount",
    "graduated_percentage": "Graduated percentage",
    "cost_plus": "What providers charged, and a margin",
    "carbon": "Kilograms of CO2e",
}
TIERED: Final = frozenset({"graduated", "volume", "graduated_percentage"})
# The members of each model beside its tiers: name, label, help, what a new charge has.
MEMBERS: Final[Mapping[str, tuple[tuple[str, str, str], ...]]] = {
    "flat": (("amount", "Amount", "For each seat, if it is per seat."),),
    "standard": (("unit_price", "Price of a unit", "Up to 12 places."),),
    "graduated": (),
    "volume": (),
    "package": (("package_size", "Units in a package", ""), ("package_price", "Price of a package", "")),
    "percentage": (
        ("rate_percent", "Percent", ""),
        ("fixed_fee_per_event", "Fee for each event", "May be empty."),
        ("per_event_minimum", "Least for each event", "May be empty."),
        ("per_event_maximum", "Most for each event", "May be empty."),
        ("free_base_amount", "Amount without a rate", "May be empty."),
        ("free_event_count", "Events without a fee", "May be empty."),
    ),
    "graduated_percentage": (),
    "cost_plus": (("markup_percent", "Margin in percent", "20 makes 1.2 times what providers charged, in USD."),),
    "carbon": (("price_per_kg", "Price of a kilogram", ""),),
}
TRIED: Final = {
    "flat": "Seats",
    "percentage": "Amount",
    "graduated_percentage": "Amount",
    "cost_plus": "Cost at providers, USD",
    "carbon": "Kilograms of CO2e",
}
KINDS: Final = (
    ("uncached_input", "On uncached input"),
    ("cached_input", "On cached input"),
    ("cache_creation_5m", "On writing to a cache, 5 minutes"),
    ("cache_creation_1h", "On writing to a cache, 1 hour"),
    ("output", "On output"),
)
_SHARED: Final = ("code", "name", "charge_model", "timing", "meter_code", "included", "free_units", "minimum", "maximum", "tax_rate_codes")
_NUMBERS: Final = ("included", "free_units", "minimum", "maximum")
_TIER: Final = ("up_to", "unit_price", "rate_percent", "flat_price")


@dataclass(slots=True)
class Charge:
    """The fields of one charge, and of its tiers."""

    values: dict[str, str] = field(default_factory=dict)
    tiers: list[dict[str, str]] = field(default_factory=list)

    @property
    def model(self) -> str:
        """Its charge model, a flat amount where the form names none that there is."""
        named = self.values.get("charge_model", "")
        return named if named in MODELS else "flat"

    @property
    def is_blank(self) -> bool:
        """Whether nobody wrote anything into it."""
        return not any(self.values.get(name, "").strip() for name in ("code", "name"))


@dataclass(slots=True)
class Form:
    """All fields of the editor."""

    values: dict[str, str]
    charges: list[Charge]

    def fields(self) -> forms.Fields:
        """Return the fields, numbered anew."""
        return forms.Fields(tuple(self._pairs()))

    def _pairs(self) -> Iterator[tuple[str, str]]:
        yield from self.values.items()
        for place, charge in enumerate(self.charges):
            for name, value in charge.values.items():
                yield f"charges.{place}.{name}", value
            for number, tier in enumerate(charge.tiers):
                for name, value in tier.items():
                    yield f"charges.{place}.tiers.{number}.{name}", value


def read(fields: forms.Fields) -> Form:
    """Return the form that was sent."""
    charges: dict[int, Charge] = {}
    tiers: dict[tuple[int, int], dict[str, str]] = {}
    values: dict[str, str] = {}
    for name, value in fields.pairs:
        parts = name.split(".")
        if parts[0] != "charges" or len(parts) < 3 or not _is_place(parts[1], CHARGES_MAX):  # noqa: PLR2004 - charges, a place, a name
            values[name] = value
        elif parts[2] == "tiers" and len(parts) == 5 and _is_place(parts[3], TIERS_MAX):  # noqa: PLR2004 - a place of its own, and a name
            tiers.setdefault((int(parts[1]), int(parts[3])), {})[parts[4]] = value
        else:
            charges.setdefault(int(parts[1]), Charge()).values[parts[2]] = value
    for (place, _), tier in sorted(tiers.items()):
        charges.setdefault(place, Charge()).tiers.append(tier)
    return Form(values, [charges[place] for place in sorted(charges)])


def _is_place(text: str, end: int) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 3 and int(text) < end  # noqa: PLR2004 - no larger place is ours


def acted(form: Form, act: str) -> Form:
    """Return the form after a button: a charge or a tier more, or one less. Tiered models always have a tier."""
    name, _, place = act.partition(".")
    if name == "charge" and len(form.charges) < CHARGES_MAX:
        form.charges.append(Charge({"charge_model": "standard"}))
    elif name in {"tier", "drop"} and _is_place(place, len(form.charges)):
        if name == "drop":
            del form.charges[int(place)]
        elif len(form.charges[int(place)].tiers) < TIERS_MAX:
            form.charges[int(place)].tiers.append({})
    for charge in form.charges:
        if charge.model in TIERED and not charge.tiers:
            charge.tiers += [{}, {}]
    return form


def blank(currency: str) -> Form:
    """Return the form of a plan that nobody has written yet: one flat charge."""
    first = Charge({"charge_model": "flat", "timing": "advance"})
    return Form({"currency": currency, "interval_unit": "month", "interval_count": "1", "trial_days": "0"}, [first])


def of_version(plan: types.Plan, version: types.PlanVersion) -> Form:
    """Return the form of a plan that has this version."""
    shown = plan_shapes.to_api_version(version).model_dump(mode="json")
    values = {name: _text(shown.get(name)) for name in PLAIN}
    values |= {"code": plan.code, "name": plan.name, "description": plan.description or "", "migration": "stay"}
    values |= {"interval_unit": shown["interval"]["unit"], "interval_count": str(shown["interval"]["count"])}
    return Form(values, [_charge_of(charge) for charge in shown["charges"]])


def _charge_of(shown: Mapping[str, Any]) -> Charge:
    names = {*_SHARED, *(name for members in MEMBERS.values() for name, _, _ in members), "bound"}
    values = {name: _text(shown.get(name)) for name in names - {"tax_rate_codes"}}
    values["tax_rate_codes"] = ", ".join(shown["tax_rate_codes"])
    values |= {f"discount_{name}": _text(value) for name, value in (shown["discount"] or {}).items()}
    values |= {f"kind_{kind}": percent for kind, percent in (shown.get("by_token_kind") or {}).items()}
    values |= {"not_at_zero": "yes"} if shown.get("flat_at_zero") is False else {}
    values |= {"per_seat": "yes"} if shown["per_seat"] else {}
    values |= {} if shown["prorated"] else {"whole": "yes"}
    for name in ("included", "free_units"):
        values[name] = "" if values[name] == "0" else values[name]
    return Charge(values, [{name: _text(tier.get(name)) for name in _TIER} for tier in shown["tiers"] or ()])


def _text(value: object) -> str:
    return "" if value is None else str(value)


def sent(form: Form, shape: type[M], **more: Any) -> M:
    """Return the form as the API would be sent it. Raises ``errors.Invalid`` for words that the form's lists don't have."""
    values = form.values
    body: dict[str, Any] = {name: value.strip() for name in PLAIN if (value := values.get(name, "")).strip() and name != "trial_days"}
    body["interval"] = {"unit": values.get("interval_unit", "month"), "count": _number(values, "interval_count", 1, "/interval/count")}
    body["trial_days"] = _number(values, "trial_days", 0, "/trial_days")
    body["charges"] = [_charge_sent(charge) for charge in form.charges if not charge.is_blank]
    for name in ("setup_fee", "minimum_commitment", "description"):
        body.setdefault(name, None)
    named = {name: value for name, value in {**body, **more}.items() if name in shape.model_fields}
    try:
        return shape.model_validate_json(json.dumps(named))
    except pydantic.ValidationError as error:
        problems = tuple(Problem("/" + "/".join(map(str, one["loc"])), one["type"], one["msg"]) for one in error.errors())
        raise errors.Invalid("Choose from the lists, and write no more than fits.", problems=problems) from error


def _number(values: Mapping[str, str], name: str, default: int, pointer: str) -> int:
    text = values.get(name, "").strip()
    if not text:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) <= 15):  # noqa: PLR2004 - a number that JSON keeps; bounds are the domain's
        raise errors.invalid(pointer, "number_unreadable", "Give a whole number.")
    return int(text)


def _charge_sent(charge: Charge) -> dict[str, Any]:
    values, model = charge.values, charge.model
    body: dict[str, Any] = {"charge_model": model, "code": forms.code(values), "name": values.get("name", "")}
    names = (*_NUMBERS, *(name for name, _, _ in MEMBERS[model]), *(("bound",) if model == "carbon" else ()))
    body |= {name: value for name in names if (value := values.get(name, "").strip())}
    if "free_event_count" in body:
        body["free_event_count"] = _number(values, "free_event_count", 0, "/charges/free_event_count")
    if model == "cost_plus":
        body["by_token_kind"] = {kind: percent for kind, _ in KINDS if (percent := values.get(f"kind_{kind}", "").strip())}
    if model == "flat":
        body["timing"] = values.get("timing") or "advance"
    elif values.get("meter_code"):
        body["meter_code"] = values["meter_code"]
    if model in TIERED:
        rows = [{name: value for name in _TIER if (value := tier.get(name, "").strip())} for tier in charge.tiers]
        body["tiers"] = [row for row in rows if row]
        body["flat_at_zero"] = values.get("not_at_zero") != "yes"
    body["per_seat"], body["prorated"] = values.get("per_seat") == "yes", values.get("whole") != "yes"
    body["tax_rate_codes"] = [code.strip() for code in values.get("tax_rate_codes", "").split(",") if code.strip()]
    off = {name: value for name in ("percent", "amount", "name") if (value := values.get(f"discount_{name}", "").strip())}
    if off.keys() - {"name"}:
        body["discount"] = off
    return body


def beside(form: Form, problems: Sequence[Problem]) -> dict[str, str]:
    """Return what is wrong by the fields that it stands beside."""
    places = [place for place, charge in enumerate(form.charges) if not charge.is_blank]
    tiers = {place: [n for n, tier in enumerate(form.charges[place].tiers) if any(map(str.strip, tier.values()))] for place in places}
    return {_field(problem.pointer, places, tiers): problem.detail for problem in reversed(problems)}


def _field(pointer: str, places: Sequence[int], tiers: Mapping[int, Sequence[int]]) -> str:
    parts = pointer.strip("/").split("/")
    if parts[0] == "interval":
        return "interval_count"
    if parts[0] != "charges" or len(parts) < 3 or int(parts[1]) >= len(places):  # noqa: PLR2004 - charges, a place, a name
        return {"effective_at": "effective_on"}.get(parts[0], parts[0])
    place = places[int(parts[1])]
    if parts[2] == "tiers" and len(parts) > 4 and int(parts[3]) < len(tiers[place]):  # noqa: PLR2004 - a place of its own, and a name
        return f"charges.{place}.tiers.{tiers[place][int(parts[3])]}.{parts[4]}"
    if parts[2] == "discount":
        return f"charges.{place}.discount_{parts[3] if len(parts) > 3 else 'percent'}"  # noqa: PLR2004 - a member of the discount
    if parts[2] == "by_token_kind" and len(parts) > 3:  # noqa: PLR2004 - one of its kinds
        return f"charges.{place}.kind_{parts[3]}"
    return f"charges.{place}.{parts[2]}"
