"""A plan version as a JSON document and back: what the database keeps, what a subscription and an invoice copy, and what a digest is over.

The form is versioned (``SCHEMA``). Documents are kept for ever, so a name here is never changed or given another meaning: add members with
a default, or write a new schema beside the old one and go on reading both. Numbers are decimal strings, instants RFC 3339, and every member
is always there, so that the same version is the same document. Canonical: keys sorted, no blanks, UTF-8 (for these types the same as RFC
8785).

It does not own the wire's shape (the REST edge), nor whether a plan is sensible (``core``): what it reads was checked before it was kept.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple, TypeVar
from uuid import UUID

from carbonledger.domains.catalog.types import charges as models
from carbonledger.domains.catalog.types import faults, plans
from carbonledger.domains.catalog.types.charges import Model
from carbonledger.domains.catalog.types.plans import Charge, Discount, PlanVersion
from carbonledger.kernel import currency, decimals, errors, instant
from carbonledger.kernel.period import CalendarUnit, Interval

SCHEMA: Final = 1
T = TypeVar("T")


class _Codec(NamedTuple):
    """How a value is written and read."""

    write: Callable[[Any], object]
    read: Callable[[Any], Any]


def _optional(codec: _Codec) -> _Codec:
    return _Codec(lambda value: None if value is None else codec.write(value), lambda value: None if value is None else codec.read(value))


def _many(codec: _Codec) -> _Codec:
    return _Codec(lambda values: [codec.write(value) for value in values], lambda values: tuple(codec.read(value) for value in values))


def _words(enumeration: Callable[[str], Any]) -> _Codec:
    return _Codec(lambda value: value.value, enumeration)


def _members(kind: Callable[..., Any], codecs: Mapping[str, _Codec]) -> _Codec:
    """Return the codec of a dataclass: an object of exactly these members."""

    def read(document: Any) -> Any:  # noqa: ANN401 - a parsed document
        if document.keys() != codecs.keys():
            raise ValueError(f"expected the members {sorted(codecs)}")
        return kind(**{name: codec.read(document[name]) for name, codec in codecs.items()})

    return _Codec(lambda value: {name: codec.write(getattr(value, name)) for name, codec in codecs.items()}, read)


def _plain(kind: type[T]) -> _Codec:
    def read(value: object) -> T:
        if type(value) is not kind:
            raise ValueError(f"expected {kind.__name__}")
        return value

    return _Codec(read, read)


_TEXT: Final = _plain(str)
_NUMBER: Final = _plain(int)
_FLAG: Final = _plain(bool)
_DECIMAL: Final = _Codec(decimals.to_api_decimal, decimals.from_api_decimal)
_INSTANT: Final = _Codec(instant.to_api_instant, instant.from_api_instant)
_ID: Final = _Codec(str, UUID)
_CURRENCY: Final = _Codec(str, currency.by_code)
_TIERS: Final = _many(_members(models.Tier, {"up_to": _optional(_DECIMAL), "unit_price": _DECIMAL, "flat_price": _DECIMAL}))
_PERCENT_TIERS: Final = _many(
    _members(models.PercentTier, {"up_to": _optional(_DECIMAL), "rate_percent": _DECIMAL, "flat_price": _DECIMAL})
)
_KINDS: Final = _Codec(
    lambda prices: {kind.value: _DECIMAL.write(price) for kind, price in sorted(prices.items(), key=lambda pair: pair[0].value)},
    lambda document: {models.TokenKind(kind): _DECIMAL.read(price) for kind, price in document.items()},
)
_MODELS: Final = {
    kind.name: (kind, _members(kind, codecs))
    for kind, codecs in (
        (models.Standard, {"unit_price": _DECIMAL}),
        (models.Graduated, {"tiers": _TIERS, "flat_at_zero": _FLAG}),
        (models.Volume, {"tiers": _TIERS, "flat_at_zero": _FLAG}),
        (models.Package, {"package_size": _DECIMAL, "package_price": _DECIMAL, "free_units": _DECIMAL}),
        (
            models.Percentage,
            {
                "rate_percent": _DECIMAL,
                "fixed_fee_per_event": _DECIMAL,
                "per_event_minimum": _optional(_DECIMAL),
                "per_event_maximum": _optional(_DECIMAL),
                "free_base_amount": _optional(_DECIMAL),
                "free_event_count": _NUMBER,
            },
        ),
        (models.GraduatedPercentage, {"tiers": _PERCENT_TIERS, "flat_at_zero": _FLAG}),
        (models.CostPlus, {"markup_percent": _DECIMAL, "by_token_kind": _KINDS}),
        (models.Carbon, {"price_per_kg": _DECIMAL, "bound": _words(models.Bound)}),
        (models.Flat, {"amount": _DECIMAL}),
    )
}


def _write_model(model: Model) -> dict[str, object]:
    _, codec = _MODELS[model.name]
    return {"name": model.name, **codec.write(model)}  # type: ignore[dict-item]  # an object of members


def _read_model(document: Mapping[str, Any]) -> Model:
    rest = dict(document)
    _, codec = _MODELS[rest.pop("name")]
    return codec.read(rest)  # type: ignore[no-any-return]  # what the codec makes


_MODEL: Final = _Codec(_write_model, _read_model)


def _write_discount(discount: Discount) -> dict[str, object]:
    value = discount.percent if isinstance(discount, plans.PercentDiscount) else discount.amount
    return {
        "kind": "percent" if isinstance(discount, plans.PercentDiscount) else "amount",
        "value": _DECIMAL.write(value),
        "name": discount.name,
    }


def _read_discount(document: Mapping[str, Any]) -> Discount:
    kinds: dict[str, Callable[[Decimal, str | None], Discount]] = {"percent": plans.PercentDiscount, "amount": plans.AmountDiscount}
    return kinds[document["kind"]](_DECIMAL.read(document["value"]), _optional(_TEXT).read(document["name"]))


_DISCOUNT: Final = _Codec(_write_discount, _read_discount)
_CHARGE: Final = _members(
    Charge,
    {
        "code": _TEXT,
        "name": _TEXT,
        "timing": _words(models.Timing),
        "model": _MODEL,
        "meter_code": _optional(_TEXT),
        "per_seat": _FLAG,
        "prorated": _FLAG,
        "included": _DECIMAL,
        "free_units": _DECIMAL,
        "minimum": _optional(_DECIMAL),
        "maximum": _optional(_DECIMAL),
        "tax_rate_codes": _many(_TEXT),
        "discount": _optional(_DISCOUNT),
    },
)
_INTERVAL: Final = _members(Interval, {"unit": _words(CalendarUnit), "count": _NUMBER})
_VERSION: Final = _members(
    PlanVersion,
    {
        "id": _ID,
        "plan_id": _ID,
        "number": _NUMBER,
        "effective_at": _INSTANT,
        "currency": _CURRENCY,
        "interval": _INTERVAL,
        "anchor": _words(plans.AnchorKind),
        "charges": _many(_CHARGE),
        "setup_fee": _optional(_DECIMAL),
        "trial_days": _NUMBER,
        "minimum_commitment": _optional(_DECIMAL),
        "discounts": _many(_DISCOUNT),
        "upgrade": _words(plans.ChangePolicy),
        "downgrade": _words(plans.ChangePolicy),
        "proration": _words(plans.Proration),
        "migration": _words(plans.Migration),
        "created_at": _INSTANT,
    },
)


def to_document(version: PlanVersion) -> dict[str, object]:
    """Return the version as a JSON object."""
    return {"schema": SCHEMA, **_VERSION.write(version)}  # type: ignore[dict-item]  # an object of members


def from_document(document: Mapping[str, object]) -> PlanVersion:
    """Return the version that a document of ours holds. Raises ``DocumentUnreadable``."""
    rest = dict(document)
    return _read(_VERSION, rest.pop("schema", None), rest)  # type: ignore[no-any-return]  # what the codec makes


def charge_to_document(charge: Charge) -> dict[str, object]:
    """Return one charge as a JSON object: what keeps an account's own charges (``plans.overridden``)."""
    return {"schema": SCHEMA, **_CHARGE.write(charge)}  # type: ignore[dict-item]  # an object of members


