"""1,082 recorded usage objects: every one becomes buckets that add up to the provider's own total, and agree with a second program.

The second program is genai-prices: of what it extracts as many shapes, the reading as the shape of whoever served the body. What it does
not know it takes as zero, so unknown and zero are compared as one; ``DIFFERENCES`` lists every other disagreement.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from carbonledger.domains.telemetry.core import bodies
from carbonledger.domains.telemetry.core.bodies import Note, Outcome, Reading
from carbonledger.kernel.usage import BUCKETS, PARTS, TokenBuckets, UsageQuality

BODIES = Path(__file__).parents[2] / "fixtures/traces/provider_usage_bodies.jsonl"

# Whose shape a body has, by its members, the name of the recording and the model: the first that fits. Amazon's "mantle" and Ollama
# answer as OpenAI does, and genai-prices knows their shape by no other name.
SERVERS = (
    ("inputTokens", "", "", "aws"),
    ("usageMetadata", "", "", "google"),
    ("billed_units", "", "", "cohere"),
    ("num_cached_tokens", "", "", "mistral"),
    ("", "openrouter|qwen-nested", "", "openrouter"),
    ("", "huggingface", "", "huggingface_fireworks-ai"),
    ("", "ollama|bedrock_mantle|openai_responses_compact", "", "openai"),
    ("", "cerebras", "", "cerebras"),
    ("", "groq", "", "groq"),
    ("", "azure", "", "azure"),
    ("", "", "^claude", "anthropic"),
    ("", "", "^(gpt|o[134]|text-embedding|computer-use)", "openai"),
    ("", "", "gemini", "google"),
    ("", "", "^(mistral|pixtral)", "mistral"),
    ("", "", "^deepseek", "deepseek"),
    ("", "", "^glm", "zai"),
)
COMPARED = {
    "anthropic": 164,
    "aws": 167,
    "azure": 3,
    "cerebras": 12,
    "cohere": 12,
    "deepseek": 1,
    "google": 308,
    "groq": 47,
    "huggingface_fireworks-ai": 6,
    "mistral": 37,
    "openai": 290,
    "openrouter": 30,
    "zai": 5,
}
# (server, the buckets that differ): how many, and why ours is another.
DIFFERENCES = {
    # Mistral's ``num_cached_tokens`` is no field that genai-prices reads. It is inside ``prompt_tokens``: the total is prompt + completion.
    ("mistral", "uncached_input cached_input"): 18,
    # Gemini through Google's OpenAI-like address: thoughts are in ``total_tokens`` alone (109 = 35 + 12 + 62). They are charged as output.
    ("google", "output"): 2,
}


class Row(NamedTuple):
    server: str
    file: str
    usage: Mapping[str, Any]
    extracted: TokenBuckets

    @property
    def reading(self) -> Reading:
        return bodies.read_usage(self.server, self.usage, operation="embeddings" if "embedding" in self.file else None)

    @property
    def difference(self) -> str:
        ours, theirs = self.reading.tokens, self.extracted
        return " ".join(name for name in (*BUCKETS, *PARTS) if (getattr(ours, name) or 0) != (getattr(theirs, name) or 0))


def rows() -> Iterator[Row]:
    for line in BODIES.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        body = row["body"]
        usage = body.get("usage") or body.get("usageMetadata") or body["meta"]
        model = body.get("model") or body.get("modelVersion") or ""
        server = next(
            name
            for member, recording, of, name in SERVERS
            if (not member or member in usage or member in body) and re.search(recording, body["file"]) and re.search(of, model)
        )
        readings = [one["usage"] for one in row["extracted"] for by in one["extractors"] if by["provider_id"] == server]
        # Cohere is read twice, by what it charges and by what it processed; of others the shape that tells the most is their own.
        extracted = readings[0] if server == "cohere" else max(readings, key=len)
        yield Row(server, body["file"], usage, apart(extracted))


def apart(counts: Mapping[str, int]) -> TokenBuckets:
    """Turn genai-prices' counts, which contain each other, into buckets, which don't."""
    read, write, hour = (counts.get(name, 0) for name in ("cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens"))
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


def own_total(usage: Mapping[str, Any]) -> int:
    """Return the provider's total: the one it states, or that of its own members where it states none."""
    for name in ("total_tokens", "totalTokenCount", "totalTokens"):
        if name in usage:
            return int(usage[name])
    if "billed_units" in usage:
        return sum(count for name, count in usage["billed_units"].items() if name.endswith("put_tokens"))
    if "promptTokenCount" in usage:
        return int(usage["promptTokenCount"])
    return sum(usage[name] for name in ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "output_tokens"))


def test_the_buckets_of_every_body_add_up_to_the_providers_total() -> None:
    found = list(rows())
    assert len(found) == 1082
    assert [row.file for row in found if row.reading.tokens.total != own_total(row.usage)] == []
    assert {row.reading.quality for row in found} == {UsageQuality.REPORTED}
    assert {row.reading.outcome for row in found} == {Outcome.COUNTED}


def test_every_body_is_read_as_a_second_program_reads_it_or_a_listed_difference() -> None:
    found = list(rows())
    assert Counter(row.server for row in found) == COMPARED
    assert Counter((row.server, row.difference) for row in found if row.difference) == DIFFERENCES


def test_what_is_said_about_the_bodies() -> None:
    assert Counter((row.server, note) for row in rows() for note in row.reading.notes) == {
        ("aws", Note.CACHE_TIME_UNTOLD): 5,  # Converse tells no time of cache writes in these recordings
        ("anthropic", Note.OTHER_UNITS): 1,  # a web search
        ("anthropic", Note.OTHER_MODELS): 3,  # an advisor
        ("cohere", Note.BILLED_UNITS): 11,  # what is charged is less than what was processed
        ("google", Note.REST_IN_OUTPUT): 2,
    }


def test_an_advisors_tokens_are_counted_for_its_own_model() -> None:
    """By hand: two "message" steps make the top, 1,128 + 1,262 in and 110 + 11 out; the advisor's step stands apart."""
    first = next(row.reading for row in rows() if "advisor_tool.yaml" in row.file)
    assert (first.tokens.total_input, first.tokens.output) == (2390, 121)
    [advisor] = first.others
    assert (advisor.model, advisor.tokens.total_input, advisor.tokens.output) == ("claude-opus-4-8", 2518, 22)
