"""What is in an audit pack in words: its README and the methodology. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from carbonledger.domains.emissions import types as emission_types
from carbonledger.domains.receipts.types.log import MONITOR_PATH
from carbonledger.domains.receipts.types.periods import Period
from carbonledger_proof import manifest

_README: Final = """\
{kind} AUDIT PACK {number} for {month}
{zone}, from {start:%Y-%m-%d %H:%M} to before {end:%Y-%m-%d %H:%M} UTC

Check it
  1. The file as a whole, before it is unzipped, with the package carbonledger-proof (Python, no network):
         python -m carbonledger_proof PACK.zip --keys jwks.json
     jwks.json is the issuer's list of keys, from {jwks}. Get it from the issuer, not from this pack.
  2. The figures: unzip it into an empty folder and compute all of them again, with Python 3.11 and nothing else:
         python3 recompute.py

What is in it
  manifest.json         every file with its size and SHA-256, sealed with the issuer's key (Ed25519)
  receipts/             of each receipt of the month: as signed, its bundle that verifies alone, its page
  events.csv            every event of the month at its last revision, and those of earlier months that came or changed since; each row is
                        a leaf of the Merkle tree whose root stands on the receipt, with its salt
  adjusted-before.csv   the same events of earlier months as they were before: what the adjustments take away
  adjustments.csv       what was adjusted, line by line: booked in this month, or of this month and booked in later ones so far
  trace/lines.csv       the calculation trace: events added up by project, model, price book and rate, and what each line takes and emits
  trace/rates.json      what one token takes and emits, by the digest that events name
  trace/totals.json     the totals to the last digit, and the windows of the months
  factors/, prices/     the factor sets and price books that were used, as they were published
  credits.csv           the retired credits given to receipts, with what proves their retirement at the registry
  esrs-e1.json          data points for ESRS E1 by meaning, with the paragraphs that ask for them
  log/                  the public log's checkpoint, the one of the pack before, the proof that the log only grew, and the keys
  methodology.md        how emissions and cost are made

Cells of CSV files are as the ledger has them, so that they can be hashed. Some are words of others: open them as text, not as formulas.
{unread}"""
_TEST: Final = "TEST: of a sandbox, about no real usage and no real credits.\n\n"
_UNREAD: Final = """
Not read to the end before the month was closed, so that what they told later is an adjustment: {names}.
"""
_METHODOLOGY: Final = """\
# How the figures are made

No provider measures energy or emissions for its customers, so every such figure is an estimate within bounds: low, mid and high. Emissions
are gross: credits never lower them, and what receipts state is a compensation claim. Location-based and market-based figures stand side by
side and are never added.

A month is closed by a cut in the life of the ledger. What came later for it is an adjustment of a later month; nothing that was closed
changes. A duplicate (usage that two sources tell) and a metered event are shown and in no sum. What could not be covered is not zero: it is
counted beside.

## Cost

The sum over kinds of (tokens of the kind x the price of the kind), for the price in force when it happened, of the price tier that the size
of one request decides; exact, never rounded. It is frozen with the event, in 10^-12 USD.
"""
_SET: Final = """
## Emissions by factor set {version}

An event's energy and emissions are its tokens of each phase times the numbers of its rate (trace/rates.json), which follow from the factor
set (factors/{version}.json). They are added exactly and rounded once, half to even.

{formulas}

{phases}

{bounds}

What no published measurement stands behind:

{assumptions}
"""


def readme(said: manifest.Manifest, period: Period) -> bytes:
    """Return the README of a pack. ``said`` is not sealed yet."""
    names = ", ".join(f"{one['provider']} {one['connection_id']}" for one in period.unread)
    told = _README.format(
        kind="TEST" if said.test else "CARBON LEDGER",
        number=said.number,
        month=said.period.month,
        zone=said.period.zone,
        start=said.period.start,
        end=said.period.end,
        jwks=f"{said.issuer.removesuffix(MONITOR_PATH)}/.well-known/jwks.json",
        unread=_UNREAD.format(names=names) if names else "",
    )
    return ((_TEST if said.test else "") + told).encode()


def methodology(sets: Iterable[emission_types.Methodology]) -> bytes:
    """Return how the figures are made, by each of the factor sets that were used."""
    return "".join([_METHODOLOGY, *map(_of_set, sets)]).encode()


def _of_set(one: emission_types.Methodology) -> str:
    return _SET.format(
        version=one.factors.version,
        formulas=_list(f"`{formula.name}` = {formula.text} [{formula.unit}]" for formula in one.formulas),
        phases=_list(f"{phase.phase.value} ({phase.tokens}): {phase.derivation}" for phase in one.phases),
        bounds=one.bounds,
        assumptions=_list([f"{assumption.name}: {assumption.text}" for assumption in one.assumptions]),
    )


def _list(items: Iterable[str] | Sequence[str]) -> str:
    return "\n".join(f"- {item}" for item in items)
