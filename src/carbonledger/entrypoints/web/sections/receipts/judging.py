"""What a check of a receipt comes to for people: a verdict in one sentence, and what was looked at, one thing a line. Pure.

A file says how things stood when it was made; of our own receipts the books say how they stand now, and that wins.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from carbonledger.domains.receipts.types.receipts import Public, State
from carbonledger.entrypoints.web.sections.receipts import wording
from carbonledger_proof import statement, verify

TITLES: Final[Mapping[str, str]] = {
    "page": "The PDF is as it was made",
    "format": "The receipt is complete",
    "seal": "The proof is as it was made",
    "signature": "The receipt is signed",
    "key": "The key was valid",
    "checkpoint": "The log is signed",
    "log": "The receipt is in the log",
    "status": "It still held when the proof was made",
    "event": "The event can be read",
    "event in receipt": "The event is in the receipt",
    "books": "Our books say the same",
}
"""What each check shows where it holds, by its name."""
PUBLISHED: Final = (
    "The signatures were checked with the keys that are published here, and no others. Whoever does not want to take this page's word "
    "compares those keys with a copy that they have from elsewhere, such as from an earlier month."
)
_STATUS: Final = "status"


class Verdict(enum.Enum):
    """What comes of all checks."""

    VALID = "valid"
    ENDED = "no longer valid"
    FAILED = "not verified"
    WAITS = "not proven yet"


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict, why, and every check. ``receipt`` None: none could be read. Of a failed one nothing is to be believed."""

    verdict: Verdict
    says: str
    checks: tuple[verify.Check, ...]
    trust: tuple[str, ...]
    receipt: statement.Receipt | None
    is_ours: bool
    superseded_by: str | None = None

    @property
    def mark(self) -> str:
        """The colour of the verdict's mark."""
        return {Verdict.VALID: "good", Verdict.WAITS: "notice"}.get(self.verdict, "problem")


def unproven(found: Public) -> Judged:
    """Return what can be said of a receipt of ours whose leaf no checkpoint covers yet."""
    says = "It was issued a moment ago, and the public log is being signed. Its proof is there in a few seconds: reload the page then."
    return Judged(Verdict.WAITS, says, (), (), found.signed.receipt, is_ours=True)


def of_file(report: verify.Report, *, is_ours: bool, found: Public | None) -> Judged:
    """Return what a file comes to. ``is_ours``: it names this issuer, and was checked with the published keys. ``found``: in our books."""
    receipt = report.receipt
    checks = report.checks
    if is_ours and receipt is not None:
        checks = (*checks, _books(receipt, found))
    trust = tuple(PUBLISHED if words == verify.PINNED else words for words in report.trust)
    failed = [check for check in checks if not check.ok]
    is_genuine = receipt is not None and all(check.name == _STATUS for check in failed)
    if not is_genuine:
        trust = tuple(words for words in trust if words != verify.PAGE)  # no figures are shown
        return Judged(Verdict.FAILED, _failure(receipt, failed), checks, trust, receipt, is_ours)
    if found is not None and found.state is not State.ISSUED:
        return Judged(Verdict.ENDED, _ended(found), checks, trust, receipt, is_ours, found.superseded_by)
    if failed:
        return Judged(Verdict.ENDED, f"It is genuine. {failed[0].text}", checks, trust, receipt, is_ours)
    now = "and it still stands in our books" if is_ours else "and held when the proof was made"
    return Judged(Verdict.VALID, f"It is genuine, unchanged, {now}.", checks, trust, receipt, is_ours)


def _books(receipt: statement.Receipt, found: Public | None) -> verify.Check:
    if found is None:
        return verify.Check("books", ok=False, text=f"Our books have no receipt {receipt.serial}.")
    if found.signed.digest.hex() != receipt.sha256:
        return verify.Check("books", ok=False, text=f"Our books have another receipt under {receipt.serial}.")
    word = wording.STATES[found.state][0]
    return verify.Check("books", ok=True, text=f"Our books have this very receipt; there it is {word} now.")


def _failure(receipt: statement.Receipt | None, failed: list[verify.Check]) -> str:
    if receipt is None:
        return f"The file holds no receipt that can be read. {failed[0].text}"
    count = len(failed)
    return f"{count} of the checks {'does' if count == 1 else 'do'} not hold, so nothing that it says is to be relied on."


def _ended(found: Public) -> str:
    if found.state is State.SUPERSEDED:
        return f"It is genuine, but {found.superseded_by} has taken its place. Rely on that one."
    why = "" if found.revocation is None else f", because {wording.REASONS[found.revocation]}"
    return f"It is genuine, but it was revoked{why}. It claims nothing any more."
