"""The faults every part raises and every edge translates.

Owns: the kinds of failure and the base class. It does not own HTTP: an edge maps ``Kind`` to a status, an exit code
or a GraphQL error. A subclass states ``kind`` and ``code``; its docstring is the public message (title), ``detail`` says
what happened in this case and what to do next, and must never hold a secret.

    Fault
    ├── (one base per domain, e.g. IdentityFault)
    │   └── one class per failure
    └── Invalid, NotFound, …   the kinds that need no domain
"""

from __future__ import annotations

import enum
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar


class Kind(enum.Enum):
    """What sort of failure it is, for the caller's next step. The HTTP status of each stands beside it."""

    MALFORMED = "malformed"  # 400: can't be read at all
    UNAUTHENTICATED = "unauthenticated"  # 401
    PAYMENT_REQUIRED = "payment_required"  # 402: budget or plan limit
    FORBIDDEN = "forbidden"  # 403
    NOT_FOUND = "not_found"  # 404: absent, or another tenant's
    CONFLICT = "conflict"  # 409: with the present state
    GONE = "gone"  # 410: was there once
    TOO_LARGE = "too_large"  # 413: over a stated size
    UNSUPPORTED = "unsupported"  # 415: a media type or an encoding we do not read
    INVALID = "invalid"  # 422: well-formed, but breaks a rule
    LIMITED = "limited"  # 429: too many, come back later
    UNAVAILABLE = "unavailable"  # 503: a part we need is away
    INTERNAL = "internal"  # 500: our defect; nothing of it leaves the process


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with an input: where (RFC 6901 pointer), a stable code, and words for a person."""

    pointer: str
    code: str
    detail: str


class Fault(Exception):
    """The request could not be done."""

    kind: ClassVar[Kind] = Kind.INTERNAL
    code: ClassVar[str] = "internal"

    def __init__(
        self,
        detail: str | None = None,
        *,
        problems: tuple[Problem, ...] = (),
        retry_after_s: int | None = None,
        extra: Mapping[str, object] | None = None,
    ) -> None:
        """``extra`` holds further public members of the answer (RFC 9457), plain JSON, such as ``upgrade_url``."""
        self.detail = detail
        self.problems = problems
        self.retry_after_s = retry_after_s
        self.extra = dict(extra or {})
        super().__init__(detail or self.title())

    @classmethod
    def title(cls) -> str:
        """Return the public message: the first paragraph of the class's docstring."""
        return inspect.cleandoc(cls.__doc__ or Fault.__doc__ or "").split("\n\n", 1)[0].replace("\n", " ")


class Malformed(Fault):
    """The request can't be read."""

    kind = Kind.MALFORMED
    code = "malformed"


class Invalid(Fault):
    """The request breaks one or more rules."""

    kind = Kind.INVALID
    code = "invalid"


class NotFound(Fault):
    """There is no such thing here."""

    kind = Kind.NOT_FOUND
    code = "not_found"


class Conflict(Fault):
    """The request conflicts with the present state."""

    kind = Kind.CONFLICT
    code = "conflict"


class Unauthenticated(Fault):
    """The request carries no valid credentials."""

    kind = Kind.UNAUTHENTICATED
    code = "unauthenticated"


class Forbidden(Fault):
    """The caller may not do this."""

    kind = Kind.FORBIDDEN
    code = "forbidden"


class Limited(Fault):
    """Too many requests."""

    kind = Kind.LIMITED
    code = "rate_limited"


class Unavailable(Fault):
    """A part that this needs is not available now."""

    kind = Kind.UNAVAILABLE
    code = "unavailable"


def invalid(pointer: str, code: str, detail: str) -> Invalid:
    """Return an ``Invalid`` of a single problem."""
    return Invalid(detail, problems=(Problem(pointer, code, detail),))


def refuse(problems: Sequence[Problem]) -> None:
    """Raise ``Invalid`` with all problems, if there are any."""
    if problems:
        raise Invalid(" ".join(dict.fromkeys(problem.detail for problem in problems)), problems=tuple(problems))
