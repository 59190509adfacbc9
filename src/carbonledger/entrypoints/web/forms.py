"""What a form or an address says: fields as text, bounded, and what was wrong with them beside each.

Owns reading and nothing of meaning: what a field may hold is the rule of whoever takes it.
"""

from __future__ import annotations

import re
import unicodedata
import urllib.parse
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final

from carbonledger.kernel import errors
from carbonledger.kernel import zone as zones

FIELDS_MAX: Final = 1000  # a plan of some dozen charges, each with its tiers
_CODE_CHARS_MAX: Final = 40  # of a code that is made of a name
_SHOWN_CHARS_MAX: Final = 20_000  # of what is written back into a form: a mistake of pasting, not a book


@dataclass(frozen=True, slots=True)
class Fields:
    """Text by name, each perhaps several times."""

    pairs: tuple[tuple[str, str], ...] = ()

    def text(self, name: str, default: str = "") -> str:
        """Return the last value of this name."""
        return next((value for key, value in reversed(self.pairs) if key == name), default)

    def given(self, name: str) -> str | None:
        """Return the last value of this name; None where it is missing or empty."""
        return self.text(name).strip() or None

    def every(self, name: str) -> tuple[str, ...]:
        """Return all values of this name, in order."""
        return tuple(value for key, value in self.pairs if key == name)

    def named(self, names: Iterable[str]) -> Fields:
        """Return the fields of these names alone, without what is empty."""
        wanted = frozenset(names)
        return Fields(tuple((key, value) for key, value in self.pairs if key in wanted and value))

    def replaced(self, **given: str | None) -> Fields:
        """Return the fields with others in place of some; None takes one away."""
        kept = tuple((key, value) for key, value in self.pairs if key not in given)
        return Fields(kept + tuple((key, value) for key, value in given.items() if value is not None))

    @property
    def query(self) -> str:
        """The fields as they stand in an address."""
        return urllib.parse.urlencode(self.pairs)


def read(content: bytes) -> Fields:
    """Return what a form or an address holds. Raises ``Malformed``."""
    try:
        pairs = urllib.parse.parse_qsl(content.decode("ascii"), keep_blank_values=True, max_num_fields=FIELDS_MAX, errors="strict")
    except ValueError:
        raise errors.Malformed("The form can't be read. Go back, reload the page and try again.") from None
    if any("\x00" in part for pair in pairs for part in pair):
        raise errors.Malformed("The form holds U+0000.")
    return Fields(tuple(pairs))


@dataclass(frozen=True, slots=True)
class Refused:
    """A form that was not taken: what was in it, what is wrong with it in all, and beside which field. Empty for one not sent yet."""

    fields: Fields = field(default_factory=Fields)
    said: str = ""
    beside: Mapping[str, str] = field(default_factory=dict)

    def value(self, name: str, default: str = "") -> str:
        """Return what stood in a field, to be written back."""
        return self.fields.text(name, default)[:_SHOWN_CHARS_MAX]


def code(fields: Mapping[str, str]) -> str:
    """Return the code that a form gives a thing; where its field is empty, one made of the name: its letters a to z and digits."""
    given = fields.get("code", "").strip()
    plain = unicodedata.normalize("NFKD", fields.get("name", "")).encode("ascii", "ignore").decode().lower()
    return given or re.sub(r"[^a-z0-9]+", "-", plain)[:_CODE_CHARS_MAX].strip("-")


def words(fault: errors.Fault) -> str:
    """Return what a fault says: what stands in the way, and what to do. A fault that is only of a kind has nothing to say before that."""
    if fault.detail and fault.code == fault.kind.value:
        return fault.detail
    return f"{fault.title()} {fault.detail or ''}".rstrip()


def refused(fault: errors.Fault, fields: Fields, *, only: str | None = None) -> Refused:
    """Return the form with what the fault says. ``only``: the one field that a fault without a place is about."""
    beside = {problem.pointer.strip("/").split("/")[0]: problem.detail for problem in reversed(fault.problems)}
    if only is not None and not beside:
        beside = {only: words(fault)}
    return Refused(fields, words(fault), beside)


def midnight(fields: Fields, name: str, zone: str) -> datetime | None:
    """Return the local midnight at which a day of a form begins; None where it is empty. Raises ``errors.Invalid``."""
    text = fields.given(name)
    if text is None:
        return None
    try:
        return zones.midnight(date.fromisoformat(text), zones.named(zone))
    except (ValueError, OverflowError):
        raise errors.invalid(f"/{name}", "date_unreadable", "Write dates like 2026-11-21.") from None
