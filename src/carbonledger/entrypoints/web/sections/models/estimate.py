"""What usage would cost and emit: asked by an address, so that an estimate can be shared, and computed as the ledger computes it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from carbonledger.domains.emissions import service as emissions
from carbonledger.domains.emissions import types as emission_types
from carbonledger.domains.pricing import service as pricing
from carbonledger.domains.pricing import types as price_types
from carbonledger.entrypoints.rest import routing
from carbonledger.entrypoints.shared import access, exchange
from carbonledger.entrypoints.web import calculation, forms, routes, screens
from carbonledger.kernel import errors, usage

router = routes.Router()
_COUNTS: Final = ("uncached_input", "cached_input", "cache_creation_5m", "cache_creation_1h", "output")
_DEFAULTS: Final = {"uncached_input": "1000", "output": "500", "requests": "1"}


@dataclass(frozen=True, slots=True)
class Made:
    """An estimate with its steps."""

    cost: Decimal | None
    found: emission_types.Emissions
    cost_steps: tuple[price_types.Step, ...]
    emission_steps: tuple[calculation.Step, ...]
    envelope: emission_types.Envelope | None


@router.page("/models/estimate", access.scope("prices:read"))
async def estimator(call: routing.CallDep) -> exchange.Answer:
    """Estimate what usage would cost and emit."""
    fields = screens.query(call)
    refused, made = forms.Refused(fields), None
    if fields.given("model") is not None and fields.given("provider") is not None:
        try:
            made = _made(_usage(call, fields))
        except errors.Invalid as fault:
            refused = forms.refused(fault, fields)
    async with screens.reading(call) as uow:
        return await screens.show(
            call,
            uow,
            "models/estimate.html",
            section="models",
            title="What if",
            status=422 if refused.said else 200,
            refused=refused,
            made=made,
            counts=_COUNTS,
            defaults=_DEFAULTS,
            providers=pricing.book().providers,
        )


def _usage(call: routing.Call, fields: forms.Fields) -> usage.Usage:
    problems: list[errors.Problem] = []
    counts = {name: _count(fields, name, problems) for name in _COUNTS}
    requests = _count(fields, "requests", problems, default="1")
    errors.refuse(problems)
    return usage.Usage(
        provider=fields.text("provider").strip().lower(),
        model=fields.text("model").strip(),
        occurred_at=call.now,
        tokens=usage.TokenBuckets(**counts, reasoning=0),
        requests=requests,
        batch=fields.text("batch") == "yes",
        region=fields.given("region"),
    )


def _count(fields: forms.Fields, name: str, problems: list[errors.Problem], *, default: str = "0") -> int:
    given = (fields.given(name) or default).replace(",", "").replace(" ", "")
    if given.isascii() and given.isdecimal() and len(given) <= len(str(usage.COUNT_MAX)) and int(given) <= usage.COUNT_MAX:
        return int(given)
    problems.append(errors.Problem(f"/{name}", "count_invalid", "Give a whole number, zero or more."))
    return 0


def _made(given: usage.Usage) -> Made:
    explained, cost = emissions.explain(given), pricing.price(given)
    return Made(cost.amount, explained.emissions, pricing.explain(cost), calculation.steps(explained.steps), explained.envelope)
