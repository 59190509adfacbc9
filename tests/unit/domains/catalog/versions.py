"""Plan versions of every shape, for properties about them."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from hypothesis import strategies as st

from carbonledger.domains.catalog.types import charges as models
from carbonledger.domains.catalog.types import plans
from carbonledger.domains.catalog.types.charges import Model
from carbonledger.kernel import currency
from carbonledger.kernel.period import CalendarUnit, Interval

prices = st.decimals(min_value=0, max_value=10**12, places=6, allow_nan=False, allow_infinity=False)
quantities = st.decimals(min_value=0, max_value=10**12, places=3, allow_nan=False, allow_infinity=False)
percents = st.decimals(min_value=0, max_value=100, places=4, allow_nan=False, allow_infinity=False)
instants = st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - the zone is beside it
texts = st.text(min_size=1, max_size=20)
codes = st.from_regex(r"[a-z][a-z0-9_-]{0,15}", fullmatch=True)


@st.composite
def tiers(draw: st.DrawFn) -> tuple[models.Tier, ...]:
    bounds = sorted(draw(st.sets(st.integers(1, 10**9), max_size=4)))
    return tuple(models.Tier(None if bound is None else Decimal(bound), draw(prices), draw(prices)) for bound in (*bounds, None))


@st.composite
def percent_tiers(draw: st.DrawFn) -> tuple[models.PercentTier, ...]:
    bounds = sorted(draw(st.sets(st.integers(1, 10**9), max_size=4)))
    return tuple(models.PercentTier(None if bound is None else Decimal(bound), draw(percents), draw(prices)) for bound in (*bounds, None))


def bounded(draw: st.DrawFn) -> tuple[Decimal | None, Decimal | None]:
    """A minimum and a maximum in their order, each of which may be missing."""
    low, high = sorted((draw(prices), draw(prices)))
    return (low if draw(st.booleans()) else None, high if draw(st.booleans()) else None)


@st.composite
def percentages(draw: st.DrawFn) -> models.Percentage:
    low, high = bounded(draw)
    return models.Percentage(draw(percents), draw(prices), low, high, draw(st.none() | prices), draw(st.integers(0, 10**6)))


def every_model() -> st.SearchStrategy[Model]:
    return st.one_of(
        st.builds(models.Standard, prices),
        st.builds(models.Graduated, tiers(), st.booleans()),
        st.builds(models.Volume, tiers(), st.booleans()),
        st.builds(models.Package, st.integers(1, 10**9).map(Decimal), prices, quantities),
        percentages(),
        st.builds(models.GraduatedPercentage, percent_tiers(), st.booleans()),
        st.builds(models.CostPlus, percents, st.dictionaries(st.sampled_from(models.TokenKind), percents)),
        st.builds(models.Carbon, prices, st.sampled_from(models.Bound)),
        st.builds(models.Flat, prices),
    )


discounts = st.one_of(
    st.builds(plans.PercentDiscount, percents, st.none() | texts),
    st.builds(plans.AmountDiscount, prices, st.none() | texts),
)


@st.composite
def charges(draw: st.DrawFn) -> plans.Charge:
    low, high = bounded(draw)
    return plans.Charge(
        code=draw(codes),
        name=draw(texts),
        timing=draw(st.sampled_from(models.Timing)),
        model=draw(every_model()),
        meter_code=draw(st.none() | codes),
        per_seat=draw(st.booleans()),
        prorated=draw(st.booleans()),
        included=draw(quantities),
        free_units=draw(quantities),
        minimum=low,
        maximum=high,
        tax_rate_codes=tuple(draw(st.lists(codes, max_size=3))),
        discount=draw(st.none() | discounts),
    )


def every_version() -> st.SearchStrategy[plans.PlanVersion]:
    units = st.sampled_from([unit for unit in CalendarUnit if unit is not CalendarUnit.HOUR])
    return st.builds(
        plans.PlanVersion,
        id=st.uuids(),
        plan_id=st.uuids(),
        number=st.integers(1, 10**6),
        effective_at=instants,
        currency=st.sampled_from(sorted(currency.codes())).map(currency.by_code),
        interval=st.builds(Interval, units, st.integers(1, 36)),
        anchor=st.sampled_from(plans.AnchorKind),
        charges=st.lists(charges(), max_size=5).map(tuple),
        setup_fee=st.none() | prices,
        trial_days=st.integers(0, 730),
        minimum_commitment=st.none() | prices,
        discounts=st.lists(discounts, max_size=3).map(tuple),
        upgrade=st.sampled_from(plans.ChangePolicy),
        downgrade=st.sampled_from(plans.ChangePolicy),
        proration=st.sampled_from(plans.Proration),
        migration=st.sampled_from(plans.Migration),
        created_at=instants,
    )
