"""The form of an invoice that somebody writes: its fields, as the API would be sent them, and a draft as fields.

As in the editor of plans each line is numbered and a button adds one, so that it works without script; a line that nobody wrote anything
into is no line. What is wrong has a pointer into what the API would be sent; here it is led back to the field.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import pydantic

from carbonledger.domains.invoices.service import one_off
from carbonledger.domains.invoices.types.invoices import Invoice, Line, Origin, State
from carbonledger.entrypoints.rest import invoice_drafts
from carbonledger.entrypoints.web import forms
from carbonledger.kernel import decimals, errors
from carbonledger.kernel.errors import Problem

LINES_MAX: Final = 50  # of the form: who bills more lines does so by the API
_LINE: Final = ("description", "quantity", "unit_price", "tax")
SELLERS: Final = ""
NONE: Final = "-"
"""Of a line's tax, beside the code of a rate: those of the seller, and none."""


@dataclass(slots=True)
class Form:
    """All fields of the editor, lines by themselves."""

    values: dict[str, str]
    lines: list[dict[str, str]]

    def fields(self) -> forms.Fields:
        """Return the fields, lines numbered anew."""
        return forms.Fields(tuple(self._pairs()))

    def _pairs(self) -> Iterator[tuple[str, str]]:
        yield from self.values.items()
        for place, line in enumerate(self.lines):
            for name, value in line.items():
                yield f"lines.{place}.{name}", value

    def written(self) -> list[int]:
        """Return which lines somebody wrote something into, by their places."""
        return [place for place, line in enumerate(self.lines) if line.get("description", "").strip() or line.get("unit_price", "").strip()]


def blank() -> Form:
    """Return the form of an invoice that nobody has written yet: one line, of one."""
    return Form({}, [{"quantity": "1"}])


def read(fields: forms.Fields) -> Form:
    """Return the form that was sent."""
    values: dict[str, str] = {}
    lines: dict[int, dict[str, str]] = {}
    for name, value in fields.pairs:
        parts = name.split(".")
        if parts[0] == "lines" and len(parts) == 3 and parts[2] in _LINE and _is_place(parts[1]):  # noqa: PLR2004 - lines, a place, a name
            lines.setdefault(int(parts[1]), {})[parts[2]] = value
        else:
            values[name] = value
    return Form(values, [lines[place] for place in sorted(lines)] or blank().lines)


def _is_place(text: str, end: int = LINES_MAX) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 3 and int(text) < end  # noqa: PLR2004 - no larger place is ours


def acted(form: Form, act: str) -> Form:
    """Return the form after a button: a line more, or one less; one always stays."""
    name, _, place = act.partition(".")
    if name == "line" and len(form.lines) < LINES_MAX:
        form.lines.append({"quantity": "1"})
    elif name == "drop" and _is_place(place, len(form.lines)):
        del form.lines[int(place)]
        form.lines = form.lines or blank().lines
    return form


def sent(form: Form, account_id: UUID) -> one_off.Draft:
    """Return the invoice to write. Raises ``errors.Invalid`` with everything that can't be read."""
    written = form.written()
    if not written:
        raise errors.invalid("/lines/0/description", "required", "Say what is billed.")
    terms = form.values.get("terms_days", "").strip()
    if terms and not (terms.isascii() and terms.isdecimal() and len(terms) <= 3):  # noqa: PLR2004 - at most 365
        raise errors.invalid("/terms_days", "whole_number", "Give whole days from 0 to 365.")
    body = {
        "account_id": account_id,
        "currency": form.values.get("currency") or None,
        "lines": [_line(form.lines[place]) for place in written],
        "memo": form.values.get("memo", "").strip() or None,
        "terms_days": int(terms) if terms else None,
    }
    try:
        return invoice_drafts.from_api_invoice(invoice_drafts.InvoiceIn.model_validate(body))
    except pydantic.ValidationError as error:
        problems = tuple(Problem("/" + "/".join(map(str, one["loc"])), one["type"], _said(one["type"])) for one in error.errors())
        raise errors.Invalid("Write no more than fits.", problems=problems) from error


def _said(kind: str) -> str:
    return "Give whole days from 0 to 365." if kind.startswith(("less_than", "greater_than")) else "Write no more than fits."


def _line(line: dict[str, str]) -> dict[str, object]:
    tax = line.get("tax", SELLERS)
    body: dict[str, object] = {name: line.get(name, "").strip() for name in ("quantity", "unit_price")}
    body["description"] = line.get("description", "")
    body["tax_rate_codes"] = None if tax == SELLERS else [] if tax == NONE else [tax]
    return body


def beside(form: Form, problems: Sequence[Problem]) -> dict[str, str]:
    """Return what is wrong by the fields that it stands beside."""
    written = form.written() or [0]
    return {_field(problem.pointer, written): problem.detail for problem in reversed(problems)}


def _field(pointer: str, written: Sequence[int]) -> str:
    parts = pointer.strip("/").split("/")
    if parts[0] != "lines":
        return parts[0]
    if len(parts) < 2 or not parts[1].isdecimal() or int(parts[1]) >= len(written):  # noqa: PLR2004 - lines and a place
        return f"lines.{written[0]}.unit_price"
    name = parts[2] if len(parts) > 2 else "unit_price"  # noqa: PLR2004 - a member of the line
    return f"lines.{written[int(parts[1])]}.{'tax' if name == 'tax_rate_codes' else name if name in _LINE else 'unit_price'}"


def of_draft(invoice: Invoice, lines: Sequence[Line]) -> Form | None:
    """Return the form of a draft that was written; None of what is none, or says more than the form can hold, which is the API's."""
    is_plain = not invoice.discounts and len(lines) == invoice.lines <= LINES_MAX
    if invoice.state is not State.DRAFT or invoice.origin is not Origin.ONE_OFF or not is_plain:
        return None
    if not all(_fits(line) for line in lines):
        return None
    values = {"currency": invoice.currency.code, "memo": invoice.memo or "", "terms_days": str(invoice.terms_days)}
    return Form(values, [_of_line(line) for line in lines])


def _fits(line: Line) -> bool:
    has_more = line.service_start is not None or line.explained.rated.get("discounts")
    return not has_more and len(line.tax_codes) <= 1 and line.unit_price is not None


def _of_line(line: Line) -> dict[str, str]:
    price = "" if line.unit_price is None else decimals.to_api_decimal(line.unit_price)
    tax = line.tax_codes[0] if line.tax_codes else NONE
    return {"description": line.description, "quantity": decimals.to_api_decimal(line.quantity), "unit_price": price, "tax": tax}
