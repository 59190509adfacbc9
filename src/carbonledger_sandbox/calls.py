"""Who made which request, when: the traces, read through ``data/applications.csv`` and ``data/assignment.csv``.

Owns the rules of ``data/README.md``: when in its hour a request happens, and what its provider's cache held. An application uses
one model of one account for one project: a run of rows of one trace. Nothing here knows a price or the shape of a provider's answer.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from carbonledger_sandbox import traces

HOUR_S = 3600
DAY_S = 24 * HOUR_S
LONG_CONTEXT = 200_000


@dataclass(frozen=True, slots=True)
class Application:
    """What calls one model with one key, and the rows of a trace that are its calls."""

    name: str
    provider: str
    account: str
    endpoint: str
    model: str
    permaslug: str  # the model's dated name at OpenRouter
    project: str | None  # project of OpenAI, workspace of the others; none is Anthropic's default workspace
    project_name: str
    api_key: str
    user: str
    tier: str
    batch: bool
    region: str
    upstream: str  # who serves the model at OpenRouter
    cache: str  # none, read, write_5m or write_1h
    trace: str
    first_row: int
    last_row: int


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens of one or more calls in counts that never overlap."""

    uncached: int = 0
    cached: int = 0
    created_5m: int = 0
    created_1h: int = 0
    output: int = 0
    calls: int = 0

    @property
    def input(self) -> int:
        """All tokens in."""
        return self.uncached + self.cached + self.created_5m + self.created_1h

    def __add__(self, other: Tokens) -> Tokens:
        return Tokens(
            self.uncached + other.uncached,
            self.cached + other.cached,
            self.created_5m + other.created_5m,
            self.created_1h + other.created_1h,
            self.output + other.output,
            self.calls + other.calls,
        )


@dataclass(frozen=True, slots=True)
class Call:
    """One request: seconds since the anchor day's midnight (negative before it), and its place among those of its hour."""

    application: Application
    at_s: int
    rank_from_end: int  # 1 is the last of its application and hour
    tokens: Tokens

    @property
    def day(self) -> int:
        """Days after the anchor day."""
        return self.at_s // DAY_S

    @property
    def hour(self) -> int:
        """The hour of its day."""
        return self.at_s % DAY_S // HOUR_S

    @property
    def context_window(self) -> str:
        """Anthropic's name for how long the input was."""
        return "0-200k" if self.tokens.input <= LONG_CONTEXT else "200k-1M"


def applications() -> dict[str, Application]:
    """Return all applications by name."""
    return {row["application"]: _application(row) for row in traces.table("applications.csv")}


def _application(row: dict[str, str]) -> Application:
    return Application(
        name=row["application"],
        provider=row["provider"],
        account=row["account"],
        endpoint=row["endpoint"],
        model=row["model"],
        permaslug=row["permaslug"],
        project=row["project"] or None,
        project_name=row["project_name"],
        api_key=row["api_key"],
        user=row["user"],
        tier=row["tier"],
        batch=row["batch"] == "true",
        region=row["region"],
        upstream=row["upstream"],
        cache=row["cache"],
        trace=row["trace"],
        first_row=int(row["first_row"]),
        last_row=int(row["last_row"]),
    )


def counted(application: Application, rows: list[traces.TraceRow]) -> Iterator[Tokens]:
    """Yield the tokens of an application's rows, in order, with what its cache held by then.

    Cached are the leading blocks that an earlier row of the application had, 512 tokens each, at most the whole input. Where the provider
    bills writes, the other whole blocks are written; what is left is uncached. Nothing is ever evicted.
    """
    seen: set[int] = set()
    for row in rows:
        hits = sum(1 for _ in itertools.takewhile(seen.__contains__, row.blocks)) if application.cache != "none" else 0
        cached = min(traces.BLOCK * hits, row.input_tokens)
        written = traces.BLOCK * max(0, row.input_tokens // traces.BLOCK - hits) if application.cache.startswith("write") else 0
        seen.update(row.blocks)
        yield Tokens(
            uncached=row.input_tokens - cached - written,
            cached=cached,
            created_5m=written if application.cache == "write_5m" else 0,
            created_1h=written if application.cache == "write_1h" else 0,
            output=0 if application.endpoint == "embeddings" else row.output_tokens,
            calls=1,
        )


def all_calls() -> list[Call]:
    """Return every call of the demo, by time."""
    known = applications()
    source = {trace: traces.rows(trace) for trace in ("azure", "mooncake")}
    tokens = {
        name: list(counted(application, source[application.trace][application.first_row - 1 : application.last_row]))
        for name, application in known.items()
    }
    calls: list[Call] = []
    for line in traces.table("assignment.csv"):
        application = known[line["application"]]
        offset = int(line["first_row"]) - application.first_row
        for hour in range(24):
            count = int(line[f"h{hour:02}"])
            start_s = int(line["day"]) * DAY_S + hour * HOUR_S
            for place in range(count):
                at_s = start_s + HOUR_S * (2 * place + 1) // (2 * count)
                calls.append(Call(application, at_s, count - place, tokens[application.name][offset + place]))
            offset += count
    return sorted(calls, key=lambda call: (call.at_s, call.application.name))
