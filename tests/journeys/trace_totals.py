"""Tokens per provider and model, counted from the shipped traces and the assignment table alone: `python tests/journeys/trace_totals.py`.

Imports nothing of ours, on purpose: it is the second opinion on what the demo's summary must say. Prints JSON: provider, model, then
`requests`, `input` and the token buckets. Without options it counts everything that is assigned, the end of the anchor day included. With
`--anchor` (the last of the 60 days) and `--until` (an instant) it counts what happened before that instant; to compare with a stand-in
whose clock says NOW, use NOW less its lag of 600 s.
"""

from __future__ import annotations

import argparse
import collections
import csv
import json
import lzma
import pathlib
import sys
from datetime import UTC, datetime

DATA = pathlib.Path(__file__).parents[2] / "src/carbonledger_sandbox/data"
COUNTS = ("requests", "input", "uncached_input", "cached_input", "cache_creation_5m", "cache_creation_1h", "output")
Counts = dict[str, int]


def requests_of(data: pathlib.Path) -> dict[str, list[tuple[int, int, list[int]]]]:
    """(input, output, prefix blocks) of every row, by trace."""
    azure = lzma.decompress((data / "azure_llm_2023_conv.csv.xz").read_bytes()).decode().splitlines()[1:]
    mooncake = lzma.decompress((data / "mooncake_conversation_first30min.jsonl.xz").read_bytes()).decode().splitlines()
    rows: dict[str, list[tuple[int, int, list[int]]]] = {"azure": [], "mooncake": []}
    for line in azure:
        _, context, generated = line.split(",")
        rows["azure"].append((int(context), int(generated), []))
    for line in mooncake:
        row = json.loads(line)
        rows["mooncake"].append((row["input_length"], row["output_length"], row["hash_ids"]))
    return rows


def split(row: tuple[int, int, list[int]], cache: str, known: set[int]) -> tuple[int, int]:
    """Cached and written tokens of a row, given the blocks that earlier rows of its application had; notes its own."""
    size, _, blocks = row
    leading = 0
    while cache != "none" and leading < len(blocks) and blocks[leading] in known:
        leading += 1
    known.update(blocks)
    written = (size // 512 - leading) * 512 if cache.startswith("write") else 0
    return min(leading * 512, size), max(written, 0)


def times(line: dict[str, str]) -> list[int]:
    """Seconds after the anchor day's midnight of each call that a line of the table stands for: evenly within its hour."""
    found = []
    for hour in range(24):
        count = int(line[f"h{hour:02d}"])
        start = (int(line["day"]) * 24 + hour) * 3600
        found += [start + (3600 * (2 * place + 1)) // (2 * count) for place in range(count)]
    return found


def totals(data: pathlib.Path = DATA, *, until: float | None = None, anchor: float = 0) -> dict[str, dict[str, Counts]]:
    """Count; ``anchor`` is the start of the anchor day and ``until`` an instant, both in Unix seconds."""
    rows = requests_of(data)
    applications = {
        line["application"]: line for line in csv.DictReader((data / "applications.csv").read_text(encoding="utf-8").splitlines())
    }
    known: dict[str, set[int]] = {name: set() for name in applications}
    used: dict[str, int] = {name: int(application["first_row"]) for name, application in applications.items()}
    found: dict[str, dict[str, Counts]] = {}
    for line in csv.DictReader((data / "assignment.csv").read_text(encoding="utf-8").splitlines()):
        name = line["application"]
        application = applications[name]
        if int(line["first_row"]) != used[name]:
            sys.exit(f"the table skips or repeats rows of {name} at day {line['day']}")
        for second in times(line):
            row = rows[application["trace"]][used[name] - 1]
            used[name] += 1
            cached, written = split(row, application["cache"], known[name])
            if until is not None and anchor + second >= until:
                continue
            counts = found.setdefault(application["provider"], {}).setdefault(application["model"], dict.fromkeys(COUNTS, 0))
            one = collections.Counter(
                requests=1, input=row[0], uncached_input=row[0] - cached - written, cached_input=cached,
                output=row[1] if application["endpoint"] != "embeddings" else 0,
            )  # fmt: skip
            one["cache_creation_1h" if application["cache"] == "write_1h" else "cache_creation_5m"] += written
            for count, number in one.items():
                counts[count] += number
    for name, application in applications.items():
        if used[name] != int(application["last_row"]) + 1:
            sys.exit(f"the table leaves rows of {name} out")
    return found


def instant(text: str) -> float:
    """Unix seconds; UTC unless an offset says otherwise."""
    given = datetime.fromisoformat(text)
    return (given if given.tzinfo else given.replace(tzinfo=UTC)).timestamp()


def main() -> None:
    """Print the totals."""
    parser = argparse.ArgumentParser(description="Tokens per provider and model of the demo, from the raw traces.")
    parser.add_argument("--data", type=pathlib.Path, default=DATA)
    parser.add_argument("--anchor", type=instant, help="the last of the 60 days, for example 2026-11-25")
    parser.add_argument("--until", type=instant, help="count only what happened before this instant; needs --anchor")
    options = parser.parse_args()
    if options.until is not None and options.anchor is None:
        parser.error("--until needs --anchor")
    print(json.dumps(totals(options.data, until=options.until, anchor=options.anchor or 0), indent=2, sort_keys=True))


if __name__ == "__main__":
    main()
