"""2,340 priced readings of recorded provider answers: our cost is genai-prices' own, to the digit, but for listed differences.

A body is read as several providers' shapes; one of them served it. All readings are compared, and those of the server counted.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from carbonledger.kernel.usage import TokenBuckets, Usage
from tests.unit.domains.pricing import books

BODIES = Path(__file__).parents[2] / "fixtures/traces/provider_usage_bodies.jsonl"
AT = datetime(2025, 12, 1, 12, tzinfo=UTC)  # the instant whose prices the file has

# (provider, model): how many, and why ours is another.
DIFFERENCES = {
    # The release has the model and no price. There a missing price is free; here it is no cost.
    ("cerebras", "qwen-3-coder-480b"): 2,
    # DeepSeek's price since 2025-09-29 is 0.28 / 0.42 (override deepseek-v3.2); the file has the one of February, 0.55 / 2.19.
    ("deepseek", "deepseek-reasoner"): 1,
}


# Who served a recording, by its name and model: the first that fits.
SERVERS = (
    ("huggingface|ollama|qwen-nested", "", None),  # a router that does not name its host; our own machine; not told
    ("openrouter", "", "openrouter"),
    ("cerebras", "", "cerebras"),
    ("groq", "", "groq"),
    ("azure", "", "azure"),
    ("bedrock", "^gpt-5-2025", "openai"),  # a conversation handed from one provider to another
    ("bedrock", "", "aws"),
    ("", "^claude", "anthropic"),
    ("", "^(gpt|o[134]|text-embedding|computer-use)", "openai"),
    ("", "gemini", "google"),
    ("", "^(mistral|pixtral)", "mistral"),
    ("", "^deepseek", "deepseek"),
    ("", "^glm", "zai"),
)
SERVED = {"anthropic": 162, "aws": 10, "azure": 3, "cerebras": 6, "google": 295, "groq": 45, "mistral": 37, "openai": 272, "openrouter": 26}


class Reading(NamedTuple):
    usage: Usage
    price: Decimal
    is_served: bool

    @property
    def is_equal(self) -> bool:
        return books.shipped().price(self.usage).amount == self.price


def buckets(counts: dict[str, int]) -> TokenBuckets:
    """Turn genai-prices' counts, which contain each other, into buckets, which don't. Video and text have no bucket of their own."""
    read, write = counts.get("cache_read_tokens", 0), counts.get("cache_write_tokens", 0)
    hour = counts.get("cache_write_1h_tokens", 0)
    cached_audio, cached_image = counts.get("cache_audio_read_tokens", 0), counts.get("cache_image_read_tokens", 0)
    return TokenBuckets(
        uncached_input=counts.get("input_tokens", 0) - read - write,
        cached_input=read,
        cache_creation_5m=write - hour,
        cache_creation_1h=hour,
        output=counts.get("output_tokens", 0),
        reasoning=counts.get("output_reasoning_tokens"),
        audio_input=counts.get("input_audio_tokens", 0) - cached_audio,
        image_input=counts.get("input_image_tokens", 0) - cached_image,
        cached_audio_input=cached_audio,
        cached_image_input=cached_image,
        audio_output=counts.get("output_audio_tokens", 0),
        image_output=counts.get("output_image_tokens", 0),
    )


def server(recording: str, model: str) -> str | None:
    return next((name for path, of, name in SERVERS if re.search(path, recording) and re.search(of, model)), None)


def readings() -> Iterator[Reading]:
    for line in BODIES.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        served_by = server(row["body"].get("file") or "", row.get("model") or "")
        seen = False
        for extracted in sorted(row["extracted"], key=lambda one: -len(one["usage"])):  # the server's own shape tells the most
            tokens = buckets(extracted["usage"])
            for one in extracted["extractors"]:
                if "input_price" in one:
                    usage = Usage(provider=one["provider_id"], model=row["model"], occurred_at=AT, tokens=tokens, requests=1)
                    is_served = one["provider_id"] == served_by and not seen
                    seen = seen or is_served
                    yield Reading(usage, Decimal(one["input_price"]) + Decimal(one["output_price"]), is_served)


def test_every_price_is_ours_too_or_a_listed_difference() -> None:
    found = list(readings())
    assert Counter(tuple(reading.usage.key) for reading in found if not reading.is_equal) == DIFFERENCES
    assert len(found) == 2340
    assert len({reading.usage.key for reading in found if reading.price}) > 100  # models with a price, not one model over and over


def test_answers_as_the_provider_that_served_them_shaped_them() -> None:
    served = [reading for reading in readings() if reading.is_served]
    assert Counter(reading.usage.provider for reading in served if reading.is_equal) == SERVED
    assert {tuple(reading.usage.key) for reading in served if not reading.is_equal} == set(DIFFERENCES)
