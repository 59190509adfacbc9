# house: allow file-length - an auditor runs this one file, and reads it from top to bottom, with nothing of ours beside it
"""Computes the totals of an audit pack again, from its events to the last digit, and compares them with what was signed.

    unzip PACK.zip -d pack && python3 pack/recompute.py

It needs Python 3.11 or later and nothing else: no network, no package, no program of whoever made the pack. The exit code is 0 only if
all of it holds. What it does, in this order:

 1. the manifest: its seal (Ed25519, RFC 8032), and size and SHA-256 of every file that it names; no other file may be there;
 2. the events: each row is written as the leaf that it was (RFC 8785), and their Merkle tree (RFC 6962) has the root on the receipts;
 3. the lines: sums of the events, and of what was there before for those that came late, are the lines of ``trace/lines.csv``;
 4. the rates: their digests are those that the events name; factor sets and price books have the digests on the receipts;
 5. the totals: lines times rates, rounded once, are those of ``trace/totals.json`` and of every receipt of the month.

What an event cost is taken as the ledger froze it; the price books are in ``prices``. Energy and emissions are whole numbers of 10^-18 Wh
and 10^-18 g until they are rounded, half to even, to microwatt-hours and milligrams. To verify receipts, pages and the log as well:
``python -m carbonledger_proof PACK.zip``.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal, getcontext
from pathlib import Path
from typing import Any

getcontext().prec = 80
BUCKETS = ("uncached_input", "cached_input", "cache_creation_5m", "cache_creation_1h", "output")
PARTS = ("reasoning", "audio_input", "image_input", "cached_audio_input", "cached_image_input", "audio_output", "image_output")
QUANTITIES = ("energy", "co2e_location", "co2e_market")
PER_UNIT = {"energy": 10**12, "co2e_location": 10**15, "co2e_market": 10**15}  # quanta in a microwatt-hour, in a milligram
SUMS = ("events", "requests", *BUCKETS, "reasoning", "quantity", "cost_pico_usd")
MANIFEST = "manifest.json"
DOMAIN = b"carbon-ledger/manifest/v1\n"
Json = Any
Row = dict[str, str]
Sums = dict[tuple[str, ...], list[Any]]  # by what rows have in common; the numbers are in the order of SUMS, then what is unknown
Rates = dict[str, dict[str, Any]]  # by digest: the version, and nine numbers of each quantity
Ranges = dict[str, list[int] | None]  # low, mid, high of each quantity
Point = tuple[int, int, int, int]


class Wrong(Exception):
    """Something does not hold."""


def must(holds: object, words: str) -> None:
    if not holds:
        raise Wrong(words)


# --- 1. the manifest: Ed25519 (RFC 8032, section 5.1) and hashes

KEY_BYTES = 32
P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT = pow(2, (P - 1) // 4, P)  # of -1


def point(encoded: bytes) -> Point:
    """Return the point that 32 bytes are, as (x, y, 1, xy)."""
    number = int.from_bytes(encoded, "little")
    y, sign = number & (2**255 - 1), number >> 255
    must(len(encoded) == KEY_BYTES and y < P, "A key or a signature is no point of the curve.")
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT % P
    must((x * x - square) % P == 0 and (x or not sign), "A key or a signature is no point of the curve.")
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


def added(left: Point, right: Point) -> Point:
    """Return the sum of two points."""
    a = (left[1] - left[0]) * (right[1] - right[0]) % P
    b = (left[1] + left[0]) * (right[1] + right[0]) % P
    c = 2 * left[3] * right[3] * D % P
    d = 2 * left[2] * right[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(number: int, base: Point) -> Point:
    """Return a point taken so many times."""
    result = (0, 1, 1, 0)
    while number:
        if number & 1:
            result = added(result, base)
        base = added(base, base)
        number >>= 1
    return result


def is_signed(public: bytes, message: bytes, signature: bytes) -> bool:
    """Say whether a public key of 32 bytes made this signature of 64 over the message."""
    must(len(signature) == 2 * KEY_BYTES, "A signature is not of 64 bytes.")
    half, scalar = point(signature[:32]), int.from_bytes(signature[32:], "little")
    challenge = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % ORDER
    base = point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))
    left, right = times(scalar, base), added(half, times(challenge, point(public)))
    same = [(left[axis] * right[2] - right[axis] * left[2]) % P == 0 for axis in (0, 1)]
    return scalar < ORDER and all(same)


def from_base64url(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def canonical(value: Json) -> bytes:
    """Return JSON of integers and texts as RFC 8785 writes it; names are ASCII."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def digest_of(path: Path) -> str:
    sha256 = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            sha256.update(piece)
    return sha256.hexdigest()


