"""Spans of OpenTelemetry as drafts: the names that instrumentations use, cached tokens inside and outside, nesting, and what is kept."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import permutations
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonledger.domains.pricing import data as prices
from carbonledger.domains.telemetry.core import spans
from carbonledger.domains.telemetry.core.spans import names
from carbonledger.domains.telemetry.types import Draft, NotUsage, Rejection, Skip, Span, SpanKind, SpanOutcome, SpanStatus
from carbonledger.kernel.usage import BUCKETS, UsageQuality
from tests.unit.domains.telemetry.traced import CALL, NOON, TRACE, attributes, span

# The convention's own values (attribute registry, v1.41.0), those that were replaced included.
OPERATIONS = [
    "chat",
    "generate_content",
    "text_completion",
    "embeddings",
    "retrieval",
    "create_agent",
    "invoke_agent",
    "execute_tool",
    "invoke_workflow",
]
PROVIDERS = [
    "openai",
    "gcp.gen_ai",
    "gcp.vertex_ai",
    "gcp.gemini",
    "anthropic",
    "cohere",
    "azure.ai.inference",
    "azure.ai.openai",
    "ibm.watsonx.ai",
    "aws.bedrock",
    "perplexity",
    "x_ai",
    "deepseek",
    "groq",
    "mistral_ai",
    "vertex_ai",
    "gemini",
    "az.ai.inference",
    "az.ai.openai",
    "xai",
]


def one(of: Span) -> SpanOutcome:
    [outcome] = spans.read_spans([of])
    return outcome


def draft(of: Span) -> Draft:
    outcome = one(of)
    assert isinstance(outcome, Draft), outcome
    return outcome


def counted(*of: Span) -> list[str]:
    """The numbers of the spans that became drafts."""
    outcomes = spans.read_spans(of)
    return [it.span_id.lstrip("0") for it, outcome in zip(of, outcomes, strict=True) if isinstance(outcome, Draft)]


def test_a_call_becomes_one_draft() -> None:
    made = draft(span(7))
    assert made.idempotency_key == f"span:{TRACE}:0000000000000007"
    assert (made.usage.provider, made.usage.model, made.usage.occurred_at) == ("openai", "gpt-4.1-2025-04-14", NOON)
    assert (made.usage.tokens.uncached_input, made.usage.tokens.cached_input, made.usage.tokens.output) == (100, None, 20)
    assert (made.usage.requests, made.operation, made.quality, made.duration_s) == (1, "chat", UsageQuality.REPORTED, 0)


# What a span says, and its uncached, cached, written, output and reasoning tokens.
COUNTS: dict[str, tuple[dict[str, object], tuple[int | None, ...]]] = {
    "the current names, cache inside": (
        {
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.cache_read.input_tokens": 60,
            "gen_ai.usage.cache_creation.input_tokens": 30,
            "gen_ai.usage.output_tokens": 20,
            "gen_ai.usage.reasoning.output_tokens": 5,
        },
        (10, 60, 30, 20, 5),
    ),
    "more cached than input: outside": (
        {
            "gen_ai.usage.input_tokens": 6,
            "gen_ai.usage.cache_read.input_tokens": 20443,
            "gen_ai.usage.cache_creation.input_tokens": 574,
            "gen_ai.usage.output_tokens": 489,
        },
        (6, 20443, 574, 489, None),
    ),
    "outside, though the total leaves the cache out too": (
        {
            "llm.usage.prompt_tokens": 6,
            "llm.usage.completion_tokens": 4,
            "llm.usage.total_tokens": 10,
            "gen_ai.usage.cache_read_input_tokens": 90,
        },
        (6, 90, None, 4, None),
    ),
    "outside by the total, though there would be room inside": (
        {
            "llm.usage.prompt_tokens": 50,
            "llm.usage.completion_tokens": 4,
            "llm.usage.total_tokens": 64,
            "gen_ai.usage.cache_read_input_tokens": 10,
        },
        (50, 10, None, 4, None),
    ),
    "OpenLLMetry's old names": (
        {"gen_ai.usage.prompt_tokens": 9, "gen_ai.usage.completion_tokens": 3, "llm.usage.total_tokens": 12},
        (9, None, None, 3, None),
    ),
    "OpenLLMetry's first names": ({"llm.usage.prompt_tokens": 9, "llm.usage.completion_tokens": 3}, (9, None, None, 3, None)),
    "a total in place of the output": ({"llm.usage.prompt_tokens": 9, "llm.usage.total_tokens": 12}, (9, None, None, 3, None)),
    "Sentry's names": (
        {
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.input_tokens.cached": 40,
            "gen_ai.usage.input_tokens.cache_write": 10,
            "gen_ai.usage.output_tokens": 20,
            "gen_ai.usage.output_tokens.reasoning": 8,
        },
        (50, 40, 10, 20, 8),
    ),
    "Pydantic AI's details": (
        {"gen_ai.usage.input_tokens": 9, "gen_ai.usage.output_tokens": 3, "gen_ai.usage.details.cache_read_tokens": 4},
        (5, 4, None, 3, None),
    ),
    "OpenInference's names": (
        {
            "llm.token_count.prompt": 100,
            "llm.token_count.completion": 20,
            "llm.token_count.total": 120,
            "llm.token_count.prompt_details.cache_read": 60,
            "llm.token_count.prompt_details.cache_write": 30,
            "llm.token_count.completion_details.reasoning": 5,
        },
        (10, 60, 30, 20, 5),
    ),
    "new and old names together are one count": (
        {
            "gen_ai.usage.input_tokens": 9,
            "gen_ai.usage.prompt_tokens": 9,
            "gen_ai.usage.output_tokens": 3,
            "gen_ai.usage.completion_tokens": 3,
        },
        (9, None, None, 3, None),
    ),
    "reasoning beside the output": (
        {"gen_ai.usage.input_tokens": 9, "gen_ai.usage.output_tokens": 3, "gen_ai.usage.reasoning.output_tokens": 5},
        (9, None, None, 8, 5),
    ),
    "zeros are counts": ({"gen_ai.usage.input_tokens": 0, "gen_ai.usage.output_tokens": 0}, (0, None, None, 0, None)),
}


def without_counts(**more: object) -> dict[str, object]:
    return attributes("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens", **more)


@pytest.mark.parametrize("case", COUNTS)
def test_counts_of_every_convention_fall_into_buckets_once(case: str) -> None:
    says, expected = COUNTS[case]
    tokens = draft(span(says=without_counts() | says)).usage.tokens
    assert (tokens.uncached_input, tokens.cached_input, tokens.cache_creation_5m, tokens.output, tokens.reasoning) == expected


def test_how_cached_tokens_were_counted_and_by_which_names_is_kept() -> None:
    inside = draft(span(says=attributes(gen_ai__usage__cache_read__input_tokens=60))).properties or {}
    outside = draft(span(says=without_counts(llm__usage__prompt_tokens=6, gen_ai__usage__cache_read_input_tokens=60))).properties or {}
    assert (inside["cache_counts"], inside["usage_names"]) == ("inclusive", "gen_ai.usage.input_tokens")
    assert (outside["cache_counts"], outside["usage_names"]) == ("exclusive", "llm.usage.prompt_tokens")
    assert "cache_counts" not in (draft(span()).properties or {})


@pytest.mark.parametrize(
    "operation,outcome",
    [
        ("chat", "chat"),
        ("generate_content", "generate_content"),
        ("text_completion", "text_completion"),
        ("embeddings", "embeddings"),
        ("invoke_agent", NotUsage(Skip.WRAPPER)),
        ("create_agent", NotUsage(Skip.WRAPPER)),
        ("execute_tool", NotUsage(Skip.WRAPPER)),
        ("invoke_workflow", NotUsage(Skip.WRAPPER)),
        ("retrieval", NotUsage(Skip.WRAPPER)),
    ],
)
def test_only_calls_count_and_not_what_stands_around_them(operation: str, outcome: object) -> None:
    found = one(span(says=attributes(gen_ai__operation__name=operation)))
    assert (found.operation if isinstance(found, Draft) else found) == outcome


def test_every_operation_of_the_convention_is_known() -> None:
    assert set(OPERATIONS) <= names.CALLS.keys() | names.WRAPPERS


@pytest.mark.parametrize(
    "says,operation",
    [
        ({"llm.request.type": "chat"}, "chat"),
        ({"llm.request.type": "completion"}, "text_completion"),
        ({"openinference.span.kind": "LLM"}, "chat"),
        ({"openinference.span.kind": "EMBEDDING"}, "embeddings"),
        ({"sentry.op": "gen_ai.chat"}, "chat"),
        ({}, None),  # the kind says that it is a client's call
    ],
)
def test_an_operation_by_another_name_is_the_same(says: dict[str, object], operation: str | None) -> None:
    assert draft(span(says=attributes("gen_ai.operation.name") | says)).operation == operation


@pytest.mark.parametrize(
    "says", [{"traceloop.span.kind": "workflow"}, {"openinference.span.kind": "AGENT"}, {"sentry.op": "gen_ai.invoke_agent"}]
)
def test_a_wrapper_by_another_name_is_one_too(says: dict[str, object]) -> None:
    assert one(span(says=attributes("gen_ai.operation.name") | says)) == NotUsage(Skip.WRAPPER)


def test_other_spans_are_no_usage() -> None:
    assert one(span(says={"http.request.method": "POST"})) == NotUsage(Skip.NO_USAGE)


def test_a_call_without_counts_is_unknown_and_never_zero() -> None:
    made = draft(span(says=without_counts()))
    assert (made.quality, made.usage.tokens.total) == (UsageQuality.ESTIMATED, None)


def test_a_call_that_failed_is_none_unless_it_has_counts() -> None:
    assert one(span(says=without_counts(), status=SpanStatus.ERROR)) == NotUsage(Skip.FAILED)
    assert draft(span(status=SpanStatus.ERROR)).quality is UsageQuality.PARTIAL


def test_embeddings_have_no_output() -> None:
    says = attributes("gen_ai.usage.output_tokens", gen_ai__operation__name="embeddings")
    assert draft(span(says=says)).usage.tokens.total == 100


@pytest.mark.parametrize(
    "says,code",
    [
        (attributes("gen_ai.request.model", "gen_ai.response.model"), "model_missing"),
        (attributes("gen_ai.provider.name"), "provider_missing"),
        (attributes(gen_ai__provider__name="langchain"), "provider_missing"),
        (attributes(gen_ai__provider__name="!"), "provider_invalid"),
        (attributes(gen_ai__operation__name="dream"), "operation_unknown"),
        (attributes(gen_ai__usage__input_tokens=-1), "count_invalid"),
        (attributes(gen_ai__usage__input_tokens=True), "count_invalid"),
        (attributes(gen_ai__usage__input_tokens="100"), "count_invalid"),
        (attributes(gen_ai__usage__input_tokens=1.5), "count_invalid"),
        (attributes(gen_ai__usage__output_tokens=2**63), "count_invalid"),
        (attributes(carbonledger__project_id="p"), "id_invalid"),
        (attributes(carbonledger__agent_id=5), "id_invalid"),
        (attributes(carbonledger__account=" "), "account_invalid"),
    ],
)
def test_what_should_be_usage_and_can_not_is_rejected_with_a_code(says: dict[str, object], code: str) -> None:
    outcome = one(span(says=says))
    assert isinstance(outcome, Rejection)
    assert outcome.code == code


def test_a_count_is_rejected_by_the_name_of_its_attribute() -> None:
    outcome = one(span(says=attributes(gen_ai__usage__output_tokens=-1)))
    assert isinstance(outcome, Rejection)
    assert outcome.detail.startswith("gen_ai.usage.output_tokens: ")


def test_spans_without_a_start_or_ids_or_a_known_kind_are_rejected() -> None:
    internal = span(says=attributes("gen_ai.operation.name"), kind=SpanKind.INTERNAL)
    broken = [span(started_at=None), span(0), span(trace_id="0" * 32), span(trace_id="5B" * 16), replace(span(), span_id="zz"), internal]
    codes = [outcome.code if isinstance(outcome, Rejection) else outcome for outcome in (one(it) for it in broken)]
    assert codes == ["time_missing", "span_id_invalid", "span_id_invalid", "span_id_invalid", "span_id_invalid", "operation_missing"]


def test_every_provider_of_the_convention_has_a_name_here() -> None:
    """Of the convention's providers the price book lacks one; the others are the book's own ids."""
    words = json.loads(prices.overrides())["providers"]
    book = {json.loads(line).get("provider") for line in prices.prices().splitlines()}
    assert {name for name in PROVIDERS if names.PROVIDER_IDS.get(name, name) not in book} == {"ibm.watsonx.ai"}
    by_word = {word: provider for provider, also in words.items() for word in also}
    assert {name: by_word[name] for name in names.PROVIDER_IDS if name in by_word} == {
        name: provider for name, provider in names.PROVIDER_IDS.items() if name in by_word
    }
    assert {provider for _, provider in names.HOSTS} <= book


@pytest.mark.parametrize(
    "name,address,provider",
    [
        ("OpenAI", None, "openai"),
        ("openai", "api.groq.com", "groq"),
        ("openai", "mine.openai.azure.com", "azure"),
        ("openai", "localhost", "openai"),
        ("anthropic", "api.openai.com", "anthropic"),  # only a name that many go by yields to an address
        ("Langchain", "https://api.anthropic.com/v1", "anthropic"),
        (None, "europe-west4-aiplatform.googleapis.com", "google"),
        ("aws.bedrock", "bedrock-runtime.us-east-1.amazonaws.com", "aws"),
        ("openai", "not-openrouter.ai", "openai"),
        ("Acme AI", None, "acme_ai"),
    ],
)
def test_a_provider_is_found_by_name_and_by_address(name: str | None, address: str | None, provider: str) -> None:
    more = {"gen_ai.provider.name": name, "server.address": address}
    says = attributes("gen_ai.provider.name") | {key: value for key, value in more.items() if value is not None}
    assert draft(span(says=says)).usage.provider == provider


def test_our_own_ids_are_honoured_of_the_span_before_the_resource() -> None:
    project, other, agent = (UUID(int=number) for number in (1, 2, 3))
    says = attributes(carbonledger__project_id=str(project), carbonledger__account="acme")
    made = draft(span(says=says, resource={"carbonledger.project_id": str(other), "carbonledger.agent_id": str(agent)}))
    assert (made.project_id, made.agent_id, made.account) == (project, agent, "acme")


# Nesting: numbers of spans by what is counted.
AGENT = attributes(gen_ai__operation__name="invoke_agent")
HTTP: dict[str, object] = {"http.request.method": "POST"}
TOOL: dict[str, object] = {"gen_ai.operation.name": "execute_tool"}


def answered(response_id: str) -> dict[str, object]:
    return attributes(gen_ai__response__id=response_id)


NESTED: dict[str, tuple[tuple[Span, ...], set[str]]] = {
    "an agent around two calls": ((span(1, says=AGENT), span(2, parent=1), span(3, parent=1)), {"2", "3"}),
    "a framework around a client": ((span(1, kind=SpanKind.INTERNAL), span(2, parent=1)), {"2"}),
    "three that tell one call": ((span(1), span(2, parent=1), span(3, parent=2)), {"3"}),
    "plain spans between": ((span(1), span(2, parent=1, says=HTTP), span(3, parent=2)), {"3"}),
    "a client that tells no counts inside a framework that does": ((span(1), span(2, parent=1, says=without_counts())), {"1"}),
    "neither tells counts": ((span(1, says=without_counts()), span(2, parent=1, says=without_counts())), {"2"}),
    "a call, a tool in it, and the tool's own call": ((span(1), span(2, parent=1, says=TOOL), span(3, parent=2)), {"1", "3"}),
    "two answers are two calls": ((span(1, says=answered("a")), span(2, parent=1, says=answered("b"))), {"1", "2"}),
    "retries in a framework's span are calls, each": ((span(1), span(2, parent=1), span(3, parent=1)), {"2", "3"}),
    "embeddings in a chat": ((span(1), span(2, parent=1, says=attributes(gen_ai__operation__name="embeddings"))), {"1", "2"}),
    "siblings": ((span(2, parent=1), span(3, parent=1)), {"2", "3"}),
    "siblings of one answer: two instrumentations": ((span(2, parent=1, says=answered("a")), span(3, parent=1, says=answered("a"))), {"2"}),
    "the same number in another trace": ((span(1), span(2, parent=1, trace_id="a" * 32)), {"1", "2"}),
    "its own parent": ((span(1, parent=1),), {"1"}),
    "a rejected call around a good one": ((span(1, says=attributes("gen_ai.provider.name")), span(2, parent=1)), {"2"}),
    "a rejected call in a good one": ((span(1), span(2, parent=1, says=attributes("gen_ai.provider.name"))), {"1"}),
    "in a ring, which is no nesting": ((span(1, parent=2), span(2, parent=1)), {"1", "2"}),
    "above a ring": ((span(1, parent=2), span(2, parent=1), span(3, parent=2)), {"1", "2", "3"}),
}


@pytest.mark.parametrize("case", NESTED)
def test_a_call_that_several_spans_tell_is_counted_once_in_any_order(case: str) -> None:
    given_spans, expected = NESTED[case]
    for order in permutations(given_spans):
        found = set(counted(*order))
        assert found == expected or (case.startswith("siblings of one") and len(found) == 1)


def test_a_rejected_span_is_told_of_only_if_no_other_tells_its_call() -> None:
    unnamed = span(1, says=attributes(gen_ai__provider__name="langchain"))
    assert spans.read_spans([unnamed, span(2, parent=1)])[0] == NotUsage(Skip.REPEATED)
    assert isinstance(spans.read_spans([unnamed, span(2, parent=1, says=without_counts())])[0], Rejection)


def test_in_pieces_the_spans_of_one_answer_share_a_key() -> None:
    outer, inner = span(1, says=answered("chatcmpl-1")), span(2, parent=1, says=answered("chatcmpl-1"))
    assert draft(outer).idempotency_key == draft(inner).idempotency_key == f"call:{TRACE}:chatcmpl-1"
    assert draft(replace(outer, trace_id="a" * 32)).idempotency_key != draft(inner).idempotency_key


def test_in_pieces_an_agent_is_no_usage_either() -> None:
    assert one(span(1, says=AGENT)) == NotUsage(Skip.WRAPPER)


@given(st.text(min_size=1, max_size=300))
def test_a_key_fits_and_is_the_same_when_the_span_is_sent_again(response_id: str) -> None:
    it = span(says=answered(response_id))
    key = draft(it).idempotency_key
    assert 1 <= len(key) <= 200
    assert key.isprintable()
    assert key == draft(it).idempotency_key


CONTENT = (
    "gen_ai.prompt.0.content",
    "gen_ai.completion.0.content",
    "gen_ai.input.messages",
    "gen_ai.output.messages",
    "gen_ai.system_instructions",
    "gen_ai.tool.call.arguments",
    "gen_ai.tool.call.result",
    "gen_ai.tool.definitions",
    "gen_ai.conversation.id",
    "gen_ai.request.stop_sequences",
    "llm.prompts",
    "llm.input_messages.0.message.content",
    "traceloop.entity.input",
    "traceloop.entity.output",
    "input.value",
    "output.value",
    "user.id",
    "enduser.id",
    "http.request.header.authorization",
)
KEPT = {"trace_id", "span_id", "service.name", "gen_ai.response.id", "gen_ai.agent.id", "gen_ai.agent.name"}
MADE = {"usage_names", "cache_counts", "reasoning_counts"}
listed = {
    name
    for group in (*names.COUNTS.values(), names.MODELS, names.PROVIDERS, names.OPERATIONS, names.RESPONSE_IDS, names.SERVICE_TIERS)
    for name in group
}
listed |= {names.ADDRESS, names.PROJECT, names.AGENT, names.ACCOUNT, *names.KEPT_OF_SPAN, *names.KEPT_OF_RESOURCE}
secret = st.text("abcdefghij", min_size=12, max_size=20)
any_name = st.one_of(st.sampled_from(CONTENT), st.text(min_size=1, max_size=30)).filter(lambda name: name not in listed)
telling = st.fixed_dictionaries(
    {},
    optional={
        "gen_ai.response.id": st.sampled_from(["r1", "r2", "\n"]),
        "gen_ai.agent.name": st.sampled_from(["Ann", "B" * 201]),
        "gen_ai.usage.cache_read.input_tokens": st.integers(0, 300),
        "gen_ai.usage.cache_creation_input_tokens": st.integers(0, 300),
        "gen_ai.usage.reasoning.output_tokens": st.integers(0, 60),
        "openai.response.service_tier": st.sampled_from(["default", "flex"]),
    },
)


@given(st.dictionaries(any_name, secret, min_size=1, max_size=8), st.dictionaries(any_name, secret, max_size=4), telling)
def test_no_attribute_outside_the_closed_list_survives(written: dict[str, str], resource: dict[str, str], more: dict[str, object]) -> None:
    made = draft(span(says=CALL | written | more, resource={"service.name": "shop", **resource}))
    assert set(made.properties or {}) <= KEPT | MADE
    text = repr(made)
    assert [value for value in (*written.values(), *resource.values()) if value in text] == []


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))
def test_the_buckets_add_up_to_the_counts_told(uncached: int, cached: int, written: int, output: int) -> None:
    says = attributes(
        gen_ai__usage__input_tokens=uncached + cached + written,
        gen_ai__usage__cache_read__input_tokens=cached,
        gen_ai__usage__cache_creation__input_tokens=written,
        gen_ai__usage__output_tokens=output,
    )
    tokens = draft(span(says=says)).usage.tokens
    assert tokens.total == uncached + cached + written + output
    assert tuple(getattr(tokens, name) for name in BUCKETS) == (uncached, cached, written, 0, output)


values = st.one_of(st.text(max_size=8), st.integers(), st.booleans(), st.floats(), st.tuples(st.text(max_size=3)))


@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.integers(0, 5), st.dictionaries(st.sampled_from(sorted(listed)), values, max_size=8)), max_size=6
    )
)
def test_no_span_breaks_the_reader(told: list[tuple[int, int, dict[str, object]]]) -> None:
    given_spans = [span(number, parent=parent, says=says) for number, parent, says in told]
    outcomes = spans.read_spans(given_spans)
    assert len(outcomes) == len(given_spans)
    keys = [outcome.idempotency_key for outcome in outcomes if isinstance(outcome, Draft)]
    assert len(keys) == len(set(keys))


def test_what_is_only_kept_beside_a_call_never_rejects_it() -> None:
    bad = Rejection("attribute_invalid", "not a text")
    assert isinstance(one(span(says=CALL | {"gen_ai.agent.name": bad}, resource={"service.name": bad})), Draft)
    assert one(span(says=CALL | {"gen_ai.usage.input_tokens": bad})) == bad
