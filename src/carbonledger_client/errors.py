"""What can go wrong between a client and a server, as exceptions that a caller can act on.

Owns: the classes and their words. A server's refusal arrives as problem+json (RFC 9457) and becomes ``Refused`` with its stable code.
No message holds a key.

    LedgerError
    ├── Misused        this side: a setting, an option or a file is not usable as it is
    ├── Unreachable    no answer, or only answers that say "later", after all attempts
    ├── Garbled        an answer that is none of this API's: HTML, half a document, wrong counts
    └── Refused        the server understood and said no
"""

from __future__ import annotations

from dataclasses import dataclass

_SHOWN_MAX = 300


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with an input: where (RFC 6901 pointer), a stable code, and words for a person."""

    pointer: str
    code: str
    detail: str


class LedgerError(Exception):
    """Something between client and server failed; the text says what, and what to do next."""


class Misused(LedgerError):
    """A setting, an option or a file is not usable as it is; trying again changes nothing."""


class Unreachable(LedgerError):
    """The server gave no usable answer after all attempts; trying again later may help."""


class Garbled(LedgerError):
    """The answer is not one of this API's."""


class Refused(LedgerError):
    """The server refused the request. ``code`` is the stable one of its problem document."""

    def __init__(self, status: int, code: str, detail: str, *, request_id: str | None = None, problems: tuple[Problem, ...] = ()) -> None:
        self.status = status
        self.code = code
        self.detail = detail
        self.request_id = request_id
        self.problems = problems
        trace = f" (request {request_id})" if request_id else ""
        super().__init__(f"The server refused ({status} {code}): {detail}{trace}")


def from_api_problem(status: int, document: object) -> Refused:
    """Return the refusal that a problem document tells; a body that is none gives a refusal named after its status."""
    members = document if isinstance(document, dict) else {}
    said = members.get("detail") or members.get("title") or "no reason given"
    code, request_id = members.get("code"), members.get("request_id")
    listed = members.get("errors")
    return Refused(
        status,
        code if isinstance(code, str) else f"http_{status}",
        str(said)[:_SHOWN_MAX],
        request_id=request_id if isinstance(request_id, str) else None,
        problems=tuple(_problem(entry) for entry in listed if isinstance(entry, dict)) if isinstance(listed, list) else (),
    )


def _problem(entry: dict[str, object]) -> Problem:
    pointer, code, detail = (str(entry.get(name) or "")[:_SHOWN_MAX] for name in ("pointer", "code", "detail"))
    return Problem(pointer, code, detail)
