"""Reading a parsed document strictly: every problem is named with its place, and none hides the next.

Owns the walk through objects, lists, texts and numbers. It does not own which members there have to be (``loading``). A read that
finds a problem notes it and returns a stand-in, so that reading goes on; nothing made of stand-ins is ever used, because whoever
reads calls ``finish`` before using what was read.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from carbonledger.domains.emissions import types
from carbonledger.kernel import decimals, errors
from carbonledger.kernel.quantity import Range

TEXT_MAX = 2000
NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
_ABSENT = object()


@dataclass(frozen=True, slots=True)
class Node:
    """A value of the document, where it stands, and the list that all nodes of the document write their problems to."""

    value: object
    pointer: str
    problems: list[errors.Problem]

    def fail(self, code: str, detail: str) -> None:
        """Note a problem with this value, unless it is missing, which is noted already."""
        if self.value is not _ABSENT:
            self.problems.append(errors.Problem(self.pointer, code, detail))

    def child(self, name: str | int, value: object) -> Node:
        """Return the node of a member or an item."""
        escaped = str(name).replace("~", "~0").replace("/", "~1")
        return Node(value, f"{self.pointer}/{escaped}", self.problems)

    def members(self, *required: str, optional: Collection[str] = ()) -> Mapping[str, Node]:
        """Return the members of an object that has exactly these: ``required`` all, ``optional`` some."""
        found = self._children()
        for name in required:
            if name not in found and isinstance(self.value, dict):
                self.fail("member_missing", f"The member {name!r} is missing.")
        for name, member in found.items():
            if name not in required and name not in optional:
                member.fail("member_unknown", "This member is not known here.")
        absent = {name: self.child(name, _ABSENT) for name in required if name not in found}
        return {**found, **absent}

    def named(self) -> dict[str, Node]:
        """Return the members of an object with names of its own choice, each an identifier, at least one."""
        found = self._children()
        if not found and isinstance(self.value, dict):
            self.fail("type_wrong", "Give one member or more.")
        for name, member in found.items():
            if not re.fullmatch(NAME, name):
                member.fail("name_wrong", f"Give a name that fits {NAME}.")
        return found

    def _children(self) -> dict[str, Node]:
        if not isinstance(self.value, dict):
            self.fail("type_wrong", "Give an object.")
            return {}
        return {name: self.child(name, value) for name, value in self.value.items()}

    def items(self) -> Iterator[Node]:
        """Return the items of a list that has at least one."""
        if not isinstance(self.value, list) or not self.value:
            self.fail("type_wrong", "Give a list of one or more.")
            return
        for place, value in enumerate(self.value):
            yield self.child(place, value)

    def text(self, pattern: str = r".+") -> str:
        """Return a text that fits the pattern."""
        if not isinstance(self.value, str):
            self.fail("type_wrong", "Give a text.")
        elif len(self.value) > TEXT_MAX or not re.fullmatch(pattern, self.value):
            self.fail("text_wrong", f"Give at most {TEXT_MAX} characters that fit {pattern}.")
        else:
            return self.value
        return ""

    def one_of(self, allowed: Collection[str], what: str) -> str:
        """Return a text that is one of ``allowed``, or any where nothing is, which is a problem of the place that should have them."""
        text = self.text()
        if text and allowed and text not in allowed:
            self.fail("reference_unknown", f"There is no {what} {text!r}.")
            return ""
        return text

    def exactly(self, value: object) -> None:
        """Demand this very value: what the arithmetic does is stated in the file, and a file that states another is not computed."""
        if self.value is not _ABSENT and (type(self.value) is not type(value) or self.value != value):
            self.fail("value_wrong", f"It must be {value!r}; another needs another schema.")

    def texts(self, allowed: Collection[str], what: str) -> tuple[str, ...]:
        """Return a list of texts that are among ``allowed``."""
        return tuple(item.one_of(allowed, what) for item in self.items())

    def decimal(self, *, least: int = 0) -> Decimal:
        """Return a number of at least ``least``."""
        if type(self.value) is not int and type(self.value) is not Decimal:
            self.fail("type_wrong", "Give a number.")
        elif self.value < least:
            self.fail("number_too_small", f"Give a number of at least {least}.")
        else:
            return decimals.of(self.value)
        return Decimal(1)

    def whole(self, *, least: int, most: int) -> int:
        """Return a whole number from ``least`` to ``most``."""
        if type(self.value) is not int or not least <= self.value <= most:
            self.fail("number_wrong", f"Give a whole number from {least} to {most}.")
            return least
        return self.value

    def date(self) -> date:
        """Return a day, written as 2026-11-01."""
        text = self.text(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
        try:
            return date.fromisoformat(text) if text else date.min
        except ValueError:
            self.fail("date_wrong", "Give a day that exists.")
            return date.min

    def range(self, *, least: int = 0, beside: Collection[str] = ()) -> tuple[Range, Mapping[str, Node]]:
        """Return low, mid and high of an object, and its members, of which ``beside`` are the others."""
        before = len(self.problems)
        members = self.members("low", "mid", "high", *beside)
        low, mid, high = (members[name].decimal(least=least) for name in ("low", "mid", "high"))
        if len(self.problems) > before:
            return Range.point(1), members  # the order of stand-ins would be no problem of the file
        if not low <= mid <= high:
            self.fail("range_wrong", "Order the three numbers: low <= mid <= high.")
        elif high and not mid:
            self.fail("range_wrong", "A mid of zero below a high above zero has no ratio that bounds could be combined by.")
        else:
            return Range(low, mid, high), members
        return Range.point(1), members

    def finish(self) -> None:
        """Raise ``FactorSetInvalid`` with every problem noted so far."""
        if self.problems:
            first = self.problems[0]
            count = len(self.problems)
            detail = f"{count} problem{'s' if count > 1 else ''}; the first at {first.pointer or 'the top'}: {first.detail}"
            raise types.FactorSetInvalid(detail, problems=tuple(self.problems))
