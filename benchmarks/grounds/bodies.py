"""What a benchmark of ingest sends: bodies of ten thousand events of one hour, made once and filled anew for each request."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import orjson

BATCH: Final = 10_000
MODELS: Final = (
    ("openai", "gpt-4o"),
    ("openai", "gpt-5-mini"),
    ("anthropic", "claude-sonnet-4-5"),
    ("openai", "o3"),
    ("anthropic", "claude-haiku-4-5"),
)
_RUN, _HOUR, _STAMP = "~~~~~~~~", "2099-01-01T00", "^^^^^"  # places that every body fills anew


@dataclass(frozen=True, slots=True)
class Keys:
    """One kind of keys, and SQL for the body that a key was in and for its place there."""

    key: Callable[[int], str]
    run: str
    place: str


def _spread(number: int, chars: int) -> str:
    """Return digits at random that are the same each time."""
    return hashlib.sha256(b"%d" % number).hexdigest()[:chars]


_AT_END: Final = {"run": "right(idempotency_key, 8)", "place": "left(right(idempotency_key, 14), 6)"}
KEYS: Final = {
    "numbered": Keys(
        lambda number: f"bench-{_RUN}-{number:06d}-{number * 7919 % 100_003:06d}",
        run="substr(idempotency_key, 7, 8)",
        place="substr(idempotency_key, 16, 6)",
    ),
    # The hour's upper 20 bits of seconds since 1970, 12 bits of the second in it, and random: as OpenAI's ids of responses begin.
    "timed": Keys(
        lambda number: f"resp_{_STAMP}{number * 4096 // BATCH:03x}{_spread(number, 8)}{number:06d}{_RUN}",
        **_AT_END,
    ),
    "random": Keys(
        lambda number: f"{_spread(number, 21)}{number:06d}{_RUN}",
        **_AT_END,
    ),
}


def template(keys: str) -> bytes:
    """Return a body of ten thousand events whose run and hour are placeholders."""
    events = []
    for number in range(BATCH):
        provider, model = MODELS[number % len(MODELS)]
        cached = number * 37 % 2000
        events.append(
            {
                "idempotency_key": KEYS[keys].key(number),
                "occurred_at": f"{_HOUR}:{number % 60:02d}:{number // 60 % 60:02d}Z",
                "provider": provider,
                "model": model,
                "operation": "chat",
                "tokens": {
                    "uncached_input": 500 + number % 3000,
                    "cached_input": cached,
                    "cache_creation_5m": 0,
                    "cache_creation_1h": 0,
                    "output": 50 + number % 700,
                    "reasoning": 0,
                },
            }
        )
    return orjson.dumps({"events": events})


def filled(body: bytes, number: int, hour: datetime) -> bytes:
    stamp = f"{int(hour.timestamp()) >> 12:05x}"
    places = ((_RUN, f"{number:08d}"), (_HOUR, hour.strftime("%Y-%m-%dT%H")), (_STAMP, stamp))
    for place, value in places:
        body = body.replace(place.encode(), value.encode())
    return body