def charge_from_document(document: Mapping[str, object]) -> Charge:
    """Return the charge that a document of ours holds. Raises ``DocumentUnreadable``."""
    rest = dict(document)
    return _read(_CHARGE, rest.pop("schema", None), rest)  # type: ignore[no-any-return]  # what the codec makes


def model_to_document(model: Model) -> dict[str, object]:
    """Return a charge model as a JSON object, its name beside its members: what an invoice line keeps of its price."""
    return _write_model(model)


def model_from_document(document: Mapping[str, object]) -> Model:
    """Return the charge model that a document of ours holds. Raises ``DocumentUnreadable``."""
    return _read(_MODEL, SCHEMA, dict(document))  # type: ignore[no-any-return]  # what the codec makes


def _read(codec: _Codec, schema: object, document: dict[str, object]) -> Any:  # noqa: ANN401 - what the codec makes
    if schema != SCHEMA:
        raise faults.DocumentUnreadable(f"It has the schema {schema!r}; this program reads {SCHEMA}.")
    try:
        return codec.read(document)
    except (KeyError, ValueError, TypeError, AttributeError, errors.Invalid) as error:
        raise faults.DocumentUnreadable("It is not what was kept.") from error


def canonical(document: Mapping[str, object]) -> bytes:
    """Return the one spelling of a document of ours in bytes."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def digest(version: PlanVersion) -> bytes:
    """Return the SHA-256 over the version's canonical document, 32 bytes: what names exactly these prices."""
    return hashlib.sha256(canonical(to_document(version))).digest()
