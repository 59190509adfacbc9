"""`python -m tools.demo_traces [FOLDER]`: make the traces that `carbonledger_sandbox` ships, and its assignment table.

Owns the cut and the spreading, nothing else: what each file means is in `src/carbonledger_sandbox/data/README.md`, and `applications.csv`,
which says who uses which rows, is written by hand. With FOLDER (the files as published, by the names and digests below) the traces are
packed anew; the table is made anew in any case, from `applications.csv` and the weekly shape alone. The same input gives the same table.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import lzma
import sys
from collections.abc import Iterable, Iterator, Mapping
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

DATA = Path(__file__).parents[1] / "src/carbonledger_sandbox/data"
AZURE = "azure_llm_2023_conv.csv"
MOONCAKE = "mooncake_conversation_first30min.jsonl"
SERVEGEN = "servegen_client_hourly.csv"
SHAPE = "servegen_weekly_shape.csv"
DIGESTS = {
    AZURE: "2f1e5b666d4e3055fdbba98598ce2ec307767b9064e03e2fa46676dbcc7d0bf8",
    MOONCAKE: "0b278e6a285958f6f087394ad02026d734591c67f44cccecb0e0f9a59d509b98",
    SERVEGEN: "110d96b97565b81f9118dbc9efe979b044742739d905d1b909aa6b7798bba501",
}
DAYS = 60
HOURS = 24
WEEK_H = 168


class WrongFile(SystemExit):
    """A file is not the one that was published."""


def read(folder: Path, name: str) -> bytes:
    """Return a published file, or refuse one that is another."""
    content = (folder / name).read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != DIGESTS[name]:
        raise WrongFile(f"{folder / name} has the digest {found}, expected {DIGESTS[name]}")
    return content


def shape(clients: str) -> str:
    """Return requests by hour of the week (168 rows), summed over all clients of both models and rounded half up."""
    exact = dict.fromkeys(range(WEEK_H), Decimal(0))
    for row in csv.DictReader(io.StringIO(clients)):
        exact[int(row["hour"])] += Decimal(row["requests"])
    rows = (f"{hour},{requests.quantize(Decimal(1), ROUND_HALF_UP)}\n" for hour, requests in exact.items())
    return "hour,requests\n" + "".join(rows)


def spread(rows: int, weights: Iterable[int]) -> Iterator[int]:
    """Share ``rows`` out in proportion to ``weights``, in order: the running total is the exact share, rounded down."""
    given = list(weights)
    whole = sum(given)
    running = before = 0
    for weight in given:
        running += weight
        upto = rows * running // whole
        yield upto - before
        before = upto


def weights(application: Mapping[str, str], week: list[int]) -> list[int]:
    """Return the weight of each of the 60 x 24 hours: the weekly shape within the application's days and hours, 0 outside."""
    first, last = int(application["first_day"]), int(application["last_day"])
    opens, closes = (int(part) for part in application["hours"].split("-"))
    return [
        week[(index * HOURS + hour) % WEEK_H] if first <= index - DAYS + 1 <= last and opens <= hour <= closes else 0
        for index in range(DAYS)
        for hour in range(HOURS)
    ]


def assignment(applications: str, weekly: str) -> str:
    """Return the table: for each application and day the first row and how many rows each hour has."""
    week = [int(row["requests"]) for row in csv.DictReader(io.StringIO(weekly))]
    lines = ["application,day,first_row," + ",".join(f"h{hour:02}" for hour in range(HOURS))]
    for application in csv.DictReader(io.StringIO(applications)):
        row = int(application["first_row"])
        counts = list(spread(int(application["last_row"]) - row + 1, weights(application, week)))
        for index in range(DAYS):
            day = counts[index * HOURS : (index + 1) * HOURS]
            if any(day):
                lines.append(f"{application['application']},{index - DAYS + 1},{row}," + ",".join(str(count) for count in day))
            row += sum(day)
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Write the files."""
    parser = argparse.ArgumentParser(prog="python -m tools.demo_traces", description="Make the demo's traces and assignment table.")
    parser.add_argument("folder", type=Path, nargs="?", help="the published traces; without it only the table is made")
    options = parser.parse_args(arguments)
    if options.folder is not None:
        for name in (AZURE, MOONCAKE):
            (DATA / f"{name}.xz").write_bytes(lzma.compress(read(options.folder, name), preset=6))
        (DATA / SHAPE).write_text(shape(read(options.folder, SERVEGEN).decode()))
    (DATA / "assignment.csv").write_text(assignment((DATA / "applications.csv").read_text(), (DATA / SHAPE).read_text()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