def checked_manifest(folder: Path) -> Json:
    data = (folder / MANIFEST).read_bytes()
    manifest = json.loads(data)
    must(canonical(manifest) == data, "The manifest is not in canonical form.")
    seal = manifest["seal"]
    unsealed = canonical({name: value for name, value in manifest.items() if name != "seal"})
    named = [key for key in manifest["keys"]["keys"] if key["kid"] == seal["kid"] and key["purpose"] == "receipts"]
    must(len(named) == 1, "The key that sealed the manifest is not in it.")
    thumbprint = hashlib.sha256(canonical({"crv": "Ed25519", "kty": "OKP", "x": named[0]["x"]})).digest()
    must(from_base64url(seal["kid"]) == thumbprint, "The key that sealed the manifest has another name.")
    must(
        is_signed(from_base64url(named[0]["x"]), DOMAIN + unsealed, from_base64url(seal["signature"])),
        "The seal of the manifest does not fit.",
    )
    present = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir() and "__pycache__" not in path.parts}
    listed = {file["name"]: file for file in manifest["files"]}
    must(present == {*listed, MANIFEST}, f"Files are missing or strange: {', '.join(sorted(present ^ {*listed, MANIFEST})[:5])}.")
    for name, file in listed.items():
        path = folder / name
        same = path.stat().st_size == file["size"] and not path.is_symlink() and digest_of(path) == file["sha256"]
        must(same, f"{name} is not the file that the manifest names.")
    return manifest


# --- 2. the events and their tree


def whole(text: str) -> int | None:
    return int(text) if text else None


def leaf(row: Row) -> bytes:
    """Return the leaf that a row is: its content was hashed when the month was closed."""
    cost = {"amount": row["cost_pico_usd"], "currency": "USD", "scale": 12} if row["cost_pico_usd"] else None
    return canonical(
        {
            "schema": "carbon-ledger/event/v1",
            "salt": row["salt"],
            "id": row["id"],
            "revision": int(row["revision"]),
            "occurred_at": row["occurred_at"],
            "duration_s": int(row["duration_s"]),
            "project": row["project"],
            "provider": row["provider"] or None,
            "model": row["model"] or None,
            "event": row["event"] or None,
            "requests": whole(row["requests"]),
            "tokens": {name: whole(row[name]) for name in (*BUCKETS, *PARTS)},
            "quantity": row["quantity"] or None,
            "cost": cost,
            "price_book": row["price_book"] or None,
            "emission_rate": row["emission_rate"] or None,
            "standing": row["standing"],
        }
    )


class Tree:
    """The Merkle tree of RFC 6962, section 2.1, by its right edge."""

    def __init__(self) -> None:
        self.size = 0
        self.peaks: list[bytes] = []

    def add(self, content: bytes) -> None:
        node, index = hashlib.sha256(b"\x00" + content).digest(), self.size
        while index & 1:
            node = hashlib.sha256(b"\x01" + self.peaks.pop() + node).digest()
            index >>= 1
        self.peaks.append(node)
        self.size += 1

    def root(self) -> str:
        if not self.peaks:
            return hashlib.sha256(b"").hexdigest()
        node = self.peaks[-1]
        for left in reversed(self.peaks[:-1]):
            node = hashlib.sha256(b"\x01" + left + node).digest()
        return node.hex()


