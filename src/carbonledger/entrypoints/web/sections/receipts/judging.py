"""What a check of a receipt or an audit pack comes to for people: a verdict in one sentence, and what was looked at, one thing a line.

Pure. A file says how things stood when it was made; of our own receipts the books say how they stand now, and that wins.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from carbonledger.domains.receipts.types.receipts import Public, State
from carbonledger.entrypoints.web.sections.receipts import wording
from carbonledger_proof import bundle, manifest, statement, verify

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
PACK_TITLES: Final[Mapping[str, str]] = {
    "archive": "The file is a pack and nothing else",
    "format": "The pack is complete",
    "seal": "The list of its files is as it was made",
    "files": "Every file is as it was made",
    "receipts": "The receipts inside are genuine",
    "log": "The public log was only added to",
    "books": "Our books have its receipts",
}
"""The same of an audit pack."""
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
    OUTDATED = "out of date"  # of a pack: genuine, but its month stands otherwise now


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
    pack: manifest.Manifest | None = None

    @property
    def mark(self) -> str:
        """The colour of the verdict's mark."""
        return {Verdict.VALID: "good", Verdict.WAITS: "notice", Verdict.OUTDATED: "notice"}.get(self.verdict, "problem")


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


def of_pack(report: verify.Report, *, is_ours: bool, found: Mapping[str, Public]) -> Judged:
    """Return what an audit pack comes to. ``found``: those of its receipts that our books have, by serial, if it is ours."""
    said = report.manifest
    checks = report.checks
    if is_ours and said is not None:
        checks = (*checks, _pack_books(said, found))
    trust = tuple(PUBLISHED if words == verify.PINNED_PACK else words for words in report.trust)
    failed = [check for check in checks if not check.ok]
    if said is None:
        says = f"The file holds no audit pack that can be read. {failed[0].text}"
        return Judged(Verdict.FAILED, says, checks, trust, None, is_ours)
    if failed:
        return Judged(Verdict.FAILED, _not_holding(failed), checks, trust, None, is_ours, pack=said)
    changed = [_since(one.serial, found[one.serial]) for one in said.receipts if is_ours and _has_changed(one, found[one.serial])]
    if changed:
        says = f"It is genuine and unchanged, but the month stands otherwise now: {'; '.join(changed)}. A later pack of the month says so."
        return Judged(Verdict.OUTDATED, says, checks, trust, None, is_ours, pack=said)
    now = ", and its receipts still stand in our books as it says" if is_ours and said.receipts else ""
    return Judged(Verdict.VALID, f"It is genuine and unchanged{now}.", checks, trust, None, is_ours, pack=said)


def _pack_books(said: manifest.Manifest, found: Mapping[str, Public]) -> verify.Check:
    missing = [one.serial for one in said.receipts if one.serial not in found]
    if missing:
        return verify.Check("books", ok=False, text=f"Our books have no receipt {missing[0]}.")
    if not said.receipts:
        return verify.Check("books", ok=True, text="The pack is of a month without a receipt.")
    told = [f"{one.serial} is {wording.STATES[found[one.serial].state][0]} now" for one in said.receipts]
    return verify.Check("books", ok=True, text=f"{'; '.join(told)}.")


def _has_changed(stated: manifest.Stated, found: Public) -> bool:
    return bundle.State.VALID is stated.state and found.state is not State.ISSUED


def _since(serial: str, found: Public) -> str:
    if found.state is State.SUPERSEDED:
        return f"{found.superseded_by} has taken the place of {serial}"
    return f"{serial} was revoked"


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
    return _not_holding(failed)


def _not_holding(failed: list[verify.Check]) -> str:
    count = len(failed)
    return f"{count} of the checks {'does' if count == 1 else 'do'} not hold, so nothing that it says is to be relied on."


def _ended(found: Public) -> str:
    if found.state is State.SUPERSEDED:
        return f"It is genuine, but {found.superseded_by} has taken its place. Rely on that one."
    why = "" if found.revocation is None else f", because {wording.REASONS[found.revocation]}"
    return f"It is genuine, but it was revoked{why}. It claims nothing any more."
