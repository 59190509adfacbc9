"""Serial blocks as registries write them: how many units, and which blocks share some."""

from __future__ import annotations

import pytest

from carbonledger.domains.receipts.core import blocks
from carbonledger.domains.receipts.types.credits import Block
from carbonledger.kernel.errors import Problem


def block(registry: str, text: str, start: int, end: int) -> Block:
    found = blocks.block_of(registry, text, start=start, end=end)
    assert isinstance(found, Block), found
    return found


# The first three with their numbers of units: help.cloverly.com/knowledge/registry-serial-number-ranges, which has 29,250 for the third;
# 1 to 29251, both in it, are 29,251. The fifth is on a public chain, bridged: 384723093 to 384800545 are 77,453.
@pytest.mark.parametrize(
    "registry, text, start, end, units, prefix",
    [
        (
            "verra",
            "0001-000001-000100-VCS-VCU-003-VER-US-0003-01012020-31122020-1",
            1,
            100,
            100,
            "1-*-VCS-VCU-3-VER-US-3-1012020-31122020-1",
        ),
        ("acr", "ACR-US-192-2010-203-1-5000", 1, 5000, 5000, "ACR-US-192-2010-203-*"),
        ("car", "CAR-1-US-293-1-120-CA-2006-102-1 to 29251", 1, 29251, 29251, "CAR-1-US-293-1-120-CA-2006-102-*"),
        ("gold-standard", "GS1-1-KE-GS5642-2-2016-8045-1-200", 1, 200, 200, "GS1-1-KE-GS5642-2-2016-8045-*"),
        # 29,743 credits, as the registry's own public interface told in July 2026
        ("gold-standard", "GS1-1-KE-GS7495-16-2025-30645-608-30350", 608, 30_350, 29_743, "GS1-1-KE-GS7495-16-2025-30645-*"),
        (
            "verra",
            "12082-384723093-384800545-VCS-VCU-304-VER-CN-1-191-01012008-31122008-0",
            384723093,
            384800545,
            77453,
            "12082-*-VCS-VCU-304-VER-CN-1-191-1012008-31122008-0",
        ),
        ("ers", "ERS-1-17-CO-VRU-2024-3-000000100-000000199", 100, 199, 100, "ERS-1-17-CO-VRU-2024-3-*"),
        ("other", "lot 7 to 9 of A", 7, 9, 3, "LOT-*-OF-A"),  # any registry: the range where it stands
        ("other", "A-0-0", 0, 0, 1, "A-*"),
        ("other", "5-1-5-2", 1, 5, 5, "5-*-2"),
    ],
)
def test_a_block_has_its_units_and_a_prefix_without_them(registry: str, text: str, start: int, end: int, units: int, prefix: str) -> None:
    found = block(registry, text, start, end)
    assert (found.units, found.prefix, found.text) == (units, prefix, text)


@pytest.mark.parametrize(
    "text",
    ["CORC-77-1-100", "corc-77-1-100", "CORC 77-1-100", "CORC--77: 1 to 100", "CORC-077-01-0100", " CORC_77 (1-100)", "CORC-77-1-100 "],
)
def test_a_block_that_is_written_otherwise_is_the_same_block(text: str) -> None:
    assert block("other", text, 1, 100).prefix == "CORC-77-*"


@pytest.mark.parametrize("text", ["CORC-78-1-100", "CORC-7-7-1-100", "CORC-77-1-100-A", "CORC-7.7-1-100", "CORC-7.07-1-100"])
def test_a_block_of_other_words_is_another_block(text: str) -> None:
    assert block("other", text, 1, 100).prefix not in {"CORC-77-*", block("other", "CORC-7.70-1-100", 1, 100).prefix}


