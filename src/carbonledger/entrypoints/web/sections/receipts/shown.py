"""Figures of months and receipts for the eye: units that suit them, ranges, and the exact digits beside.

Frozen sums are whole quanta, a receipt's are milligrams and microwatt-hours; both are shown as the dashboard shows everything else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final
from uuid import UUID

from carbonledger.domains.emissions.types import PLACES, Quanta
from carbonledger.domains.receipts.types.totals import Adjustment, Part, Tokens, Totals
from carbonledger.entrypoints.web import figures
from carbonledger.kernel import decimals, humane
from carbonledger.kernel.humane import Scale, Shown, Step
from carbonledger.kernel.quantity import Range
from carbonledger_proof import measures, statement

MG: Final = -3  # grams
UWH: Final = -6  # watt-hours
TONNES: Final = Scale("t CO2e", (Step("t", 0),))
_UNKNOWN: Final = "not known"


@dataclass(frozen=True, slots=True)
class Row:
    """A project's or model's part. ``co2e`` None: not covered."""

    name: str
    detail: str
    href: str | None
    co2e: Shown | None
    spread: Shown | None
    cost: Shown | None
    share: Decimal


@dataclass(frozen=True, slots=True)
class Change:
    """What came late for a month: the month, how many events more or fewer, and what that changed."""

    month: str
    period_id: UUID | None
    booked_in: UUID | None
    events: int
    co2e: Shown | None
    spread: Shown | None
    cost: Shown | None


def amount(whole: int, shift: int) -> Decimal:
    """Return so many of a small unit in the base unit."""
    return decimals.shifted(Decimal(whole), shift)


def spread(bounds: Sequence[int], shift: int) -> Range:
    """Return three bounds as a range; those of a change may be in any order."""
    return Range(*(amount(bound, shift) for bound in sorted(bounds)))


def of_totals(totals: Totals) -> list[figures.Figure]:
    """Return the figures of a month as it was frozen."""
    return [
        _ranged("co2e", "CO2e", humane.CO2E, totals.co2e_location, -PLACES),
        _ranged("energy", "Energy", humane.ENERGY, totals.energy, -PLACES),
        _plain("cost", "Cost", humane.USD, totals.cost_usd, _priced(totals)),
        *_tokens(_sum(totals.covered), _sum(totals.not_covered)),
        _plain("events", "Events", humane.COUNT, totals.events),
    ]


def of_receipt(receipt: statement.Receipt) -> list[figures.Figure]:
    """Return the figures of a receipt, adjustments included."""
    market = bounds(receipt.gross, measures.Basis.MARKET)
    energy = receipt.energy_uwh
    return [
        _ranged("co2e", "Gross CO2e, location-based", humane.CO2E, bounds(receipt.gross, measures.Basis.LOCATION), MG),
        *([] if market is None else [_ranged("market", "Gross CO2e, market-based", humane.CO2E, market, MG)]),
        _ranged("energy", "Energy", humane.ENERGY, None if energy is None else (energy.low, energy.mid, energy.high), UWH),
        *(_plain(f"cost-{one.currency}", "Cost", _money(one.currency), amount(one.amount, -one.scale)) for one in receipt.cost),
        *_tokens(_known(receipt.tokens.covered), _known(receipt.tokens.not_covered)),
        _plain("events", "Events", humane.COUNT, receipt.events.count),
    ]


def bounds(entries: Sequence[measures.Gross], basis: measures.Basis) -> tuple[int, int, int] | None:
    """Return low, mid and high over all scopes on a basis, in milligrams; None where one of them is not known."""
    found = [entry.co2e_mg for entry in entries if entry.basis is basis]
    known = [one for one in found if one is not None]
    if not found or len(known) != len(found):
        return None
    return sum(one.low for one in known), sum(one.mid for one in known), sum(one.high for one in known)


def co2e(mg: int) -> Shown:
    """Return milligrams of CO2e."""
    return humane.CO2E.show(amount(mg, MG))


def tonnes(mg: int) -> Shown:
    """Return milligrams as tonnes of credits, without a unit: its column has it."""
    found = TONNES.show(amount(mg, -9))
    return Shown(found.number, "", found.exact)


def gross(receipt: statement.Receipt) -> tuple[Shown, Shown] | None:
    """Return a receipt's gross emissions, mid and range; None where they are not known."""
    found = bounds(receipt.gross, measures.Basis.LOCATION) or bounds(receipt.gross, measures.Basis.MARKET)
    return None if found is None else (co2e(found[1]), humane.CO2E.show_range(spread(found, MG)))


def projects(receipt: statement.Receipt, names: Mapping[UUID, str], *, href: str) -> list[Row]:
    """Return a receipt's projects, the largest first. ``href`` is the part of a link after a project's id."""
    found = {one.project: bounds(one.gross, measures.Basis.LOCATION) for one in receipt.projects}
    mids = {key: None if one is None else amount(one[1], MG) for key, one in found.items()}
    step, most = humane.CO2E.of(mids.values()), humane.most(mids.values())
    ranked = sorted(receipt.projects, key=lambda one: (-(mids[one.project] or 0), one.project))
    return [
        Row(
            name=names.get(UUID(one.project), one.project),
            detail="",
            href=f"/projects/{one.project}{href}",
            co2e=_mid(mids[one.project], step),
            spread=_spread(found[one.project], MG, step),
            cost=_costs(one.cost),
            share=humane.share(max(mids[one.project] or Decimal(0), Decimal(0)), most),
        )
        for one in ranked
    ]


