"""Puts a bundle into the words of one printed page: plain language, figures with their ranges, and what does not fit is counted.

Nothing here decides anything: what is shown is rounded for the eye, and the exact figures are in the bundle that goes with the page.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Final
from zoneinfo import ZoneInfo

from carbonledger.domains.receipts.types import printing
from carbonledger.domains.receipts.types.printing import CreditRow, Figure, ProjectRow
from carbonledger.kernel import decimals, humane
from carbonledger.kernel.quantity import Range
from carbonledger_proof import bundle as bundles
from carbonledger_proof import measures, statement

PROJECTS_MAX: Final = 5
CREDITS_MAX: Final = 3
ADJUSTMENTS_MAX: Final = 2
NAME_CHARS_MAX: Final = 36
_NO_NAMES: Final[Mapping[str, str]] = MappingProxyType({})
_BAR: Final = 10_000
_TEST: Final = "This is a test, issued to a sandbox. No usage of it took place, and it compensates nothing."
_MG_TO_G: Final = -3
_UWH_TO_WH: Final = -6
_MONTHS: Final = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December")
_UNSEEN: Final = "▯"  # a character that the page's font may not have; the bundle has it
# Blocks that the page's font covers: Latin with its extensions, Greek, Cyrillic, and common punctuation and currency signs.
_SEEN: Final = ((0x20, 0x7E), (0xA0, 0x24F), (0x386, 0x3CE), (0x400, 0x45F), (0x2010, 0x2027), (0x20AC, 0x20AC), (0x2082, 0x2082))


def sheet(bundle: bundles.Bundle, *, organization: str, verify_url: str, names: Mapping[str, str] = _NO_NAMES) -> printing.Sheet:
    """Return the page of a receipt.

    ``organization`` is whom it was issued to and ``names`` what its projects are called, by their ids: the receipt itself tells neither.
    """
    receipt = bundle.receipt
    gross = shown_gross(receipt)
    month = _month(receipt.period.month)
    return printing.Sheet(
        is_test=receipt.test,
        title=f"{'TEST: c' if receipt.test else 'C'}arbon receipt {receipt.serial}",
        description=f"Gross emissions of AI usage in {month} and the retired carbon credits allocated to them.",
        serial=receipt.serial,
        issuer=receipt.issuer,
        issued_at=receipt.issued_at,
        month=month,
        parties=_parties(receipt, organization),
        standing=_standing(receipt, bundle.status),
        gross=gross,
        story=_story(receipt, gross),
        measures=_measures(receipt),
        projects=_projects(receipt.projects, names),
        adjustments=_adjustments(receipt.adjustments),
        compensation=_compensation(receipt),
        credits=_credits(receipt.allocations),
        wording=receipt.wording,
        verify_url=verify_url,
        checking=(
            "This PDF carries its own proof. Drop it on the page above, or run “carbonledger verify” with it anywhere, without asking us: "
            "that checks the signatures, that the receipt stands in the public log, and that not a byte of this page was changed."
        ),
        proof=_proof(bundle),
    )


def seen(text: str, *, most: int = NAME_CHARS_MAX) -> str:
    """Return a name as the page can show it: what its font lacks is a box, and what is too long ends in an ellipsis."""
    plain = "".join(each if any(low <= ord(each) <= high for low, high in _SEEN) else _UNSEEN for each in text)
    return plain if len(plain) <= most else plain[: most - 1].rstrip() + "…"


def shown_gross(receipt: statement.Receipt) -> printing.Gross | None:
    """Return the emissions on the location basis, or on the market basis where the other is not known; None if neither is."""
    for basis in (measures.Basis.LOCATION, measures.Basis.MARKET):
        found = total(receipt.gross, basis)
        if found is not None:
            low, mid, high = (_co2e(bound) for bound in (found.low, found.mid, found.high))
            top = max(found.high, 1)
            start, at = (min(max(bound, 0) * _BAR // top, _BAR) for bound in (found.low, found.mid))
            return printing.Gross(basis=f"{basis.value}-based", low=low, mid=mid, high=high, start=start, at=at)
    return None


def total(entries: Iterable[measures.Gross], basis: measures.Basis) -> measures.Range | None:
    """Return the sum over scopes on one basis, in milligrams; None if one of them is not known, or there is none."""
    ranges = [entry.co2e_mg for entry in entries if entry.basis is basis]
    known = [one for one in ranges if one is not None]
    if not ranges or len(known) != len(ranges):
        return None
    return measures.Range(sum(one.low for one in known), sum(one.mid for one in known), sum(one.high for one in known))


def _co2e(mg: int, step: humane.Step | None = None) -> str:
    return humane.CO2E.show(decimals.shifted(Decimal(mg), _MG_TO_G), step=step).text.replace("CO2e", "CO₂e")


def _spread(found: measures.Range, scale: humane.Scale, shift: int, step: humane.Step | None = None) -> str:
    low, mid, high = sorted((found.low, found.mid, found.high))
    bounds = [decimals.shifted(Decimal(bound), shift) for bound in (low, mid, high)]
    return scale.show_range(Range(*bounds), step=step).text.replace("CO2e", "CO₂e")


def _money(costs: Sequence[measures.Cost]) -> str:
    if not costs:
        return "not known"
    shown = [
        f"{humane.number(decimals.shifted(Decimal(cost.amount), -cost.scale), least_places=2)} {cost.currency}"
        for cost in sorted(costs, key=lambda cost: cost.currency)[:2]
    ]
    return " + ".join(shown) + (f" and {len(costs) - 2} more" if len(costs) > 2 else "")  # noqa: PLR2004 - two fit


def _day(day: date) -> str:
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def _month(month: str) -> str:
    return f"{_MONTHS[int(month[5:]) - 1]} {month[:4]}"


def _moment(at: datetime) -> str:
    return f"{_day(at.date())}, {at:%H:%M} UTC"


def _days(period: statement.Period) -> str:
    zone = ZoneInfo(period.zone)
    first, last = period.start.astimezone(zone).date(), (period.end.astimezone(zone) - timedelta(seconds=1)).date()
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day} to {_day(last)}"
    return f"{_day(first)} to {_day(last)}"


def _parties(receipt: statement.Receipt, organization: str) -> tuple[Figure, ...]:
    return (
        Figure("Issued to", seen(organization), f"in the public log as {receipt.organization[:12]}…"),
        Figure("Period", _days(receipt.period), receipt.period.zone),
        Figure("Issued", _moment(receipt.issued_at), f"by {seen(receipt.issuer)}"),
    )


def _standing(receipt: statement.Receipt, status: bundles.Status) -> str | None:
    told = [line for line in (_TEST if receipt.test else None, _ended(status)) if line is not None]
    return " ".join(told) or None


def _ended(status: bundles.Status) -> str | None:
    if status.state is bundles.State.SUPERSEDED:
        return f"This receipt was superseded by {status.by} and is no longer valid."
    if status.state is bundles.State.REVOKED:
        return "This receipt was revoked and is no longer valid."
    return None


def _story(receipt: statement.Receipt, gross: printing.Gross | None) -> str:
    if not receipt.events.count:
        return (
            f"For {_days(receipt.period)} no use of AI models was recorded for this organization. So there is nothing to estimate: the "
            "emissions that this receipt states are zero, and no credits are allocated to it."
        )
    if gross is None:
        return (
            f"For {_days(receipt.period)} no factor is known for any of the usage, so its emissions can't be estimated. They are not zero."
        )
    return (
        f"From {_days(receipt.period)}, this organization's use of AI models emitted an estimated {gross.mid}, most likely between "
        f"{gross.low} and {gross.high}. It is an estimate with a range, because providers do not publish what a model uses."
    )


def _measures(receipt: statement.Receipt) -> tuple[Figure, ...]:
    covered, missing = _tokens(receipt.tokens.covered), _tokens(receipt.tokens.not_covered)
    shown = []
    if receipt.energy_uwh is not None:
        energy = receipt.energy_uwh
        mid = humane.ENERGY.show(decimals.shifted(Decimal(energy.mid), _UWH_TO_WH)).text
        shown.append(Figure("Energy", mid, _spread(energy, humane.ENERGY, _UWH_TO_WH)))
    whole = (covered or 0) + (missing or 0)
    part = None if covered is None or not whole else f"{humane.percent(humane.share(covered, whole))} of all"
    shown.append(Figure("Tokens covered", "not known" if covered is None else f"{covered:,}", part))
    reason = "no factor is known" if missing else None
    shown.append(Figure("Tokens not covered", "not known" if missing is None else f"{missing:,}", reason))
    market = total(receipt.gross, measures.Basis.MARKET)
    if market is not None and total(receipt.gross, measures.Basis.LOCATION) is not None:
        shown.append(Figure("Market-based", _co2e(market.mid), _spread(market, humane.CO2E, _MG_TO_G)))
    shown.append(Figure("Cost of the usage", _money(receipt.cost)))
    return tuple(shown)


def _tokens(buckets: measures.Buckets) -> int | None:
    counts = (buckets.uncached_input, buckets.cached_input, buckets.cache_creation_5m, buckets.cache_creation_1h, buckets.output)
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _projects(projects: Sequence[statement.Project], names: Mapping[str, str]) -> tuple[ProjectRow, ...]:
    def mid(project: statement.Project) -> int:
        found = total(project.gross, measures.Basis.LOCATION)
        return 0 if found is None else found.mid

    ranked = sorted(projects, key=lambda project: (-mid(project), project.project))
    shown = ranked if len(ranked) <= PROJECTS_MAX else ranked[: PROJECTS_MAX - 1]
    step = humane.CO2E.of(decimals.shifted(Decimal(mid(project)), _MG_TO_G) for project in ranked)
    rows = [
        _project_row(seen(names.get(project.project) or project.name or project.project), project.gross, project.cost, step)
        for project in shown
    ]
    rest = ranked[len(shown) :]
    if rest:
        gross = _sum(measures.summed_gross(entry for project in rest for entry in project.gross))
        costs = measures.summed_cost(cost for project in rest for cost in project.cost)
        money = tuple(measures.Cost(currency=name, amount=amount, scale=measures.SCALE_MAX) for name, amount in sorted(costs.items()))
        rows.append(_project_row(f"{len(rest)} more (all are in the attached bundle)", gross, money, step))
    return tuple(rows)


def _sum(sums: dict[tuple[measures.Scope, measures.Basis], tuple[int, int, int]]) -> tuple[measures.Gross, ...]:
    return tuple(measures.Gross(scope=scope, basis=basis, co2e_mg=measures.Range(*bounds)) for (scope, basis), bounds in sums.items())


def _project_row(name: str, gross: Sequence[measures.Gross], cost: Sequence[measures.Cost], step: humane.Step) -> ProjectRow:
    found = total(gross, measures.Basis.LOCATION)
    if found is None:
        return ProjectRow(name, "not covered", "", _money(cost))
    return ProjectRow(name, _co2e(found.mid, step), _spread(found, humane.CO2E, _MG_TO_G, step), _money(cost))


def _adjustments(adjustments: Sequence[statement.Adjustment]) -> tuple[str, ...]:
    lines = []
    for one in adjustments[:ADJUSTMENTS_MAX]:
        found = total(one.gross, measures.Basis.LOCATION)
        what = "emissions not covered" if found is None else f"{'+' if found.mid >= 0 else ''}{_co2e(found.mid)}"
        lines.append(f"{_month(one.month)}: {what} from {_late(one.events)}" + (f", after receipt {one.receipt}." if one.receipt else "."))
    if len(adjustments) > ADJUSTMENTS_MAX:
        lines.append(f"{len(adjustments) - ADJUSTMENTS_MAX} more are in the attached bundle.")
    return tuple(lines)


def _late(events: int) -> str:
    if not events:
        return "revised events"
    return f"{abs(events):,} event{'' if abs(events) == 1 else 's'} {'more' if events > 0 else 'fewer'}"


def _compensation(receipt: statement.Receipt) -> str:
    claim = receipt.compensation
    if claim is None:
        return "Nothing is compensated by this receipt."
    if not claim.required_mg:
        return f"Nothing had to be compensated: {_why_nothing(receipt)}."
    share = humane.percent(decimals.shifted(Decimal(claim.share_bp), -4))
    return (
        f"{_co2e(claim.required_mg)} of retired carbon credits are allocated to this receipt: {share} of the {claim.bound.value} estimate "
        f"({claim.basis.value}-based). They were retired before, for good, and no other receipt may use them."
    )


def _why_nothing(receipt: statement.Receipt) -> str:
    return "no emissions were estimated for the usage of this month" if receipt.events.count else "no usage was recorded in this month"


def _credits(allocations: Sequence[statement.Allocation]) -> tuple[CreditRow, ...]:
    shown = allocations if len(allocations) <= CREDITS_MAX else allocations[: CREDITS_MAX - 1]
    rows = [
        CreditRow(
            project=seen(one.project_name),
            block=seen(f"{one.registry} {one.block}", most=64),
            standard=f"{seen(one.standard, most=24)}, {one.kind.value}, {one.vintage}",
            retirement=seen(one.retirement_reference, most=36),
            interval=f"{one.from_mg:,} to {one.to_mg:,} mg",
            amount=_co2e(one.to_mg - one.from_mg),
        )
        for one in shown
    ]
    rest = allocations[len(shown) :]
    if rest:
        amount = _co2e(sum(one.to_mg - one.from_mg for one in rest))
        rows.append(CreditRow(f"{len(rest)} more parts", "all are in the attached bundle", "", "", "", amount))
    return tuple(rows)


def _proof(bundle: bundles.Bundle) -> tuple[Figure, ...]:
    receipt = bundle.receipt
    return (
        Figure("Receipt, SHA-256", receipt.sha256),
        Figure("Signed with key", receipt.kid),
        Figure("In the public log", f"entry {bundle.inclusion.index:,} of {bundle.inclusion.size:,} at {seen(receipt.issuer)}"),
        Figure("Events, Merkle root", f"{receipt.events.root} ({receipt.events.count:,} events)"),
        Figure("Factors", _versions(receipt.factor_sets)),
        Figure("Prices", _versions(receipt.price_books)),
    )


def _versions(versions: Sequence[measures.Version]) -> str:
    shown = [f"{seen(one.version, most=24)} {one.sha256[:16]}…" for one in versions[:2]]
    return ", ".join(shown) + (f" and {len(versions) - 2} more" if len(versions) > 2 else "") or "none"  # noqa: PLR2004 - two fit
