"""The words on a printed receipt, each worked out by hand from its milligrams."""

from __future__ import annotations

import dataclasses

import pytest

from carbonledger.domains.receipts.core import sheet
from carbonledger.domains.receipts.types import printing
from carbonledger_proof import bundle, measures, merkle, statement
from tests.unit.proof import worlds

URL = "https://ledger.example/verify"


def page(**changes: object) -> printing.Sheet:
    return sheet.sheet(worlds.world(**changes).bundled(), organization="Acme Robotics", verify_url=URL)


def only(entries: tuple[measures.Range | None, measures.Range | None]) -> tuple[measures.Gross, ...]:
    bases = (measures.Basis.LOCATION, measures.Basis.MARKET)
    return tuple(
        measures.Gross(scope=measures.Scope.SCOPE_3, basis=basis, co2e_mg=found) for basis, found in zip(bases, entries, strict=True)
    )


def test_figures_are_ranges_in_units_that_suit_them() -> None:
    made = page()

    assert made.gross == printing.Gross("location-based", "400 g CO₂e", "1.2 kg CO₂e", "3.6 kg CO₂e", start=1111, at=3333)
    assert made.parties[1] == printing.Figure("Period", "1 to 30 November 2026", "Europe/Berlin")
    assert made.parties[2].value == "3 December 2026, 00:05 UTC"
    assert [(one.label, one.value, one.detail) for one in made.measures] == [
        ("Energy", "2 µWh", "1 to 3 µWh"),
        ("Tokens covered", "3,753", "100 % of all"),  # 3,003 + 600 + 150
        ("Tokens not covered", "0", None),
        ("Cost of the usage", "0.0045 USD", None),  # 4,500,000,003 x 10^-12
    ]
    assert [(row.interval, row.amount) for row in made.credits] == [
        ("0 to 3,000,000 mg", "3 kg CO₂e"),
        ("5,000,000 to 5,600,000 mg", "600 g CO₂e"),
    ]


def test_it_says_compensation_claim_and_never_net_zero() -> None:
    made = page()

    assert "compensation claim" in made.wording
    assert "net zero" not in repr(made).lower()
    assert "offset" not in repr(made).lower()


def test_what_is_not_covered_is_said_to_be_unknown_and_not_zero() -> None:
    made = page(gross=only((None, None)), projects=(), compensation=None, allocations=(), energy_uwh=None)

    assert made.gross is None
    assert made.story.endswith("They are not zero.")
    assert made.compensation == "Nothing is compensated by this receipt."


NONE = measures.Range(0, 0, 0)
NO_TOKENS = measures.Buckets(uncached_input=0, cached_input=0, cache_creation_5m=0, cache_creation_1h=0, output=0)
EMPTY: dict[str, object] = {
    "events": statement.Events(root=merkle.EMPTY_ROOT.hex(), count=0),
    "gross": only((NONE, NONE)),
    "energy_uwh": NONE,
    "tokens": measures.Tokens(covered=NO_TOKENS, not_covered=NO_TOKENS),
    "cost": (measures.Cost(currency="USD", amount=0, scale=12),),
    "projects": (),
    "compensation": statement.Compensation(basis=measures.Basis.LOCATION, bound=measures.Bound.HIGH, share_bp=10_000, required_mg=0),
    "allocations": (),
    "adjustments": (),
}


def test_a_month_without_usage_says_so_and_is_not_taken_for_an_estimate() -> None:
    made = page(**EMPTY)

    assert made.story == (
        "For 1 to 30 November 2026 no use of AI models was recorded for this organization. So there is nothing to estimate: the "
        "emissions that this receipt states are zero, and no credits are allocated to it."
    )
    assert made.compensation == "Nothing had to be compensated: no usage was recorded in this month."
    assert made.gross == printing.Gross("location-based", "0 g CO₂e", "0 g CO₂e", "0 g CO₂e", start=0, at=0)
    assert [(one.label, one.value) for one in made.measures] == [
        ("Energy", "0 Wh"),
        ("Tokens covered", "0"),
        ("Tokens not covered", "0"),
        ("Market-based", "0 g CO₂e"),
        ("Cost of the usage", "0 USD"),
    ]


