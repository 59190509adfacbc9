"""Where each shape of usage keeps its counts: a table, so that a new provider is a row and no code.

A place is written ``name.name``; ``a | b`` takes the first that is there, ``a + b`` adds what is there. ``list[LABEL]`` adds the items of
a list that carry the label, as Gemini's modalities and Bedrock's cache times; where the list does not mention it, it is 0 if the list
accounts for the whole that ``wholes`` names, and else unknown.

Sources, read 2026-11: OpenAI's OpenAPI description; Anthropic's Messages reference; Google's GenerateContentResponse.UsageMetadata; Amazon
Bedrock's TokenUsage; Cohere's API reference v2; DeepSeek, Mistral, Moonshot, xAI and Groq by their API references and recorded answers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

_STEP = re.compile(r"([A-Za-z_0-9]+)(?:\[([A-Z0-9a-z]+)\])?")


class Step(NamedTuple):
    """One step of a place: a member, and which items of it if it is a list."""

    name: str
    label: str | None


Place = tuple[Step, ...]
Sum = tuple[tuple[Place, ...], ...]  # terms that are added, each with the places it may be at


def places(text: str) -> Sum:
    """Return the terms of a text such as ``a.b | c + d[X]``; none of an empty one."""
    return tuple(tuple(_place(one) for one in term.split("|")) for term in text.split("+")) if text else ()


def _place(text: str) -> Place:
    steps = [_STEP.fullmatch(step) for step in text.strip().split(".")]
    return tuple(Step(step[1], step[2]) for step in steps if step is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flavour:
    """A shape of usage. ``counts`` by field; ``cache_is_inside``: cached and written tokens are counted in the input, too.

    ``absent_is_zero``: the provider leaves out what is 0. ``marks``: the members one of which such an object has; ``lacks``: those that
    it never has.
    """

    name: str
    marks: frozenset[str]
    lacks: frozenset[str] = frozenset()
    counts: Mapping[str, Sum]
    cache_is_inside: bool
    absent_is_zero: bool = False
    wholes: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


def _flavour(
    name: str,
    marks: str,
    counts: Mapping[str, str],
    *,
    cache_is_inside: bool,
    absent_is_zero: bool = False,
    lacks: str = "",
    wholes: Mapping[str, str] | None = None,
) -> Flavour:
    return Flavour(
        name=name,
        marks=frozenset(marks.split()),
        lacks=frozenset(lacks.split()),
        counts={field: places(text) for field, text in counts.items()},
        cache_is_inside=cache_is_inside,
        absent_is_zero=absent_is_zero,
        wholes=wholes or {},
    )


GEMINI = _flavour(
    "gemini",
    "promptTokenCount candidatesTokenCount totalTokenCount",
    {
        "input": "promptTokenCount + toolUsePromptTokenCount",  # what tools brought in is outside the prompt
        "output": "candidatesTokenCount + thoughtsTokenCount",  # thoughts are outside the candidates
        "total": "totalTokenCount",
        "cached": "cachedContentTokenCount",
        "reasoning": "thoughtsTokenCount",
        "audio_input": "promptTokensDetails[AUDIO] + toolUsePromptTokensDetails[AUDIO]",
        # Pages of a document are seen as images
        "image_input": "promptTokensDetails[IMAGE] + promptTokensDetails[DOCUMENT]"
        " + toolUsePromptTokensDetails[IMAGE] + toolUsePromptTokensDetails[DOCUMENT]",
        "cached_audio": "cacheTokensDetails[AUDIO]",
        "cached_image": "cacheTokensDetails[IMAGE] + cacheTokensDetails[DOCUMENT]",
        "audio_output": "candidatesTokensDetails[AUDIO]",
        "image_output": "candidatesTokensDetails[IMAGE]",
    },
    cache_is_inside=True,
    absent_is_zero=True,  # protobuf's JSON leaves zeros out
    wholes={
        "promptTokensDetails": "promptTokenCount",
        "toolUsePromptTokensDetails": "toolUsePromptTokenCount",
        "cacheTokensDetails": "cachedContentTokenCount",
        "candidatesTokensDetails": "candidatesTokenCount",
    },
)
BEDROCK = _flavour(
    "bedrock",
    "inputTokens outputTokens",
    {
        "input": "inputTokens",
        "output": "outputTokens",
        "total": "totalTokens",
        "cached": "cacheReadInputTokens | cacheReadInputTokenCount",
        "written": "cacheWriteInputTokens | cacheWriteInputTokenCount",
        "written_5m": "cacheDetails[5m]",
        "written_1h": "cacheDetails[1h]",
    },
    cache_is_inside=False,
    wholes={"cacheDetails": "cacheWriteInputTokens"},
)
COHERE = _flavour(
    "cohere",
    "billed_units tokens",
    {
        "input": "billed_units.input_tokens | tokens.input_tokens",
        "output": "billed_units.output_tokens | tokens.output_tokens",
        "processed": "tokens.input_tokens + tokens.output_tokens",
        "other": "billed_units.search_units + billed_units.classifications + billed_units.images",
    },
    cache_is_inside=True,
    absent_is_zero=True,  # units that are not billed are not listed
)
ANTHROPIC = _flavour(
    "anthropic",
    "input_tokens output_tokens",
    {
        "input": "input_tokens",
        "output": "output_tokens",
        "total": "total_tokens",
        "cached": "cache_read_input_tokens",
        "written": "cache_creation_input_tokens",
        "written_5m": "cache_creation.ephemeral_5m_input_tokens",
        "written_1h": "cache_creation.ephemeral_1h_input_tokens",
        "reasoning": "output_tokens_details.thinking_tokens",
        "other": "server_tool_use.web_search_requests",
    },
    cache_is_inside=False,
    lacks="prompt_tokens input_tokens_details input_token_details total_tokens",
)
RESPONSES = _flavour(
    "responses",
    "input_tokens output_tokens",
    {
        "input": "input_tokens",
        "output": "output_tokens",
        "total": "total_tokens",
        "cached": "input_tokens_details.cached_tokens | input_token_details.cached_tokens | cache_read_input_tokens",
        "written": "input_tokens_details.cache_write_tokens | cache_creation_input_tokens",
        "reasoning": "output_tokens_details.reasoning_tokens | output_token_details.reasoning_tokens",
        "audio_input": "input_tokens_details.audio_tokens | input_token_details.audio_tokens",
        "image_input": "input_tokens_details.image_tokens | input_token_details.image_tokens",
        "cached_audio": "input_token_details.cached_tokens_details.audio_tokens",
        "cached_image": "input_token_details.cached_tokens_details.image_tokens",
        "audio_output": "output_tokens_details.audio_tokens | output_token_details.audio_tokens",
        "image_output": "output_tokens_details.image_tokens | output_token_details.image_tokens",
    },
    cache_is_inside=True,
)
CHAT = _flavour(
    "chat",
    "prompt_tokens completion_tokens",
    {
        "input": "prompt_tokens",
        "output": "completion_tokens",
        "total": "total_tokens",
        # OpenAI; Mistral; Moonshot and Together; DeepSeek; LiteLLM's proxy
        "cached": "prompt_tokens_details.cached_tokens | num_cached_tokens | cached_tokens | prompt_cache_hit_tokens"
        " | cache_read_input_tokens",
        "written": "prompt_tokens_details.cache_write_tokens | prompt_tokens_details.cache_creation_tokens | cache_creation_input_tokens",
        "reasoning": "completion_tokens_details.reasoning_tokens | reasoning_tokens",
        "audio_input": "prompt_tokens_details.audio_tokens",
        "image_input": "prompt_tokens_details.image_tokens",
        "audio_output": "completion_tokens_details.audio_tokens",
        "image_output": "completion_tokens_details.image_tokens",
        "other": "citation_tokens + num_search_queries + prompt_audio_seconds + num_sources_used",
    },
    cache_is_inside=True,
)
OLLAMA = _flavour(
    "ollama",
    "prompt_eval_count eval_count",
    {"input": "prompt_eval_count", "output": "eval_count"},
    cache_is_inside=True,
)
# The first that fits; each has members that those after it do not have.
FLAVOURS = (GEMINI, BEDROCK, CHAT, COHERE, ANTHROPIC, RESPONSES, OLLAMA)


def of(usage: Mapping[str, object]) -> Flavour | None:
    """Return the shape of a usage object by the members that it has; None if it is none that we know."""
    members = {name for name, value in usage.items() if value is not None}
    return next((one for one in FLAVOURS if members & one.marks and not members & one.lacks), None)
