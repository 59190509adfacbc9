"""Serial blocks of registries: how each writes the range of its units, and what is left when the range is taken out.

Formats, each with a block of so many units as example:

    verra          0001-000001-000100-VCS-VCU-003-VER-US-0003-01012020-31122020-1        100   batch first, range behind it
    acr            ACR-US-192-2010-203-1-5000                                          5,000   range at the end
    car            CAR-1-US-293-1-120-CA-2006-102-1 to 29251                          29,251   range at the end, with a word
    gold-standard  GS1-1-KE-GS7495-16-2025-30645-608-30350                            29,743   range at the end

Sources: help.cloverly.com/knowledge/registry-serial-number-ranges (Verra, ACR, CAR), November 2026. It counts 29,250 units in the block of
CAR, whose range has 29,251 with both ends, as everywhere here.

**Gold Standard's form is not verified**: the registry describes its serials nowhere in public. It is inferred from two records of the
registry that third parties noted down and that agree: 29,743 credits beside the serial above, July 2026, which is 30,350 - 608 + 1; and
five credits, units 85,975 to 85,979, beside GS1-1-CN-GS7604-3-2020-21289, June 2023, whose serial ends before the range. Compare a
retirement in the registry before the first import. Of any other registry the block must name its range exactly once, ``start-end`` or
``start to end``.

A unit is a tonne, but for isometric, where a unit is a kilogram (docs.isometric.com/key-concepts, November 2026).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from carbonledger.domains.receipts.types.credits import MG_PER_TONNE, Block
from carbonledger.kernel.errors import Problem

BLOCK_CHARS_MAX: Final = 200
UNIT_DIGITS_MAX: Final = 15
RANGE: Final = "*"
"""Stands in a prefix where the range stood."""
MG_PER_UNIT: Final[Mapping[str, int]] = {"isometric": 10**6}
_REGISTRY: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")
# The same registry under another name would take the same units a second time.
_ALIASES: Final[Mapping[str, str]] = {
    "vcs": "verra",
    "gs": "gold-standard",
    "goldstandard": "gold-standard",
    "american-carbon-registry": "acr",
    "climate-action-reserve": "car",
    "puro-earth": "puro",
}
_UNIT: Final = rf"[0-9]{{1,{UNIT_DIGITS_MAX}}}"
_AT_END: Final = rf"-(?P<start>{_UNIT})-(?P<end>{_UNIT})"
_FORMS: Final[Mapping[str, re.Pattern[str]]] = {
    "verra": re.compile(rf"(?P<head>[0-9]+-)(?P<start>{_UNIT})-(?P<end>{_UNIT})(?P<tail>-VCS-\S+)", re.IGNORECASE),
    "acr": re.compile(rf"(?P<head>ACR-\S+){_AT_END}", re.IGNORECASE),
    "car": re.compile(rf"(?P<head>CAR-\S+)-(?P<start>{_UNIT}) to (?P<end>{_UNIT})", re.IGNORECASE),
    "gold-standard": re.compile(rf"(?P<head>GS[0-9]+-\S+){_AT_END}", re.IGNORECASE),
}
_EXAMPLES: Final[Mapping[str, str]] = {
    "verra": "0001-000001-000100-VCS-VCU-003-VER-US-0003-01012020-31122020-1",
    "acr": "ACR-US-192-2010-203-1-5000",
    "car": "CAR-1-US-293-1-120-CA-2006-102-1 to 29251",
    "gold-standard": "GS1-1-KE-GS7495-16-2025-30645-608-30350",
}


def mg_per_unit(registry: str) -> int:
    """Return what one unit of a registry stands for, in milligrams of CO2e."""
    return MG_PER_UNIT.get(registry, MG_PER_TONNE)


def registry_of(text: str) -> str | Problem:
    """Return the name of a registry as we write it, in small letters, or what is wrong with it."""
    name = text.lower()
    if name in _ALIASES:
        return Problem("registry", "registry_alias", f"Write {_ALIASES[name]}: one registry has one name.")
    if not _REGISTRY.fullmatch(name):
        return Problem("registry", "registry_unreadable", "Write the registry as letters, digits and dashes, such as gold-standard.")
    return name


def block_of(registry: str, text: str, *, start: int, end: int) -> Block | Problem:
    """Return the block that a registry's text is, or what is wrong. ``start`` and ``end`` are what the file says beside it."""
    found = _split(registry, text, start, end)
    if isinstance(found, Problem):
        return found
    prefix, first, last = found
    if (first, last) != (start, end):
        return _bad("block_differs", f"It names units {first} to {last}, block_start and block_end say {start} to {end}.")
    if start > end:
        return _bad("block_reversed", f"It ends at {end}, before it begins at {start}.")
    return Block(registry=registry, prefix=_normal(prefix), text=text, start=start, end=end)


def _split(registry: str, text: str, start: int, end: int) -> tuple[str, int, int] | Problem:
    """Return what names the block without its range, and the range."""
    if not (text.isascii() and text.isprintable()) or len(text) > BLOCK_CHARS_MAX:
        return _bad("block_unreadable", f"It has to be up to {BLOCK_CHARS_MAX} plain characters.")
    form = _FORMS.get(registry)
    if form is None:
        return _found_in(text, start, end)
    match = form.fullmatch(text)
    if match is None:
        return _bad("block_unreadable", f"It is not written as {registry} writes it, such as {_EXAMPLES[registry]}.")
    tail = match.groupdict().get("tail") or ""
    head = match["head"] if tail else f"{match['head']}-"
    return f"{head}{RANGE}{tail}", int(match["start"]), int(match["end"])


def _found_in(text: str, start: int, end: int) -> tuple[str, int, int] | Problem:
    """The same of a registry whose form is not known: the range is where the numbers of the file stand."""
    matches = list(re.finditer(rf"(?<![0-9A-Za-z])(?=(0*{start}(?:-| to )0*{end})(?![0-9A-Za-z]))", text))
    if len(matches) != 1:
        times = "not at all" if not matches else f"{len(matches)} times"
        return _bad("block_unreadable", f"It has to name its units once, as {start}-{end}; it names them {times}.")
    begin, stop = matches[0].span(1)
    return f"{text[:begin]}{RANGE}{text[stop:]}", start, end


def _normal(prefix: str) -> str:
    """Return a prefix as it is compared: neither case, leading zeros nor what stands between its words make another block.

    Two blocks that differ in that alone would be taken for one and the second refused, which is the better mistake.
    """
    words = re.sub(r"[^0-9A-Z.*]+", "-", prefix.upper()).strip("-")
    return re.sub(r"(?<![0-9A-Z.])0+(?=[0-9])", "", words)


def _bad(code: str, detail: str) -> Problem:
    return Problem("serial_block", code, detail)