@pytest.mark.parametrize(
    "registry, text, start, end, code",
    [
        ("acr", "ACR-US-192-2010-203-1-5000", 1, 4999, "block_differs"),
        ("verra", "0001-000001-000100-VCS-VCU-003-VER-US-0003-01012020-31122020-1", 1, 3, "block_differs"),
        ("acr", "ACR-US-192-2010-203-5000-1", 5000, 1, "block_reversed"),
        ("other", "A-9-2", 9, 2, "block_reversed"),
        ("verra", "ACR-US-192-2010-203-1-5000", 1, 5000, "block_unreadable"),
        ("car", "CAR-1-US-293-1-120-CA-2006-102-1-29251", 1, 29251, "block_unreadable"),
        ("acr", "ACR-US-192-2010-203-1-5000 ", 1, 5000, "block_unreadable"),
        ("acr", "ACR-US-192-2010-203-1-\u0665\u0660", 1, 50, "block_unreadable"),
        ("other", "A-1-5-1-5", 1, 5, "block_unreadable"),  # twice: which one?
        ("other", "A-1-1-1", 1, 1, "block_unreadable"),
        ("other", "A-15", 1, 5, "block_unreadable"),
        ("other", "A11-55", 1, 5, "block_unreadable"),  # parts of other numbers
        ("other", "A-1-5B", 1, 5, "block_unreadable"),
        ("other", "A\n1-5", 1, 5, "block_unreadable"),
        ("acr", "ACR-" + "X" * 200 + "-1-5", 1, 5, "block_unreadable"),
        ("acr", "ACR-X-1-9999999999999999", 1, 5, "block_unreadable"),  # more digits than a unit has
    ],
)
def test_a_block_that_is_none_is_refused(registry: str, text: str, start: int, end: int, code: str) -> None:
    found = blocks.block_of(registry, text, start=start, end=end)
    assert isinstance(found, Problem)
    assert found.code == code


@pytest.mark.parametrize(
    "left, right, meets",
    [
        (("acr", "ACR-A-1-10", 1, 10), ("acr", "ACR-A-11-20", 11, 20), False),  # neighbours
        (("acr", "ACR-A-1-10", 1, 10), ("acr", "ACR-A-10-20", 10, 20), True),  # both ends are in a block
        (("acr", "ACR-A-1-10", 1, 10), ("acr", "ACR-A-4-5", 4, 5), True),
        (("acr", "ACR-A-1-10", 1, 10), ("acr", "ACR-B-1-10", 1, 10), False),
        (("acr", "ACR-A-1-10", 1, 10), ("acr", "acr-a-01-0010", 1, 10), True),  # the same block, written otherwise
        (("acr", "ACR-A-007-1-10", 1, 10), ("acr", "ACR-A-7-1-10", 1, 10), True),
        (("acr", "ACR-A-7-1-10", 1, 10), ("acr", "ACR-A-70-1-10", 1, 10), False),
        (("other", "A-1-10", 1, 10), ("another", "A-1-10", 1, 10), False),
    ],
)
def test_blocks_share_units_where_their_ranges_meet(
    left: tuple[str, str, int, int], right: tuple[str, str, int, int], *, meets: bool
) -> None:
    one, other = block(*left), block(*right)
    assert one.meets(other) is other.meets(one) is meets


@pytest.mark.parametrize(
    "text, name",
    [
        ("verra", "verra"),
        ("Verra", "verra"),
        ("Gold-Standard", "gold-standard"),
        ("VCS", "registry_alias"),
        ("GS", "registry_alias"),
        ("Gold Standard", "registry_unreadable"),
        ("", "registry_unreadable"),
        ("-a", "registry_unreadable"),
        ("a" * 33, "registry_unreadable"),
        ("vérra", "registry_unreadable"),
    ],
)
def test_a_registry_has_one_name(text: str, name: str) -> None:
    found = blocks.registry_of(text)
    assert (found.code if isinstance(found, Problem) else found) == name


def test_a_unit_is_a_tonne_and_at_isometric_a_kilogram() -> None:
    assert (blocks.mg_per_unit("verra"), blocks.mg_per_unit("isometric")) == (1_000_000_000, 1_000_000)
