"""A failed attempt in words: for operators (redacted text), for the organization (nothing of our insides), for the decision to retry."""

from __future__ import annotations

import re
from dataclasses import dataclass

from carbonledger.infra import redact, retry
from carbonledger.kernel import errors

REMOVED = "[removed]"
_ADDRESS = re.compile(r"[^\s@<>\"'()=]{1,64}@[^\s@<>\"'()]{1,255}\.[^\s@<>\"'().,;:!?]{2,63}")
_TEXT_MAX = 2000
_WORDS_MAX = 1000
_TYPE_MAX = 200


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt failed. ``text`` is for operators, ``words`` for the organization's members."""

    outcome: retry.Outcome
    error_type: str
    text: str
    words: str
    retry_after_s: float | None


LOST = Failure(
    outcome=retry.Outcome.UNKNOWN,
    error_type="WorkerLost",
    text="The worker that ran it was killed or cut off.",
    words="The process that worked on it ended unexpectedly.",
    retry_after_s=None,
)


def without_people(text: str) -> str:
    """Return ``text`` without credentials and e-mail addresses."""
    return _ADDRESS.sub(REMOVED, redact.redact_text(text))


def describe(error: BaseException, *, timeout_s: float | None = None) -> Failure:
    """Describe what a handler raised. ``timeout_s``: it was stopped because it took longer."""
    kind = type(error).__name__
    outcome = retry.classify(error)
    asked = getattr(error, "retry_after_s", None)
    return Failure(
        outcome=retry.Outcome.UNKNOWN if outcome is retry.Outcome.SUCCESS else outcome,
        error_type=kind[:_TYPE_MAX],
        # PostgreSQL forbids NUL in text; a driver's message may quote anything.
        text=without_people(str(error)).replace("\0", "")[:_TEXT_MAX],
        words=_words(error, kind, timeout_s)[:_WORDS_MAX],
        retry_after_s=float(asked) if isinstance(asked, int | float) else None,
    )


def _words(error: BaseException, kind: str, timeout_s: float | None) -> str:
    if timeout_s is not None:
        return f"It took longer than {timeout_s:g} s and was stopped."
    if isinstance(error, errors.Fault) and error.kind is not errors.Kind.INTERNAL:
        said = error.title() if error.detail is None else f"{error.title()} {error.detail}"
        return without_people(said).replace("\0", "")
    return f"An unexpected failure ({kind})."
