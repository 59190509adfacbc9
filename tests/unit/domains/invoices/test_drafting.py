"""From what is due to a document: worked by hand, and what holds whatever the figures are."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

import hypothesis.strategies as st
import pytest
from hypothesis import given

from carbonledger.domains.accounts.types import Locale, TaxTreatment
from carbonledger.domains.catalog.types import (
    AmountDiscount,
    Charge,
    PercentDiscount,
    PlanVersion,
    Proration,
    TaxRate,
)
from carbonledger.domains.catalog.types.charges import CostPlus, Flat, Graduated, Standard, Tier, Timing, Usage
from carbonledger.domains.invoices.core import amounts_off, drafting, pieces, services, words
from carbonledger.domains.invoices.core.pieces import Measured, Piece
from carbonledger.domains.invoices.types import invoices as types
from carbonledger.domains.invoices.types.invoices import Line, LineKind, Totals
from carbonledger.domains.invoices.types.totals import DocumentDiscount, TaxRounding
from carbonledger.domains.subscriptions.types import DueCharge, DueKind
from carbonledger.kernel import currency
from carbonledger.kernel.period import CalendarUnit, Interval, Period

EUR = currency.by_code("EUR")
MARCH = Period(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))
APRIL = Period(datetime(2026, 4, 1, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC))
SUBSCRIPTION, VERSION, ACCOUNT = UUID(int=1), UUID(int=2), UUID(int=3)
VAT = TaxRate(id=UUID(int=9), code="vat", name="VAT", percent=Decimal(19), inclusive=False, created_at=MARCH.start, updated_at=MARCH.start)
SEATS = Charge(code="seats", name="Seats", timing=Timing.ADVANCE, model=Flat(Decimal("49.00")), per_seat=True)
CALLS = Charge(
    code="calls",
    name="Calls",
    # 1,000 at 0.002 and 5.00 for having any, the rest at 0.001: worked as Stripe's graduated example is, tier by tier.
    model=Graduated((Tier(Decimal(1000), Decimal("0.002"), Decimal(5)), Tier(None, Decimal("0.001"))), flat_at_zero=False),
    meter_code="calls",
)


def version(*discounts: Any) -> PlanVersion:
    return PlanVersion(
        id=VERSION,
        plan_id=UUID(int=4),
        number=1,
        effective_at=MARCH.start,
        currency=EUR,
        interval=Interval(CalendarUnit.MONTH),
        charges=(SEATS, CALLS),
        discounts=discounts,
        created_at=MARCH.start,
    )


def due(charge: Charge | None = SEATS, **changes: Any) -> DueCharge:
    made = DueCharge(
        cause=f"{SUBSCRIPTION}:{'none' if charge is None else charge.code}",
        kind=DueKind.CHARGE,
        subscription_id=SUBSCRIPTION,
        account_id=ACCOUNT,
        plan_version_id=VERSION,
        charge=charge,
        service=MARCH,
        part=MARCH,
        stretches=(MARCH,),
        proration=Proration.DAY,
        numerator=1,
        denominator=1,
        quantity=1,
        billable_at=MARCH.start,
        fact=1,
    )
    return replace(made, **changes)


def used(quantity: str) -> Measured:
    return Measured(usage=Usage(quantity=Decimal(quantity)), meter_id=UUID(int=5), meter_code="calls", events=7, digest="a" * 64)


def known(*discounts: Any, **changes: Any) -> drafting.Known:
    made = drafting.Known(words=words.WORDS[Locale.EN], currency=EUR, versions={VERSION: version(*discounts)}, tax_codes=("vat",))
    return replace(made, **changes)


def summed(
    made: list[Piece], *discounts: DocumentDiscount, treatment: TaxTreatment = TaxTreatment.STANDARD
) -> tuple[Totals, tuple[Line, ...]]:
    return drafting.summed(
        made,
        currency=EUR,
        discounts=discounts,
        treatment=treatment,
        rounding=TaxRounding.DOCUMENT,
        rates={"vat": VAT},
        ids=(UUID(int=100 + count) for count in itertools.count()),
    )


def document(charges: list[DueCharge], facts: drafting.Known) -> tuple[Totals, tuple[Line, ...]]:
    made = drafting.pieces_of(charges, facts)
    return summed(made, *amounts_off.discounts_of(made, earlier=facts.served, versions=facts.versions, currency=EUR))


def figures(totals: Totals) -> tuple[str, ...]:
    return tuple(str(each) for each in (totals.subtotal, totals.discount, totals.tax, totals.total))


def test_seats_and_usage_with_tax() -> None:
    calls = due(CALLS)
    totals, lines = document([calls, due(quantity=3)], known(measured={calls.cause: used("2500")}))
    # 3 x 49.00 = 147.00; 5.00 + 1,000 x 0.002 + 1,500 x 0.001 = 8.50; 19 % of 155.50 = 29.545, half up 29.55.
    assert [(line.charge_code, line.quantity, line.unit_price, line.amount) for line in lines] == [
        ("calls", Decimal(2500), None, Decimal("8.50")),
        ("seats", Decimal(3), Decimal("49.00"), Decimal("147.00")),
    ]
    assert figures(totals) == ("155.50", "0.00", "29.55", "185.05")
    assert sum(line.tax for line in lines) == totals.tax
    tiers = lines[0].explained.rated["tiers"]
    assert [(tier["quantity"], tier["amount"]) for tier in tiers] == [("1000", "7"), ("1500", "1.5")]
    assert (lines[0].explained.events, lines[0].explained.meter_code) == (7, "calls")


def test_who_owes_the_tax_himself_is_charged_none() -> None:
    totals, _ = summed(drafting.pieces_of([due()], known()), treatment=TaxTreatment.REVERSE_CHARGE)
    assert figures(totals) == ("49.00", "0.00", "0.00", "49.00")


def test_a_part_is_charged_by_its_days() -> None:
    # 17 of 31 days of 49.00: 26.8709..., half up 26.87.
    _, (line,) = document([due(numerator=17, denominator=31)], known())
    assert (line.amount, str(line.unrounded)) == (Decimal("26.87"), "26.870967741935")


def test_a_credit_gives_back_what_was_debited_whatever_the_price_is_now() -> None:
    ten = AmountDiscount(Decimal(10))
    _, (debited,) = document([due()], known(ten))
    assert (debited.amount, debited.discount) == (Decimal("49.00"), Decimal("10.00"))
    dearer = replace(SEATS, model=Flat(Decimal("99.00")))
    credit = due(dearer, cause="credit", kind=DueKind.CREDIT, credits=debited.cause, numerator=14, denominator=31, debited=31)
    totals, (line,) = document([credit], known(ten, billed={debited.cause: debited}))
    # 14 of 31 days of the 39.00 that were debited: 17.6129, and no discount off a credit.
    assert (line.amount, line.undoes, line.kind) == (Decimal("-17.61"), debited.cause, LineKind.CREDIT)
    assert figures(totals)[:2] == ("-17.61", "0.00")
    assert line.description == "Seats, credit for the time that is not used"


def test_what_was_never_billed_is_not_given_back() -> None:
    credit = due(cause="credit", kind=DueKind.CREDIT, credits="unknown", debited=1)
    _, (line,) = document([credit], known())
    assert line.amount == 0


def test_a_setup_fee_and_a_discount_in_percent() -> None:
    setup = due(None, cause="setup", kind=DueKind.SETUP, amount=Decimal("100.00"))
    _, lines = document([due(), setup], known(PercentDiscount(Decimal(25))))
    # A quarter off each: 75.00 and 36.75.
    assert [(line.description, line.amount) for line in lines] == [("Setup fee", Decimal("75.00")), ("Seats", Decimal("36.75"))]


def test_a_commitment_is_made_good_with_what_was_charged_now_and_before() -> None:
    _, (before,) = document([due()], known())
    calls = due(CALLS)
    commitment = due(None, cause="commitment", kind=DueKind.COMMITMENT_TRUE_UP, amount=Decimal("100.00"))
    facts = known(measured={calls.cause: used("2500")}, served={services.of_due(commitment): [before]})
    _, lines = document([commitment, calls], facts)
    # 100.00 - 49.00 - 8.50
    assert [(line.kind, line.amount) for line in lines] == [(LineKind.CHARGE, Decimal("8.50")), (LineKind.COMMITMENT, Decimal("42.50"))]


def test_a_commitment_counts_before_the_discount_of_the_plan() -> None:
    commitment = due(None, cause="commitment", kind=DueKind.COMMITMENT_TRUE_UP, amount=Decimal("50.00"))
    _, lines = document([due(), commitment], known(PercentDiscount(Decimal(50))))
    # 49.00 of 50.00 was charged, of which half is given: 24.50, and 1.00 is missing.
    assert [line.amount for line in lines] == [Decimal("24.50"), Decimal("1.00")]


TEN = AmountDiscount(Decimal(10), "Welcome")


def off(made: list[Piece], *discounts: AmountDiscount, earlier: tuple[Line, ...] = ()) -> tuple[DocumentDiscount, ...]:
    """What is off a document of these pieces."""
    served: dict[services.Service, tuple[Line, ...]] = {(SUBSCRIPTION, VERSION, MARCH): earlier}
    return amounts_off.discounts_of(made, earlier=served, versions={VERSION: version(*discounts)}, currency=EUR)


def named(discounts: tuple[DocumentDiscount, ...]) -> list[tuple[str, str | None]]:
    return [(str(one.amount), one.name) for one in discounts]


def test_an_amount_off_is_had_once_for_a_subscription_and_a_period() -> None:
    others = [due(cause="another", subscription_id=UUID(int=7)), due(cause="april", service=APRIL, part=APRIL)]
    made = drafting.pieces_of([due(), due(CALLS, cause="calls"), *others], known(TEN))
    found = off(made, TEN)
    assert named(found) == [("10.00", "Welcome")] * 3
    causes = [{made[place].cause for place in amounts_off.lines_of(made, one) or ()} for one in found]
    assert causes == [{due().cause, "calls"}, {"another"}, {"april"}]


@pytest.mark.parametrize(
    "numerator, amounts",
    [
        (31, [("10.00", "Welcome"), ("4.50", "Friend")]),
        # 17 of 31 days of 10.00 are 5.4838..., of 14.50 they are 7.9516...: 5.48, and what is left to 7.95.
        (17, [("5.48", "Welcome"), ("2.47", "Friend")]),
        (0, []),
    ],
)
def test_a_part_of_a_period_has_that_part_of_an_amount_off_its_document(numerator: int, amounts: list[tuple[str, str]]) -> None:
    both = (TEN, AmountDiscount(Decimal("4.50"), "Friend"))
    assert named(off(drafting.pieces_of([due(numerator=numerator, denominator=31)], known(*both)), *both)) == amounts


def test_an_amount_off_that_was_had_is_not_had_again() -> None:
    """Half of March is given back, with its part of the 10.00 that were off it; seats for that half have that part off, and no more."""
    _, (line,) = document([due(numerator=31, denominator=31)], known(TEN))
    assert line.discount == Decimal("10.00")
    calls = due(CALLS)
    assert off(drafting.pieces_of([calls], known(TEN, measured={calls.cause: used("2500")})), TEN, earlier=(line,)) == ()
    back = due(cause="back", kind=DueKind.CREDIT, credits=line.cause, numerator=15, denominator=31, debited=31)
    more = due(cause="more", numerator=15, denominator=31, quantity=3)
    made = drafting.pieces_of([back, more], known(TEN, billed={line.cause: line}))
    assert [piece.gross for piece in made] == [Fraction(3 * 49 * 15, 31), Fraction(-39 * 15, 31)]
    # 15 of 31 days of 49.00 are 23.71, of the 39.00 that were paid 18.87: so 4.84 of the 10.00 were not given back.
    assert named(off(made, TEN, earlier=(line,))) == [("4.84", "Welcome")]


def test_an_amount_off_that_the_first_document_could_not_take_is_left_for_the_next() -> None:
    totals, (line,) = document([due(replace(SEATS, model=Flat(Decimal("4.00"))))], known(TEN))
    assert figures(totals)[:2] == ("4.00", "4.00")
    calls = due(CALLS)
    made = drafting.pieces_of([calls], known(TEN, measured={calls.cause: used("1")}))
    assert named(off(made, TEN, earlier=(line,))) == [("6.00", "Welcome")]


def test_a_tax_that_is_not_there_is_told() -> None:
    with pytest.raises(types.TaxUnknown):
        document([due(replace(SEATS, tax_rate_codes=("gone",)))], known())


def test_a_cost_in_another_currency_is_not_guessed() -> None:
    with pytest.raises(types.CostUnconvertible):
        document([due(replace(CALLS, model=CostPlus(markup_percent=Decimal(20))))], known())


def test_too_many_lines_are_told() -> None:
    with pytest.raises(types.LinesTooMany):
        document([due(cause=str(count)) for count in range(types.LINES_MAX + 1)], known())


quantities = st.decimals(min_value=0, max_value=10**9, places=6)


@given(first=quantities, second=quantities, numerator=st.integers(1, 31))
def test_a_line_rated_again_is_the_line_that_the_usage_would_have_made(first: Decimal, second: Decimal, numerator: int) -> None:
    charge = replace(CALLS, included=Decimal(100), minimum=Decimal("1.00"), discount=PercentDiscount(Decimal("12.5")))
    calls = due(charge, numerator=numerator, denominator=31)

    def made(quantity: Decimal) -> Piece:
        facts = known(PercentDiscount(Decimal(10)), measured={calls.cause: used(str(quantity))})
        return drafting.pieces_of([calls], facts)[0]

    _, (line,) = summed([made(first)])
    assert pieces.of_line(line) == made(first)
    assert pieces.again(pieces.of_line(line), used(str(second))) == made(second)


@given(days=st.integers(1, 31), cut=st.integers(1, 31), price=st.integers(0, 10**7))
def test_charging_and_giving_all_of_it_back_is_nothing(days: int, cut: int, price: int) -> None:
    charge = replace(SEATS, model=Flat(Decimal(price) / 100), discount=PercentDiscount(Decimal("33.3")))
    debit = due(charge, numerator=days, denominator=31)
    credit = due(charge, cause="credit", kind=DueKind.CREDIT, credits=debit.cause, numerator=days, denominator=31, debited=days)
    totals, lines = document([debit, credit], known())
    assert totals.total == 0
    assert lines[0].amount == -lines[1].amount
    # And in two parts, on documents of their own, the unrounded parts add up to the whole.
    part = min(cut, days)
    _, (billed,) = document([debit], known())
    facts = known(billed={debit.cause: billed})
    given_back = [
        drafting.pieces_of([replace(credit, numerator=numerator)], facts)[0].gross for numerator in (part, days - part) if numerator
    ]
    assert sum(given_back, Fraction(0)) == -pieces.debited(pieces.of_line(billed))


@given(amounts=st.lists(st.integers(-(10**6), 10**6), min_size=1, max_size=12), off=st.integers(1, 10**5))
def test_lines_add_up_to_the_document(amounts: list[int], off: int) -> None:
    made = [
        Piece(
            cause=str(place),
            kind=LineKind.ITEM,
            description="x",
            quantity=Decimal(1),
            unit_price=None,
            gross=Fraction(amount, 700),
            tax_codes=("vat",),
        )
        for place, amount in enumerate(amounts)
    ]
    totals, lines = summed(made, DocumentDiscount(amount=Decimal(off) / 100))
    assert sum(line.amount for line in lines) == totals.subtotal
    assert sum(line.discount for line in lines) == totals.discount
    assert sum(line.tax for line in lines) == totals.tax
    assert totals.total == totals.subtotal - totals.discount + totals.tax


def test_one_price_is_shown_as_one() -> None:
    calls = due(replace(CALLS, model=Standard(Decimal("0.01"))))
    _, (line,) = document([calls], known(measured={calls.cause: used("3")}))
    assert (line.unit_price, line.amount) == (Decimal("0.01"), Decimal("0.03"))


OFF = AmountDiscount(Decimal("5.00"))
DISCOUNTED = replace(SEATS, discount=OFF)


def test_a_part_of_a_period_has_that_part_of_an_amount_off() -> None:
    """49.00 less 5.00 is 44.00 a month; 16 of 31 days of that are 22.709..., and not 25.29 less 5.00."""
    _, (line,) = document([due(DISCOUNTED, numerator=16, denominator=31)], known())
    assert line.amount == Decimal("22.71")
    assert pieces.debited(pieces.of_line(line)) == Fraction(44 * 16, 31)


@given(st.integers(0, 31), st.sampled_from([OFF, PercentDiscount(Decimal("12.5")), AmountDiscount(Decimal("80.00"))]))
def test_leaving_a_plan_and_coming_back_the_same_day_costs_nothing(day: int, discount: AmountDiscount | PercentDiscount) -> None:
    """The rest of the month is given back and charged again, as when somebody changes the plan and changes it back."""
    seats = replace(SEATS, discount=discount)
    first = due(seats, numerator=31, denominator=31)
    _, billed = document([first], known())
    rest = {"numerator": day, "denominator": 31, "cause": "again"}
    back = due(seats, kind=DueKind.CREDIT, cause="back", credits=first.cause, debited=31, numerator=day, denominator=31)
    totals, _ = document([back, due(seats, **rest)], known(billed={first.cause: billed[0]}))
    assert {totals.subtotal, totals.tax, totals.total} == {Decimal(0)}


def test_a_credit_on_a_document_with_a_discount_gives_back_all_that_it_should() -> None:
    """100.00 of which 20.00 go back, and 10.00 off the whole: the 10.00 are off what is charged, and the tax of 20.00 goes back whole.

    Charged at 19 %: 90.00, so 17.10. Given back at 7 %: 1.40. With the discount spread over both it would be 16.63 and 1.17.
    """
    low = replace(VAT, id=UUID(int=8), code="low", percent=Decimal(7))
    paid = Piece(
        cause="a", kind=LineKind.CHARGE, description="A", quantity=Decimal(1), unit_price=None, gross=Fraction(100), tax_codes=("vat",)
    )
    back = replace(paid, cause="b", kind=LineKind.CREDIT, gross=Fraction(-20), tax_codes=("low",))
    totals, lines = drafting.summed(
        [paid, back],
        currency=EUR,
        discounts=[DocumentDiscount(amount=Decimal("10.00"))],
        treatment=TaxTreatment.STANDARD,
        rounding=TaxRounding.DOCUMENT,
        rates={"vat": VAT, "low": low},
        ids=(UUID(int=100 + count) for count in itertools.count()),
    )
    assert [(line.amount, line.discount, line.tax) for line in lines] == [
        (Decimal("100.00"), Decimal("10.00"), Decimal("17.10")),
        (Decimal("-20.00"), Decimal("0.00"), Decimal("-1.40")),
    ]
    assert figures(totals) == ("80.00", "10.00", "15.70", "85.70")


def test_a_commitment_is_made_good_anew_when_usage_is_counted_again() -> None:
    """Of 100.00 agreed 8.50 were used when the period ended, and 58.50 when what was late had come: 91.50 are missing, then 41.50."""
    calls = due(CALLS)
    commitment = due(None, kind=DueKind.COMMITMENT_TRUE_UP, cause="commitment", amount=Decimal(100))
    made = drafting.pieces_of([calls, commitment], known(measured={calls.cause: used("2500")}))
    assert [piece.gross for piece in made] == [Fraction("8.5"), Fraction("91.5")]
    again = [pieces.again(made[0], used("52500")), made[1]]
    assert [piece.gross for piece in drafting.recommitted(again, served={}, currency=EUR)] == [Fraction("58.5"), Fraction("41.5")]
