"""HTML as values: elements that escape whatever text they are given, so that a page can't be made wrong by what it shows.

Owns that and no page. Attributes are named as in HTML, with ``_`` for ``-`` and at the end of Python's own words.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_VOID = frozenset(("link", "meta", "br"))


@dataclass(frozen=True, slots=True)
class Markup:
    """Text that is HTML already."""

    text: str


Content = Markup | str


def element(tag: str, /, *content: Content, **attributes: str) -> Markup:
    """Return an element. Its text is escaped, its attributes quoted."""
    given = "".join(f' {key.rstrip("_").replace("_", "-")}="{html.escape(value)}"' for key, value in attributes.items())
    if tag in _VOID:
        return Markup(f"<{tag}{given}>")
    return Markup(f"<{tag}{given}>{joined(content).text}</{tag}>")


def joined(content: Iterable[Content], between: str = "") -> Markup:
    """Return pieces one after the other."""
    return Markup(between.join(piece.text if isinstance(piece, Markup) else html.escape(piece) for piece in content))


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[Content]]) -> Markup:
    """Return a table that a narrow screen scrolls by itself; the first cell of a row names it."""
    top = element("tr", *(element("th", cell, scope="col") for cell in head))
    body = [element("tr", element("th", row[0], scope="row"), *(element("td", cell) for cell in row[1:])) for row in rows]
    whole = element("table", element("thead", top), element("tbody", *body))
    # The caption stands outside, or it would scroll away with the table.
    scrolled = element("div", whole, class_="scroll", tabindex="0", role="region", aria_label=caption)
    return joined((element("p", caption, class_="caption", aria_hidden="true"), scrolled))
