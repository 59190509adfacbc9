"""When a pack is due, what it is of, its states, and the data points for ESRS E1."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonledger.domains.receipts.core import esrs, packs
from carbonledger.domains.receipts.types.credits import Allocation, AllocationState, Block, Credit, CreditKind, Interval
from carbonledger.domains.receipts.types.packs import TRANSITIONS, PackFault, Part, Standing, State, StoredFile
from tests.unit.domains.receipts.core.test_recompute import closed

ROOT = bytes(range(32))
AT = datetime(2026, 11, 3, tzinfo=UTC)


@given(st.lists(st.sampled_from(State), max_size=6))
def test_a_pack_is_made_once_and_stays(moves: list[State]) -> None:
    state = State.ORDERED
    for to in moves:
        if to in TRANSITIONS[state]:
            state = packs.move(state, to)
        else:
            with pytest.raises(PackFault):
                packs.move(state, to)
    assert state is (State.MADE if State.MADE in moves else State.ORDERED)


@pytest.mark.parametrize(
    "month, zone, third",
    [
        (date(2026, 10, 1), "UTC", datetime(2026, 11, 3, tzinfo=UTC)),
        (date(2026, 12, 1), "UTC", datetime(2027, 1, 3, tzinfo=UTC)),  # into the next year
        (date(2026, 10, 1), "America/Los_Angeles", datetime(2026, 11, 3, 8, tzinfo=UTC)),  # clocks went back on the first
        (date(2026, 2, 1), "Asia/Tokyo", datetime(2026, 3, 2, 15, tzinfo=UTC)),
    ],
)
def test_a_pack_is_due_on_the_third_by_the_organizations_calendar_or_when_the_month_was_closed(
    month: date, zone: str, third: datetime
) -> None:
    assert packs.due_at(month, zone, closed_at=third - timedelta(hours=9)) == third
    assert packs.due_at(month, zone, closed_at=third + timedelta(days=9)) == third + timedelta(days=9)


@pytest.mark.parametrize(
    "newest, is_ordered, is_due",
    [(None, False, True), (b"old", False, True), (b"now", False, False), (None, True, False), (b"old", True, False)],
)
def test_it_is_due_where_the_newest_is_of_another_basis_and_none_is_being_made(
    newest: bytes | None, is_ordered: bool, is_due: bool
) -> None:
    standing = Standing(UUID(int=1), date(2026, 10, 1), "UTC", AT, b"now", newest, is_ordered)
    assert (packs.due(standing) is not None) == is_due


def test_the_basis_is_the_tree_and_the_receipts_with_their_states() -> None:
    same = packs.basis(ROOT, ["a issued", "b revoked"])
    assert same == packs.basis(ROOT, ["b revoked", "a issued"])
    others = [
        packs.basis(ROOT[::-1], ["a issued", "b revoked"]),
        packs.basis(ROOT, ["a issued"]),
        packs.basis(ROOT, ["a issued", "b issued"]),
    ]
    assert len({same, *others}) == 4


def test_files_stand_in_the_order_of_their_names_after_the_manifest() -> None:
    names = ["b", "manifest.json", "a/b", "A", "z"]
    found = packs.in_order(StoredFile(name=name, sha256="", crc32=0, parts=(Part("", 1),)) for name in names)
    assert [file.name for file in found] == ["manifest.json", "A", "a/b", "b", "z"]


def allocation(milligrams: int, *, year: int, kind: CreditKind, standard: str, adjusted: bool | None) -> Allocation:
    credit = Credit(
        block=Block("verra", "p", "p-1-2", 1, 2),
        quantity_mg=2 * 10**9,
        project_id="P",
        project_name="P",
        standard=standard,
        kind=kind,
        vintage=2024,
        retired_on=date(year, 5, 1),
        retirement_reference="R",
        retirement_url="https://registry.example/R",
        beneficiary="B",
        reason=None,
        corresponding_adjustment=adjusted,
        evidence_sha256=None,
    )
    return Allocation(
        id=UUID(int=1),
        receipt_id=UUID(int=2),
        serial="CL-202611-E9PEJ",
        lot_id=UUID(int=3),
        credit=credit,
        interval=Interval(0, milligrams),
        state=AllocationState.MADE,
        made_at=AT,
        released_at=None,
    )


def test_credits_are_told_by_year_kind_standard_and_adjustment() -> None:
    held = [
        allocation(5, year=2025, kind=CreditKind.REMOVAL, standard="VCS", adjusted=None),
        allocation(7, year=2026, kind=CreditKind.REDUCTION, standard="VCS", adjusted=True),
        allocation(11, year=2026, kind=CreditKind.REDUCTION, standard="GS", adjusted=False),
    ]
    points = {one["meaning"]: one for one in json.loads(esrs.document(closed([], {}), held))["data_points"]}
    assert points["carbon_credits_cancelled"]["value"] == {"2025": 5, "2026": 18}
    assert points["carbon_credits_cancelled_by_kind"]["value"] == {"removal": 5, "reduction": 18}
    assert points["carbon_credits_cancelled_by_standard"]["value"] == {"VCS": 12, "GS": 11}
    assert points["carbon_credits_cancelled_with_corresponding_adjustment"]["value"] == {"not_stated": 5, "yes": 7, "no": 11}
    assert points["carbon_credits_cancelled_in_eu"]["value"] is None
    assert points["gross_scope_3_purchased_services_location_based"]["value"] == {"low": 0, "mid": 0, "high": 0}


def test_every_meaning_stands_in_every_version_of_the_map() -> None:
    meanings = {one["meaning"] for one in json.loads(esrs.document(closed([], {}), []))["data_points"]}
    assert all(set(paragraphs) == meanings for paragraphs in esrs.MAPS.values())
    assert esrs.MAP in esrs.MAPS