def parts(found: Sequence[Part], names: Mapping[UUID, str], *, href: str) -> list[Row]:
    """Return the parts of a closed month, projects or models, the largest first."""
    mids = [None if one.co2e_location_mg is None else amount(one.co2e_location_mg.mid, MG) for one in found]
    step, most = humane.CO2E.of(mids), humane.most(mids)
    rows = []
    for one, mid in zip(found, mids, strict=True):
        is_project = isinstance(one.key, UUID)
        rows.append(
            Row(
                name=names.get(one.key, str(one.key)) if isinstance(one.key, UUID) else one.key[1],
                detail="" if isinstance(one.key, UUID) else one.key[0],
                href=f"/projects/{one.key}{href}" if is_project else None,
                co2e=_mid(mid, step),
                spread=_spread(one.co2e_location_mg, MG, step),
                cost=_priced_cost(one.totals),
                share=humane.share(max(mid or Decimal(0), Decimal(0)), most),
            )
        )
    return rows


def change(found: Adjustment) -> Change:
    """Return an adjustment of a month."""
    quanta = found.totals.co2e_location
    return Change(
        month=f"{found.month:%B %Y}",
        period_id=found.period_id,
        booked_in=found.booked_in,
        events=found.events,
        co2e=None if quanta is None else humane.CO2E.show(amount(quanta[1], -PLACES)),
        spread=_spread(quanta, -PLACES, None),
        cost=_priced_cost(found.totals),
    )


def booked(found: statement.Adjustment, month: str) -> Change:
    """Return an adjustment that a receipt states."""
    bound = bounds(found.gross, measures.Basis.LOCATION)
    mid = None if bound is None else co2e(bound[1])
    return Change(month, None, None, found.events, mid, _spread(bound, MG, None), _costs(found.cost))


def _mid(found: Decimal | None, step: Step) -> Shown | None:
    return None if found is None else humane.CO2E.show(found, step=step)


def _spread(found: Sequence[int] | None, shift: int, step: Step | None) -> Shown | None:
    return None if found is None else humane.CO2E.show_range(spread(found, shift), step=step)


def _costs(costs: Sequence[measures.Cost]) -> Shown | None:
    shown = [_money(one.currency).show(amount(one.amount, -one.scale)) for one in costs]
    if not shown:
        return None
    return shown[0] if len(shown) == 1 else Shown(" + ".join(one.text for one in shown), "", ", ".join(one.exact for one in shown))


def _money(currency: str) -> Scale:
    return humane.USD if currency == humane.USD.base else Scale(currency, (Step(currency, 0),), least_places=2)


def _ranged(key: str, title: str, scale: Scale, found: Quanta | tuple[int, int, int] | None, shift: int) -> figures.Figure:
    value = None if found is None else scale.show(amount(found[1], shift))
    wide = None if found is None else scale.show_range(spread(found, shift))
    return figures.Figure(_metric(key, title, scale), value, wide, "", figures.NOT_COVERED, ())


def _plain(key: str, title: str, scale: Scale, found: Decimal | int | None, marks: tuple[figures.Mark, ...] = ()) -> figures.Figure:
    return figures.Figure(_metric(key, title, scale), None if found is None else scale.show(found), None, "", _UNKNOWN, marks)


def _metric(key: str, title: str, scale: Scale) -> figures.Metric:
    return figures.Metric(key, title, "", scale, lambda _: None)


def _tokens(covered: int | None, missing: int | None) -> list[figures.Figure]:
    return [
        _plain("tokens", "Tokens covered", humane.COUNT, covered),
        *([_plain("missing", "Tokens not covered", humane.COUNT, missing, _missing(covered, missing))] if missing else []),
    ]


def _missing(covered: int | None, missing: int) -> tuple[figures.Mark, ...]:
    part = humane.percent(humane.share(missing, missing + (covered or 0)))
    meaning = f"{part} of the tokens have no factor, so that nothing can be said of their emissions. They are not zero."
    return (figures.Mark("not-covered", f"{part} of all", meaning),)


def _priced_cost(totals: Totals) -> Shown | None:
    """Return the cost; None where no event has a price, which is not zero."""
    is_unknown = totals.cost_not_covered and totals.cost_not_covered == totals.events
    return None if is_unknown else humane.USD.show(totals.cost_usd)


def _priced(totals: Totals) -> tuple[figures.Mark, ...]:
    if not totals.cost_not_covered:
        return ()
    words = f"{totals.cost_not_covered:,} event{'' if totals.cost_not_covered == 1 else 's'} without a price"
    return (figures.Mark("not-covered", words, f"{words}: they count nowhere in the cost."),)


def _sum(tokens: Tokens) -> int:
    return sum(tokens[:5])


def _known(buckets: measures.Buckets) -> int | None:
    counts = (buckets.uncached_input, buckets.cached_input, buckets.cache_creation_5m, buckets.cache_creation_1h, buckets.output)
    known = [count for count in counts if count is not None]
    return sum(known) if known else None
