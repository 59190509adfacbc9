"""What a document comes to: worked examples of each step, and what holds for any document."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonledger.domains.accounts.types import TaxTreatment
from carbonledger.domains.catalog.types.plans import AmountDiscount, Discount, PercentDiscount
from carbonledger.domains.invoices.core import exact, totals
from carbonledger.domains.invoices.types.rating import Part
from carbonledger.domains.invoices.types.totals import DocumentTotals, Item, Tax, TaxRounding
from carbonledger.kernel import currency

D, F = Decimal, Fraction
EUR, JPY, KWD, CLF = (currency.by_code(code) for code in ("EUR", "JPY", "KWD", "CLF"))
VAT_19, VAT_20 = Tax("vat_19", D(19)), Tax("vat_20", D(20))
INCLUDED_19, INCLUDED_20 = Tax("vat_19", D(19), inclusive=True), Tax("vat_20", D(20), inclusive=True)


def _total(
    *amounts: str,
    taxes: Sequence[Tax] = (),
    discounts: Sequence[Discount] = (),
    in_currency: currency.Currency = EUR,
    treatment: TaxTreatment = TaxTreatment.STANDARD,
    rounding: TaxRounding = TaxRounding.DOCUMENT,
) -> DocumentTotals:
    items = [Item(F(amount), taxes=tuple(taxes)) for amount in amounts]
    return totals.total(items, currency=in_currency, discounts=discounts, treatment=treatment, rounding=rounding)


def _sums(document: DocumentTotals) -> list[Decimal]:
    return [document.subtotal, document.discount, document.tax, document.total]


def _are(*amounts: str) -> list[Decimal]:
    return [D(amount) for amount in amounts]


def test_tax_is_taken_of_unrounded_amounts_and_rounded_once() -> None:
    """Three lines of 0.333 are 0.33 each. Tax of 0.999 at 20% is 0.1998: 0.20; of the rounded ones it would be 0.198."""
    document = _total("0.333", "0.333", "0.333", taxes=[VAT_20])
    assert _sums(document) == _are("0.99", "0", "0.20", "1.19")
    assert [str(line.tax) for line in document.lines] == ["0.07", "0.07", "0.06"]  # of equal remainders the earlier


def test_tax_of_each_line_by_itself_is_rounded_there() -> None:
    """The same three: 0.0666 is 0.07, three times."""
    document = _total("0.333", "0.333", "0.333", taxes=[VAT_20], rounding=TaxRounding.LINE)
    assert _sums(document) == _are("0.99", "0", "0.21", "1.20")


def test_a_document_discount_lowers_the_tax_of_every_line() -> None:
    """10% off 30.00 is 3.00; 19% of 27.00 is 5.13."""
    document = _total("10", "20", taxes=[VAT_19], discounts=[PercentDiscount(D(10))])
    assert _sums(document) == _are("30.00", "3.00", "5.13", "32.13")
    assert [(str(line.discount), str(line.tax)) for line in document.lines] == [("1.00", "1.71"), ("2.00", "3.42")]


@pytest.mark.parametrize(
    "only, off, discounts",
    [
        ({0: (0,)}, ["10.00", "0.00", "0.00"], ["10.00"]),
        ({0: (0, 1)}, ["4.00", "6.00", "0.00"], ["10.00"]),  # by what the lines are: 20 and 30
        ({0: (2,)}, ["0.00", "0.00", "5.00"], ["5.00"]),  # no more than those lines are
        ({0: ()}, ["0.00", "0.00", "0.00"], ["0.00"]),
        # 10.00 off the first, and 15.00 off all: 10, 30 and 5 are left, of which that is a third
        ({0: (0,)}, ["13.33", "10.00", "1.67"], ["10.00", "15.00"]),
    ],
)
def test_a_discount_of_some_lines_is_off_no_other(only: dict[int, tuple[int, ...]], off: list[str], discounts: list[str]) -> None:
    some = [AmountDiscount(D(10)), AmountDiscount(D(15))][: len(discounts)]
    document = totals.total([Item(F(amount)) for amount in (20, 30, 5)], currency=EUR, discounts=some, only=only)
    assert [str(line.discount) for line in document.lines] == off
    assert [str(one) for one in document.discounts] == discounts


def test_a_credit_beside_them_makes_a_discount_of_some_lines_no_smaller() -> None:
    document = totals.total([Item(F(20)), Item(F(-50))], currency=EUR, discounts=[AmountDiscount(D(10))], only={0: (0,)})
    assert _sums(document) == _are("-30.00", "10.00", "0", "-40.00")


@pytest.mark.parametrize(
    "discounts, steps, left",
    [
        ([PercentDiscount(D(10)), AmountDiscount(D(5))], ["10.00", "5.00"], "85.00"),
        ([AmountDiscount(D(5)), PercentDiscount(D(10))], ["5.00", "9.50"], "85.50"),  # a tenth of the 95.00 that are left
        ([PercentDiscount(D(50)), PercentDiscount(D(50))], ["50.00", "25.00"], "25.00"),  # never the sum of both
        ([AmountDiscount(D(120))], ["100.00"], "0.00"),  # no more than there is
        ([AmountDiscount(D(60)), AmountDiscount(D(60))], ["60.00", "40.00"], "0.00"),
        ([PercentDiscount(D(100)), AmountDiscount(D(5))], ["100.00", "0"], "0.00"),
        ([PercentDiscount(D("33.335")), PercentDiscount(D("33.335"))], ["33.34", "22.22"], "44.44"),  # 33.335 and 22.2227775: 55.5577775
    ],
)
def test_discounts_are_taken_in_their_order_each_off_what_is_left(discounts: list[Discount], steps: list[str], left: str) -> None:
    document = _total("60", "40", discounts=discounts)
    assert [D(step) for step in steps] == list(document.discounts)
    assert document.total == D(left)


def test_a_discount_of_a_line_is_taken_before_it_is_rounded() -> None:
    """1.005 less 10% is 0.9045: 0.90. Rounded first it would be 1.01 less 0.10: 0.91."""
    document = totals.total([Item(F("1.005"), (PercentDiscount(D(10)),))], currency=EUR)
    (line,) = document.lines
    assert (str(line.amount), line.unrounded, line.line_discount) == ("0.90", F("0.9045"), F("0.1005"))


def test_tax_inside_a_price_is_told_and_never_added() -> None:
    """119.00 with 19% inside: 100.00 and 19.00 of tax."""
    document = _total("119", taxes=[INCLUDED_19])
    assert _sums(document) == _are("119.00", "0", "0", "119.00")
    assert (str(document.tax_included), str(document.net)) == ("19.00", "100.00")
    assert [(str(tax.taxable), str(tax.amount)) for tax in document.taxes] == [("100.00", "19.00")]


def test_tax_on_top_and_tax_inside_come_to_what_stripe_says() -> None:
    """Stripe, "Inclusive and exclusive tax options in the tax rate API": 600 with 10% on top is 660, with 10% inside it stays 600."""
    assert _total("600", taxes=[Tax("ten", D(10))]).total == D(660)
    assert _total("600", taxes=[Tax("ten", D(10), inclusive=True)]).total == D(600)


def test_tax_inside_a_price_is_rounded_half_up() -> None:
    """Zuora, "Rounding rule for inclusive tax mode", rounding the tax amount: 2.99 with 4% inside is 0.115, so 0.12."""
    document = _total("2.99", taxes=[Tax("vat_4", D(4), inclusive=True)])
    assert (str(document.tax_included), str(document.net), str(document.total)) == ("0.12", "2.87", "2.99")


def test_tax_on_top_of_a_price_with_tax_inside_is_taken_of_the_net() -> None:
    """120.00 with 20% inside is 100.00 net; 5% on top of that is 5.00."""
    document = _total("120", taxes=[INCLUDED_20, Tax("city", D(5))])
    assert (str(document.tax), str(document.tax_included), str(document.total)) == ("5.00", "20.00", "125.00")


def test_taxes_of_two_rates_are_rounded_together_and_shown_apart() -> None:
    """0.125 and 0.375 of tax are 0.50 together: 0.13 and 0.37, of equal remainders the earlier."""
    document = totals.total([Item(F("2.50"), taxes=(Tax("five", D(5)),)), Item(F("3.75"), taxes=(Tax("ten", D(10)),))], currency=EUR)
    assert [(tax.tax.code, str(tax.taxable), str(tax.amount)) for tax in document.taxes] == [
        ("five", "2.50", "0.13"),
        ("ten", "3.75", "0.37"),
    ]
    assert document.tax == D("0.50")


@pytest.mark.parametrize("treatment", [TaxTreatment.EXEMPT, TaxTreatment.REVERSE_CHARGE])
def test_who_is_exempt_or_owes_the_tax_itself_is_charged_none(treatment: TaxTreatment) -> None:
    document = _total("100", "19.99", taxes=[VAT_19, INCLUDED_20], treatment=treatment)
    assert _sums(document) == _are("119.99", "0", "0", "119.99")
    assert document.tax_included == 0
    assert not document.taxes


@pytest.mark.parametrize(
    "unit, amount, rounded, tax, total",
    [
        (JPY, "1234.5", "1235", "247", "1482"),  # 20% of 1,234.5 is 246.9
        (EUR, "1234.565", "1234.57", "246.91", "1481.48"),  # 246.913
        (KWD, "1234.5675", "1234.568", "246.914", "1481.482"),  # 246.9135, a tie
        (CLF, "1234.56785", "1234.5679", "246.9136", "1481.4815"),  # 246.91357
    ],
)
def test_currencies_are_rounded_at_their_own_minor_unit(unit: currency.Currency, amount: str, rounded: str, tax: str, total: str) -> None:
    document = _total(amount, taxes=[VAT_20], in_currency=unit)
    assert _sums(document) == _are(rounded, "0", tax, total)


def test_a_credit_is_never_made_smaller_by_a_discount() -> None:
    document = _total("-10", "4", discounts=[AmountDiscount(D(3))], taxes=[VAT_20])
    assert _sums(document) == _are("-6.00", "0", "-1.20", "-7.20")
    assert totals.left(F(-10), [PercentDiscount(D(50))]) == -10


def test_an_upgrade_in_the_middle_of_a_month_credits_and_charges_halves() -> None:
    """Stripe, "How prorations work": from 10 to 20 USD halfway, -5 of unused time and +10 of remaining time: 5 more."""
    assert _total("-5", "10").total == D(5)


def test_a_document_of_nothing_is_empty_and_one_that_comes_to_nothing_is_not() -> None:
    assert _total().is_empty
    nothing = _total("0", "0", discounts=[AmountDiscount(D(5))], taxes=[VAT_19])
    assert not nothing.is_empty
    assert D(nothing.total) == 0


@pytest.mark.parametrize(
    "commitment, charged, part, missing",
    [
        # Lago, "Negotiated contract billing": a minimum of 1,000 a month with 800 and with 1,300 of usage
        ("1000", ["800"], Part(1, 1), "200"),
        ("1000", ["1300"], Part(1, 1), "0"),
        # Lago, "Spending minimums": a minimum of 100 with 50 of usage
        ("100", ["50"], Part(1, 1), "50"),
        ("100", ["20.10", "30.20"], Part(17, 31), "4.54"),  # 54.8387… is 54.84
        ("100", ["-5"], Part(1, 1), "105"),
        ("100", [], Part(0, 31), "0"),
    ],
)
def test_what_is_missing_of_a_commitment_is_charged(commitment: str, charged: list[str], part: Part, missing: str) -> None:
    assert totals.true_up(D(commitment), map(D, charged), currency=EUR, part=part) == D(missing)


# --- whichever the document

# Made of integers, which are drawn many times faster than fractions and decimals are
amounts = st.builds(Fraction, st.integers(-(10**9), 10**9), st.sampled_from([1, 7, 30, 31, 366, 1000, 3100]))
percents = st.integers(0, 10**6).map(lambda units: D(units).scaleb(-4))
taxes = st.builds(Tax, st.sampled_from(["a", "b", "c"]), percents, st.booleans())
some_discounts = st.lists(
    st.one_of(
        st.builds(PercentDiscount, percents.filter(bool)),
        st.builds(AmountDiscount, st.integers(1, 10**6).map(D)),
    ),
    max_size=3,
)
items = st.builds(Item, amounts, some_discounts.map(tuple), st.lists(taxes, max_size=3, unique_by=lambda tax: tax.code).map(tuple))
currencies = st.sampled_from([EUR, JPY, KWD, CLF])


def _exactly(values: Sequence[Decimal]) -> Fraction:
    return sum(map(Fraction, values), Fraction(0))


@given(st.lists(items, max_size=12), currencies, some_discounts, st.sampled_from(TaxRounding))
def test_every_sum_of_a_document_is_that_of_its_parts(
    some: list[Item], unit: currency.Currency, discounts: list[Discount], rounding: TaxRounding
) -> None:
    document = totals.total(some, currency=unit, discounts=discounts, rounding=rounding)
    lines = document.lines
    assert _exactly([line.amount for line in lines]) == document.subtotal
    assert _exactly([line.discount for line in lines]) == document.discount == _exactly(document.discounts)
    assert _exactly([line.tax for line in lines]) == document.tax
    assert _exactly([line.tax_included for line in lines]) == document.tax_included
    assert _exactly([tax.amount for tax in document.taxes]) == F(document.tax) + F(document.tax_included)
    assert F(document.subtotal) - F(document.discount) + F(document.tax) == document.total
    for line in lines:
        assert exact.rounded(line.unrounded, unit.minor_digits) == line.amount
        assert _exactly([one.amount for one in line.taxes]) == F(line.tax) + F(line.tax_included)


@given(st.lists(items, max_size=12), currencies, some_discounts)
def test_a_discount_is_never_more_than_there_is(some: list[Item], unit: currency.Currency, discounts: list[Discount]) -> None:
    document = totals.total(some, currency=unit, discounts=discounts)
    assert 0 <= document.discount <= max(document.subtotal, D(0))


@given(st.lists(st.builds(Item, amounts, st.just(()), st.just((VAT_19,))), min_size=1, max_size=12), some_discounts)
def test_tax_of_the_document_is_within_a_unit_for_each_line_of_tax_by_line(some: list[Item], discounts: list[Discount]) -> None:
    document = totals.total(some, currency=EUR, discounts=discounts)
    by_line = totals.total(some, currency=EUR, discounts=discounts, rounding=TaxRounding.LINE)
    assert abs(document.tax - by_line.tax) <= D("0.01") * len(some)
    for one, other in zip(document.lines, by_line.lines, strict=True):
        assert abs(one.tax - other.tax) <= D("0.01")


@given(st.lists(items, max_size=8), currencies, percents.filter(bool), percents.filter(bool))
def test_two_percentages_take_off_the_same_in_either_order(some: list[Item], unit: currency.Currency, one: Decimal, other: Decimal) -> None:
    first = totals.total(some, currency=unit, discounts=[PercentDiscount(one), PercentDiscount(other)])
    second = totals.total(some, currency=unit, discounts=[PercentDiscount(other), PercentDiscount(one)])
    assert (first.discount, first.tax, first.total) == (second.discount, second.tax, second.total)


@given(st.integers(1, 10**6), percents.filter(bool), st.integers(1, 10**6))
def test_a_percentage_before_an_amount_never_takes_off_less(subtotal: int, percent: Decimal, amount: int) -> None:
    some = [Item(F(subtotal))]
    percent_off, amount_off = PercentDiscount(percent), AmountDiscount(D(amount))
    first = totals.total(some, currency=EUR, discounts=[percent_off, amount_off])
    second = totals.total(some, currency=EUR, discounts=[amount_off, percent_off])
    assert first.discount >= second.discount


@given(st.lists(amounts, max_size=8), currencies)
def test_a_change_undone_at_once_comes_to_nothing(some: list[Fraction], unit: currency.Currency) -> None:
    undone = [Item(sign * amount, taxes=(VAT_19, INCLUDED_20)) for amount in some for sign in (1, -1)]
    document = totals.total(undone, currency=unit)
    assert not any((document.subtotal, document.tax, document.tax_included, document.total))


@given(st.lists(items, max_size=8), currencies)
def test_a_document_of_all_its_credits_is_the_document_with_its_signs_turned(some: list[Item], unit: currency.Currency) -> None:
    debits = [Item(item.unrounded, taxes=item.taxes) for item in some]
    credits_of = [Item(-item.unrounded, taxes=item.taxes) for item in some]
    one, other = totals.total(debits, currency=unit), totals.total(credits_of, currency=unit)
    assert (one.subtotal, one.tax, one.tax_included, one.total) == (-other.subtotal, -other.tax, -other.tax_included, -other.total)