def test_usage_that_emits_nothing_needs_no_credits_and_is_not_called_absent() -> None:
    made = page(**{**EMPTY, "events": statement.Events(root="ab" * 32, count=3)})

    assert made.story.startswith("From 1 to 30 November 2026, this organization's use of AI models emitted an estimated 0 g CO₂e")
    assert made.compensation == "Nothing had to be compensated: no emissions were estimated for the usage of this month."


def test_the_market_basis_stands_in_where_the_other_is_not_known() -> None:
    made = page(gross=only((None, measures.Range(1_000, 2_000, 3_000))), projects=(), compensation=None, allocations=())

    assert made.gross == printing.Gross("market-based", "1 g CO₂e", "2 g CO₂e", "3 g CO₂e", start=3333, at=6666)


@pytest.mark.parametrize(
    "state,by,said",
    [
        (bundle.State.VALID, None, None),
        (bundle.State.REVOKED, None, "This receipt was revoked and is no longer valid."),
        (bundle.State.SUPERSEDED, worlds.serial(7), f"This receipt was superseded by {worlds.serial(7)} and is no longer valid."),
    ],
)
def test_a_receipt_that_no_longer_stands_says_so(state: bundle.State, by: str | None, said: str | None) -> None:
    made = worlds.world().bundled(status=bundle.Status(state=state, by=by))

    assert sheet.sheet(made, organization="Acme", verify_url=URL).standing == said


@pytest.mark.parametrize(
    "given,shown",
    [
        ("Grünes Tal", "Grünes Tal"),
        ("Проект", "Проект"),
        ("名前 🎉", "▯▯ ▯"),
        ("a\nb", "a▯b"),
        ("\u202eevil", "▯evil"),
        ("x" * 36, "x" * 36),
        ("x" * 37, "x" * 35 + "…"),
    ],
)
def test_names_are_shown_as_far_as_the_font_goes(given: str, shown: str) -> None:
    assert sheet.seen(given) == shown


def test_rows_beyond_the_page_are_added_up_and_counted() -> None:
    def share(number: int) -> statement.Project:
        gross = only((measures.Range(1_000, 2_000, 3_000), None))
        cost = (measures.Cost(currency="USD", amount=250, scale=2),)
        return statement.Project(project=f"018f0000-0000-7000-8000-{number:012d}", name=f"P{number}", gross=gross, cost=cost)

    projects = tuple(share(number) for number in range(7))
    made = page(
        projects=projects,
        gross=only((measures.Range(7_000, 14_000, 21_000), None)),
        cost=(measures.Cost(currency="USD", amount=1750, scale=2),),
        compensation=None,
        allocations=(),
    )

    assert [row.name for row in made.projects] == ["P0", "P1", "P2", "P3", "3 more (all are in the attached bundle)"]
    assert made.projects[-1] == printing.ProjectRow(made.projects[-1].name, "6.00 g CO₂e", "3 to 9 g CO₂e", "7.50 USD")


def test_adjustments_say_which_way_they_go() -> None:
    given = statement.Adjustment(
        month="2026-10", receipt=None, events=1, gross=only((measures.Range(-3_000, -2_000, -1_000), None)), cost=()
    )

    made = page(adjustments=(given, dataclasses.replace(given, month="2026-09", events=-1200, receipt=worlds.serial(1, "2026-09"))))

    assert made.adjustments == (
        "October 2026: -2 g CO₂e from 1 event more.",
        f"September 2026: -2 g CO₂e from 1,200 events fewer, after receipt {worlds.serial(1, '2026-09')}.",
    )


def test_a_test_receipt_says_so_above_everything_else() -> None:
    made_up = tuple(dataclasses.replace(one, registry="sandbox") for one in worlds.receipt().allocations)
    made = page(test=True, allocations=made_up)

    assert made.is_test
    assert made.title == f"TEST: carbon receipt {worlds.serial()}"
    assert made.standing == "This is a test, issued to a sandbox. No usage of it took place, and it compensates nothing."
    assert (page().is_test, page().standing) == (False, None)
