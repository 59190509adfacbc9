"""Who made which request, when: the traces, read through ``data/streams.csv`` and ``data/assignment.csv``.

Owns the rules of ``data/README.md``: when in its hour a request happens, and what its provider's cache held. A stream is one
application: an account, a model, a project and a run of rows of one trace. Nothing here knows a price or the shape of a provider's
answer.
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
class Stream:
    """One application's usage of one model."""

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

    stream: Stream
    at_s: int
    rank_from_end: int  # 1 is the last of its stream and hour
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


def streams() -> dict[str, Stream]:
    """Return all streams by name."""
    return {row["stream"]: _stream(row) for row in traces.table("streams.csv")}


def _stream(row: dict[str, str]) -> Stream:
    return Stream(
        name=row["stream"],
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


def counted(stream: Stream, rows: list[traces.TraceRow]) -> Iterator[Tokens]:
    """Yield the tokens of a stream's rows, in order, with what its cache held by then.

    Cached are the leading blocks that an earlier row of the stream had, 512 tokens each, at most the whole input. Where the provider bills
    writes, the other whole blocks are written; what is left is uncached. Nothing is ever evicted.
    """
    seen: set[int] = set()
    for row in rows:
        hits = sum(1 for _ in itertools.takewhile(seen.__contains__, row.blocks)) if stream.cache != "none" else 0
        cached = min(traces.BLOCK * hits, row.input_tokens)
        written = traces.BLOCK * max(0, row.input_tokens // traces.BLOCK - hits) if stream.cache.startswith("write") else 0
        seen.update(row.blocks)
        yield Tokens(
            uncached=row.input_tokens - cached - written,
            cached=cached,
            created_5m=written if stream.cache == "write_5m" else 0,
            created_1h=written if stream.cache == "write_1h" else 0,
            output=0 if stream.endpoint == "embeddings" else row.output_tokens,
            calls=1,
        )


def all_calls() -> list[Call]:
    """Return every call of the demo, by time."""
    known = streams()
    source = {trace: traces.rows(trace) for trace in ("azure", "mooncake")}
    tokens = {name: list(counted(stream, source[stream.trace][stream.first_row - 1 : stream.last_row])) for name, stream in known.items()}
    calls: list[Call] = []
    for line in traces.table("assignment.csv"):
        stream = known[line["stream"]]
        offset = int(line["first_row"]) - stream.first_row
        for hour in range(24):
            count = int(line[f"h{hour:02}"])
            start_s = int(line["day"]) * DAY_S + hour * HOUR_S
            for place in range(count):
                at_s = start_s + HOUR_S * (2 * place + 1) // (2 * count)
                calls.append(Call(stream, at_s, count - place, tokens[stream.name][offset + place]))
            offset += count
    return sorted(calls, key=lambda call: (call.at_s, call.stream.name))
