"""A receipt is read only if every member is as it has to be, and if what it says adds up."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonledger_proof import canonical, errors, measures, shape, signature, statement
from tests.unit.proof import worlds

RECEIPT = worlds.receipt()


def document() -> Any:  # noqa: ANN401 - a document that a test takes apart
    return json.loads(canonical.write(RECEIPT.to_json()))


def test_a_receipt_is_read_as_it_was_written() -> None:
    written = canonical.write(RECEIPT.to_json())
    read = statement.from_json(canonical.read_canonical(written))
    assert read == RECEIPT
    assert canonical.write(read.to_json()) == written
    assert read.sha256 == RECEIPT.sha256


def test_a_receipt_has_integers_texts_unknowns_and_one_yes_or_no() -> None:
    def walk(value: object) -> None:
        assert isinstance(value, dict | list | str | int | None)
        assert not isinstance(value, bool)
        for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else []:
            walk(inner)

    found = document()
    assert found.pop("test") is False
    walk(found)


@pytest.mark.parametrize(
    "place,value",
    [
        (("schema",), "carbon-ledger/receipt/v2"),
        (("test",), 0),
        (("test",), "false"),
        (("test",), True),  # it holds real credits
        (("allocations", 0, "registry"), "sandbox"),
        (("serial",), "CL-202611-00000"),  # its check character is wrong
        (("serial",), worlds.serial(0, "2026-10")),  # of another month
        (("serial",), worlds.serial().lower()),
        (("issuer",), ""),
        (("organization",), "Acme GmbH"),
        (("period", "zone"), "../../etc/passwd"),
        (("period", "month"), "2026-13"),
        (("period", "end"), "2026-10-31T23:00:00Z"),
        (("period", "start"), "2026-10-31T23:00:00+00:00"),
        (("period", "start"), "2026-10-31T24:00:00Z"),
        (("period", "start"), "2026-02-30T00:00:00Z"),
        (("period", "start"), "2026-10-31T23:00:00.5Z"),
        (("gross", 0, "scope"), 3),
        (("gross", 0, "basis"), "offset"),
        (("gross", 0, "co2e_mg", "mid"), -1),
        (("gross", 0, "co2e_mg", "low"), 1_200_001),
        (("gross", 1, "basis"), "location"),
        (("events", "root"), "AB" * 32),
        (("events", "count"), -1),
        (("tokens", "covered", "output"), 1.0),
        (("tokens", "covered", "output"), "150"),
        (("tokens", "covered", "output"), True),
        (("cost", 0, "amount"), "04500000003"),
        (("cost", 0, "amount"), "-0"),
        (("cost", 0, "amount"), 4_500_000_003),
        (("cost", 0, "amount"), "1" * 39),
        (("cost", 0, "scale"), 19),
        (("cost", 0, "currency"), "usd"),
        (("factor_sets", 0, "sha256"), "cd" * 31),
        (("projects", 0, "name"), "two\nlines"),
        (("projects", 0, "name"), " blank"),
        (("projects", 0, "project"), str(worlds.PROJECT).upper()),
        (("compensation", "share_bp"), 0),
        (("compensation", "share_bp"), 10_001),
        (("compensation", "required_mg"), 3_599_999),
        (("compensation",), None),
        (("allocations", 0, "claim"), "net zero"),
        (("allocations", 0, "kind"), "avoidance"),
        (("allocations", 0, "to_mg"), 0),
        (("allocations", 0, "retirement_url"), "javascript:alert(1)"),
        (("allocations", 0, "vintage"), 1989),
        (("allocations",), []),
        (("wording",), "We are net zero."),
        (("supersedes",), worlds.serial()),
        (("issued_at",), "2026-11-30T22:59:59Z"),
        (("kid",), ""),
        (("more",), 1),
    ],
)
def test_a_member_that_is_not_as_it_has_to_be_is_refused(place: tuple[Any, ...], value: object) -> None:
    changed = document()
    inner = changed
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = value
    with pytest.raises(errors.StatementInvalid):
        statement.from_json(changed)


@pytest.mark.parametrize("name", sorted(document()))
def test_a_member_that_is_missing_is_refused(name: str) -> None:
    changed = document()
    del changed[name]
    with pytest.raises(errors.StatementInvalid, match=f"/{name}: It is missing"):
        statement.from_json(changed)


def test_the_error_leads_to_the_member() -> None:
    changed = document()
    changed["allocations"][1]["to_mg"] = 1
    with pytest.raises(errors.StatementInvalid, match=r"^/allocations/1/to_mg: "):
        statement.from_json(changed)


def test_a_test_receipt_may_be_issued_before_its_period_ends_and_holds_made_up_credits_only() -> None:
    made_up = tuple(dataclasses.replace(one, registry="sandbox") for one in RECEIPT.allocations)
    early = RECEIPT.period.start
    found = worlds.receipt(test=True, allocations=made_up, issued_at=early)
    assert statement.from_json(found.to_json()) == found
    for wrong in (
        {"test": True},
        {"test": True, "allocations": (made_up[0], RECEIPT.allocations[1])},
        {"test": False, "allocations": made_up},
        {"test": False, "issued_at": early},
    ):
        with pytest.raises(errors.StatementInvalid, match=r"^/(allocations|issued_at): "):
            worlds.receipt(**wrong)


def project(share: measures.Range, amount: int, number: int) -> statement.Project:
    identity = f"018f0000-0000-7000-8000-00000000000{number}"
    gross = (measures.Gross(scope=measures.Scope.SCOPE_3, basis=measures.Basis.LOCATION, co2e_mg=share),)
    return statement.Project(project=identity, name=None, gross=gross, cost=(measures.Cost(currency="USD", amount=amount, scale=12),))


def test_projects_add_up_to_the_milligram_or_are_refused() -> None:
    parts = (
        project(measures.Range(100_000, 200_000, 600_000), 3, 1),
        project(measures.Range(300_000, 1_000_000, 3_000_000), 4_500_000_000, 2),
    )
    assert worlds.receipt(projects=parts).projects == parts
    assert worlds.receipt(projects=()).projects == ()
    for wrong in (
        (parts[0], project(measures.Range(300_000, 1_000_000, 2_999_999), 4_500_000_000, 2)),
        (parts[0], project(measures.Range(300_000, 1_000_000, 3_000_000), 4_500_000_001, 2)),
        parts[:1],
        (*parts, parts[0]),
    ):
        with pytest.raises(errors.StatementInvalid, match="/projects"):
            worlds.receipt(projects=wrong)


def test_money_of_two_scales_is_the_same_money() -> None:
    cents = (measures.Cost(currency="USD", amount=450, scale=2),)
    pico = (measures.Cost(currency="USD", amount=4_500_000_000_000, scale=12),)
    one = dataclasses.replace(RECEIPT.projects[0], cost=pico)
    assert worlds.receipt(cost=cents, projects=(one,)).cost == cents


# What is compensated, by hand: a share of the bound, up to the next milligram.
@pytest.mark.parametrize(
    "bound,share_bp,required",
    [("low", 10_000, 400_000), ("mid", 10_000, 1_200_000), ("high", 5_000, 1_800_000), ("low", 1, 40), ("mid", 3_333, 399_960)],
)
def test_a_share_of_a_bound(bound: str, share_bp: int, required: int) -> None:
    found = measures.required_mg(worlds.gross(), basis=measures.Basis.LOCATION, bound=measures.Bound(bound), share_bp=share_bp)
    assert found == required


def test_a_share_is_rounded_up_is_never_negative_and_unknown_stays_unknown() -> None:
    def required(gross: tuple[measures.Gross, ...], basis: measures.Basis = measures.Basis.LOCATION) -> int | None:
        return measures.required_mg(gross, basis=basis, bound=measures.Bound.LOW, share_bp=1)

    assert required(worlds.gross(low=1)) == 1
    assert required(worlds.gross(low=10_001)) == 2
    assert required(worlds.gross(low=-10_001)) == 0
    assert required(worlds.gross(), measures.Basis.MARKET) is None
    assert required(()) is None


def test_parts_of_a_block_that_overlap_are_refused() -> None:
    both = (worlds.allocation(0, 3_000_000), worlds.allocation(2_999_999, 3_599_999))
    with pytest.raises(errors.StatementInvalid, match="overlap"):
        worlds.receipt(allocations=both)
    other = (worlds.allocation(0, 3_000_000), worlds.allocation(0, 600_000, block="another"))
    assert worlds.receipt(allocations=other).allocations == other


def adjustment(**changes: object) -> statement.Adjustment:
    given: dict[str, Any] = {
        "month": "2026-10",
        "receipt": worlds.serial(5, "2026-10"),
        "events": 1,
        "gross": worlds.gross(-5, -400_000, 7),
        "cost": worlds.cost(-1),
    }
    return statement.Adjustment(**{**given, **changes})


def test_an_adjustment_may_take_away_and_is_of_an_earlier_month() -> None:
    negative = worlds.gross(-5, -400_000, 7)
    adjusted = worlds.receipt(adjustments=(adjustment(),), gross=negative, projects=(), compensation=None, allocations=())
    assert statement.from_json(adjusted.to_json()) == adjusted
    with pytest.raises(errors.StatementInvalid, match="/gross/0"):
        worlds.receipt(gross=negative, projects=(), compensation=None, allocations=())
    for wrong in ((adjustment(month="2026-11"),), (adjustment(), adjustment())):
        with pytest.raises(errors.StatementInvalid, match="/adjustments"):
            worlds.receipt(adjustments=wrong)


@given(st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)))  # noqa: DTZ001 - hypothesis draws them without a zone
def test_instants_are_read_as_they_were_written(moment: datetime) -> None:
    exact = moment.replace(tzinfo=UTC)
    assert shape.instant(micros=True).read(shape.to_instant(exact, micros=True)) == exact
    second = exact.replace(microsecond=0)
    assert shape.instant().read(shape.to_instant(second)) == second


def test_an_instant_without_a_zone_or_too_fine_is_not_written() -> None:
    for wrong in (RECEIPT.issued_at.replace(tzinfo=None), RECEIPT.issued_at + timedelta(microseconds=1)):
        with pytest.raises(errors.StatementInvalid):
            shape.to_instant(wrong)


def test_the_wording_is_a_compensation_claim_and_no_more() -> None:
    assert "compensation claim" in statement.WORDING
    for word in ("net zero", "net-zero", "neutral", "climate positive", "offset in full"):
        assert word not in statement.WORDING.lower()


@pytest.mark.parametrize(
    "changes",
    [
        {"issuer": "two\nlines"},
        {"organization": "Acme"},
        {"kid": "x" * 44},
        {"energy_uwh": measures.Range(0, 0, 2**53)},
        {"events": statement.Events(root="ab", count=1)},
        {"factor_sets": (measures.Version(version="1.0", sha256="AB" * 32),)},
        {"issued_at": worlds.ISSUED + timedelta(microseconds=1)},
    ],
)
def test_what_nobody_could_read_is_not_signed(changes: dict[str, Any]) -> None:
    with pytest.raises(errors.ProofError):
        statement.signed(worlds.receipt(**changes), worlds.RECEIPT_SIGN)


def test_the_signature_is_over_the_canonical_bytes_under_the_schema_s_name() -> None:
    made = worlds.RECEIPT_SIGN(b"carbon-ledger/receipt/v1\n" + canonical.write(RECEIPT.to_json()))
    assert signature.from_base64url(statement.signed(RECEIPT, worlds.RECEIPT_SIGN), 64) == made