class Months:
    """Which month an event is of, by the windows in ``trace/totals.json``."""

    def __init__(self, traced: Json) -> None:
        self.windows: list[tuple[str, str, str]] = [
            (one["start"], one["end"], one["month"]) for one in (traced["period"], *traced["earlier"])
        ]

    def of(self, occurred_at: str) -> str:
        second = occurred_at[:19] + "Z"  # windows begin at whole seconds, so the part of one decides nothing
        for start, end, month in self.windows:
            if start <= second < end:
                return month
        raise Wrong(f"An event of {occurred_at} is of no month of this pack.")


def rows(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


COARSE = ("month", "project", "provider", "model", "event", "price_book", "emission_rate", "standing")


def add_event(sums: Sums, row: Row, months: Months, sign: int) -> None:
    """Add an event to the sums of its kind: counts, amounts, and how many have no cost or an unknown count."""
    own = sums[(months.of(row["occurred_at"]), *(row[name] for name in COARSE[1:]))]
    own[0] += sign
    for place, name in enumerate(SUMS[1:-2], start=1):
        own[place] += sign * int(row[name] or 0)
    own[-8] += sign * Decimal(row["quantity"] or 0)
    own[-7] += sign * int(row["cost_pico_usd"] or 0)
    if not row["event"]:
        own[-6] += sign * (not row["cost_pico_usd"])
        for place, name in enumerate(BUCKETS):
            own[place - 5] += sign * (not row[name])


def nothing() -> list[Any]:
    return [0] * (len(SUMS) + 6)


def of_events(folder: Path, months: Months, own_month: str) -> tuple[Sums, Tree]:
    """Return the sums of the events by kind, and their tree. Late ones count less what they were before."""
    sums: Sums = defaultdict(nothing)
    tree, before = Tree(), ""
    for row in rows(folder / "events.csv"):
        must(before < row["id"], "The events are not in the order of their ids, each once.")
        before = row["id"]
        tree.add(leaf(row))
        add_event(sums, row, months, 1)
    for row in rows(folder / "adjusted-before.csv"):
        must(months.of(row["occurred_at"]) != own_month, "What was there before is of the month itself.")
        add_event(sums, row, months, -1)
    return {key: found for key, found in sums.items() if any(found)}, tree


def of_lines(lines: list[Row]) -> Sums:
    """Return the same sums, of the lines."""
    sums: Sums = defaultdict(nothing)
    for line in lines:
        facts = line["facts"].split()
        standing = "duplicate" if "duplicate" in facts else "counted"
        own = sums[(*(line[name] for name in COARSE[:-1]), standing)]
        for place, name in enumerate(SUMS):
            own[place] += Decimal(line[name]) if name == "quantity" else int(line[name])
        if not line["event"]:
            own[-6] += int(line["events"]) * ("cost_not_covered" in facts)
            for place, name in enumerate(BUCKETS):
                own[place - 5] += int(line["events"]) * (f"{name}_unknown" in facts)
    return {key: found for key, found in sums.items() if any(found)}


# --- 4. rates, factor sets, price books


class Number(str):
    """A number of a factor set, in its digits."""

    __slots__ = ()


def plain(number: Decimal) -> str:
    """Return a decimal as ECMAScript writes it, for numbers from 10^-6 to 10^21 of at most 15 digits, which factor sets have."""
    return "0" if not number else format(number.normalize(), "f")


def jcs(value: Json) -> str:
    """Return RFC 8785 of a document with fractions."""
    if isinstance(value, dict):
        return "{" + ",".join(json.dumps(name, ensure_ascii=False) + ":" + jcs(value[name]) for name in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(jcs, value)) + "]"
    return plain(Decimal(value)) if isinstance(value, Number) else json.dumps(value, ensure_ascii=False)


def checked_rates(folder: Path) -> Rates:
    """Return the rates by their digest, which is over names and numbers both."""
    found: Rates = {}
    for rate in json.loads((folder / "trace" / "rates.json").read_text("utf-8"))["rates"]:
        names = [
            rate[name] for name in ("version", "tier", "is_fallback", "host", "grid", "market", "is_batch", "context_low", "context_high")
        ]
        numbers = [
            None if rate[name] is None else [int(digits) for digits in rate[name]]
            for name in ("it", "energy", "embodied", "co2e_location", "co2e_market", "water")
        ]
        written = json.dumps([*names, *numbers], separators=(",", ":")).encode()
        must(hashlib.sha256(written).hexdigest() == rate["sha256"], f"A rate of {rate['tier']} is not what its digest says.")
        found[rate["sha256"]] = {"version": rate["version"], "energy": numbers[1], "co2e_location": numbers[3], "co2e_market": numbers[4]}
    return found


def versions_of(folder: Path, lines: list[Row], rates: Rates) -> Json:
    """Return versions and digests of the factor sets and price books that lines name, from their files."""
    sets: list[Json] = []
    books: list[Json] = []
    for version in sorted({rates[line["emission_rate"]]["version"] for line in lines if line["emission_rate"]}):
        text = (folder / "factors" / f"{version}.json").read_text("utf-8")
        document = json.loads(text, parse_float=Number, parse_int=Number)
        sets.append({"version": version, "sha256": hashlib.sha256(jcs(document).encode()).hexdigest()})
    for version in sorted({line["price_book"] for line in lines if line["price_book"]}):
        files = [(folder / "prices" / version / name).read_bytes() for name in ("prices.jsonl", "overrides.json")]
        books.append({"version": version, "sha256": hashlib.sha256(b"\x00".join(files)).hexdigest()})
    return {"factor_sets": sets, "price_books": books}


# --- 5. totals


def amounts(line: Row, rate: list[int]) -> list[int]:
    """Return what a line takes or emits, low, mid and high, in quanta."""
    prefill = sum(int(line[name]) for name in ("uncached_input", "cache_creation_5m", "cache_creation_1h"))
    phases = (prefill, int(line["cached_input"]), int(line["output"]))
    return [sum(tokens * per for tokens, per in zip(phases, rate[at : at + 3], strict=True)) for at in (0, 3, 6)]


def half_even(number: int, per_unit: int) -> int:
    units, rest = divmod(number, per_unit)
    return units + (2 * rest > per_unit or (2 * rest == per_unit and units % 2 == 1))


def is_covered(line: Row) -> bool:
    return "emissions_not_covered" not in line["facts"].split()


def counted(lines: list[Row]) -> list[Row]:
    """Return the lines that are in sums: neither duplicates nor metered events."""
    return [line for line in lines if not {"duplicate", "metered"} & set(line["facts"].split())]


def exact(lines: list[Row], rates: Rates) -> Ranges:
    """Return energy and emissions of lines in quanta; None is unknown, which is not zero."""
    some = counted(lines)
    covered = [line for line in some if is_covered(line)]
    found: Ranges = {}
    for name in QUANTITIES:
        known = [rates[line["emission_rate"]][name] for line in covered]
        if (some and not covered) or None in known:
            found[name] = None
            continue
        each = [amounts(line, rate) for line, rate in zip(covered, known, strict=True)]
        found[name] = [sum(one[bound] for one in each) for bound in range(3)]
    return found


def rounded(found: Ranges) -> Ranges:
    return {name: None if quanta is None else [half_even(bound, PER_UNIT[name]) for bound in quanta] for name, quanta in found.items()}


def buckets(lines: list[Row]) -> dict[str, int | None]:
    """Return tokens by bucket as receipts have them: null where an event's is unknown and nothing else is known."""
    found: dict[str, int | None] = {}
    for name in BUCKETS:
        count = sum(int(line[name]) for line in lines)
        unknown = sum(int(line["events"]) for line in lines if f"{name}_unknown" in line["facts"].split())
        found[name] = None if unknown and not count else count
    return found


def shared(parts: list[int], total: int, per_unit: int) -> list[int]:
    """Return parts in whole units that add up to the total: the largest remainders are rounded up, of equal ones the earlier first."""
    shares = [divmod(part, per_unit) for part in parts]
    left = total - sum(units for units, _ in shares)
    more = sorted(range(len(parts)), key=lambda place: -shares[place][1])[:left]
    return [units + (place in more) for place, (units, _) in enumerate(shares)]


def by_project(lines: list[Row], total: Ranges, rates: Rates) -> Json:
    """Return what each project comes to, in whole units that add up to the total."""
    names = sorted({line["project"] for line in lines})
    found = [exact([line for line in lines if line["project"] == name], rates) for name in names]
    made: Json = {name: {"cost_pico_usd": cost([line for line in lines if line["project"] == name])} for name in names}
    for quantity in QUANTITIES:
        for place, name in enumerate(names):
            made[name][quantity] = None
            rounded_total = total[quantity]
            if rounded_total is not None and found[place][quantity] is not None:
                made[name][quantity] = [
                    shared([(one[quantity] or [0, 0, 0])[bound] for one in found], rounded_total[bound], PER_UNIT[quantity])[place]
                    for bound in range(3)
                ]
    return made


def cost(lines: list[Row]) -> int:
    return sum(int(line["cost_pico_usd"]) for line in counted(lines))


def computed(traced: Json, lines: list[Row], rates: Rates) -> Json:
    """Return all that receipts and ``trace/totals.json`` say, computed from lines and rates."""
    quanta = exact(lines, rates)
    total = rounded(quanta)
    some = counted(lines)
    own = traced["period"]["month"]
    late = {month: [line for line in lines if line["month"] == month] for month in sorted({line["month"] for line in lines} - {own})}
    return {
        "quanta": quanta,
        "total": total,
        "tokens": {
            "covered": buckets([line for line in some if is_covered(line)]),
            "not_covered": buckets([line for line in some if not is_covered(line)]),
        },
        "requests": sum(int(line["requests"]) for line in some),
        "cost_pico_usd": cost(lines),
        "projects": by_project(lines, total, rates),
        "adjustments": {
            month: {
                "events": sum(int(line["events"]) for line in counted(some)),
                "cost_pico_usd": cost(some),
                **rounded(exact(some, rates)),
            }
            for month, some in late.items()
        },
    }


def check_trace(lines: list[Row], rates: Rates) -> None:
    """The amounts beside each line of the trace are what its tokens and its rate come to."""
    for line in lines:
        rate = rates[line["emission_rate"]] if line["emission_rate"] else {}
        for name in QUANTITIES:
            per = rate.get(name)
            expected = ["", "", ""] if per is None or not is_covered(line) else list(map(str, amounts(line, per)))
            written = [line[f"{name}_quanta_{bound}"] for bound in ("low", "mid", "high")]
            must(written == expected, f"An amount of {line['model'] or line['event']} in trace/lines.csv is not tokens times rate.")


# --- what receipts say, in their own form


def a_range(bounds: list[int] | None) -> Json:
    return None if bounds is None else dict(zip(("low", "mid", "high"), bounds, strict=True))


def gross(found: Ranges) -> Json:
    return [{"scope": "3", "basis": basis, "co2e_mg": a_range(found[f"co2e_{basis}"])} for basis in ("location", "market")]


def money(pico: int) -> Json:
    return [{"currency": "USD", "amount": str(pico), "scale": 12}]


def check_receipt(receipt: Json, found: Json, tree: Tree, versions: Json) -> None:
    """Compare a receipt with what was computed, member by member."""
    expected = {
        "gross": gross(found["total"]),
        "energy_uwh": a_range(found["total"]["energy"]),
        "tokens": found["tokens"],
        "events": {"root": tree.root(), "count": tree.size},
        "cost": money(found["cost_pico_usd"]),
        **versions,
    }
    for name, value in expected.items():
        must(receipt[name] == value, f"Receipt {receipt['serial']} says another {name} than is computed:\n  {receipt[name]}\n  {value}")
    said = {one["project"]: (one["gross"], one["cost"]) for one in receipt["projects"]}
    mine = {name: (gross(one), money(one["cost_pico_usd"])) for name, one in found["projects"].items()}
    must(said == mine, f"Receipt {receipt['serial']} says other shares of projects than are computed.")
    changes = {one["month"]: (one["events"], one["gross"], one["cost"]) for one in receipt["adjustments"]}
    computed_changes = {month: (one["events"], gross(one), money(one["cost_pico_usd"])) for month, one in found["adjustments"].items()}
    must(changes == computed_changes, f"Receipt {receipt['serial']} says other adjustments than are computed.")
    compensated = receipt["compensation"]
    allocated = sum(one["to_mg"] - one["from_mg"] for one in receipt["allocations"])
    required = 0
    if compensated is not None:
        basis = found["total"][f"co2e_{compensated['basis']}"]
        must(basis is not None, f"Receipt {receipt['serial']} compensates what is not known.")
        bound = basis[("low", "mid", "high").index(compensated["bound"])]
        required = max(0, -(-bound * compensated["share_bp"] // 10_000))  # rounded up
        must(compensated["required_mg"] == required, f"Receipt {receipt['serial']} compensates another amount than is computed.")
    must(allocated == required, f"Receipt {receipt['serial']} allocates {allocated} mg where {required} are compensated.")


def in_digits(found: Json) -> Json:
    """Return what was computed as ``trace/totals.json`` has it: large integers in texts."""
    if isinstance(found, dict):
        return {name: in_digits(value) for name, value in found.items()}
    if isinstance(found, list):
        return [in_digits(value) for value in found]
    return found if found is None else str(found)


def recompute(folder: Path) -> list[str]:
    """Check the pack in a folder and return lines that say what was found. Raises ``Wrong``."""
    told: list[str] = []
    manifest = checked_manifest(folder)
    told.append(f"ok  manifest   sealed by {manifest['seal']['kid']}; {len(manifest['files'])} files with their SHA-256")
    traced = json.loads((folder / "trace" / "totals.json").read_text("utf-8"))
    must(traced["period"] == {**manifest["period"]}, "trace/totals.json is of another period.")
    months = Months(traced)
    sums, tree = of_events(folder, months, traced["period"]["month"])
    must({"root": tree.root(), "count": tree.size} == manifest["events"], "The events are not those that the manifest's root is over.")
    told.append(f"ok  events     {tree.size} events, root {tree.root()}")
    lines = list(rows(folder / "trace" / "lines.csv"))
    must(sums == of_lines(lines), "The lines are not the sums of the events.")
    told.append(f"ok  lines      {len(lines)} lines are the sums of the events")
    rates = checked_rates(folder)
    versions = versions_of(folder, lines, rates)
    check_trace(lines, rates)
    told.append(
        f"ok  rates      {len(rates)} rates, {len(versions['factor_sets'])} factor sets, {len(versions['price_books'])} price books"
    )
    found = computed(traced, lines, rates)
    must(in_digits(found) == traced["totals"], "The totals of trace/totals.json are not those computed.")
    told.append("ok  totals     computed again to the digit")
    for one in manifest["receipts"]:
        receipt = json.loads((folder / "receipts" / one["serial"] / "receipt.json").read_text("utf-8"))
        bundled = json.loads((folder / "receipts" / one["serial"] / "bundle.json").read_text("utf-8"))["receipt"]
        must(receipt == bundled and receipt["serial"] == one["serial"], f"receipt.json of {one['serial']} is not what its bundle holds.")
        check_receipt(receipt, found, tree, versions)
        told.append(f"ok  receipt    {one['serial']} ({one['state']}) says what is computed")
    for name, unit in (("energy", "uWh"), ("co2e_location", "mg"), ("co2e_market", "mg")):
        said = found["total"][name]
        told.append(f"    {name:<14} {'unknown' if said is None else ' / '.join(map(str, said))} {unit} (low / mid / high)")
    told.append(f"    {'cost':<14} {Decimal(found['cost_pico_usd']).scaleb(-12):f} USD")
    return told


def main() -> int:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent
    try:
        told = recompute(folder)
    except (Wrong, OSError, ValueError, KeyError, TypeError, IndexError, ArithmeticError) as error:
        print(f"WRONG: {error if isinstance(error, Wrong) else repr(error)}", file=sys.stderr)  # house: allow print - it is a program
        return 1
    print("\n".join([*told, "RECOMPUTED: all of it holds, to the digit."]))  # house: allow print - it is a program
    return 0


if __name__ == "__main__":
    sys.exit(main())
