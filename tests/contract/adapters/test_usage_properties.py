"""Whatever a provider answers: buckets that add up to its own totals, or a fault with a name. Never a crash, never a silent zero."""

from __future__ import annotations

import dataclasses
import json

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbonledger.adapters import anthropic, openai, openrouter
from carbonledger.domains.connections import types
from carbonledger.domains.connections.types import Connector, Stream, Window
from carbonledger.infra import http
from tests.contract.adapters import usage_payloads as payloads

# No call is made: reading a page takes no client but the one that the connector is made with.
OPENAI = openai.OpenAi(openai.api(http.Client("openai")))
ANTHROPIC = anthropic.Anthropic(anthropic.api(http.Client("anthropic")))
OPENROUTER = openrouter.OpenRouter(openrouter.api(http.Client("openrouter")))
COMPLETIONS = OPENAI.streams[0]
A_DAY = Window(payloads.AT, payloads.AT + payloads.DAY)


@dataclasses.dataclass(frozen=True)
class Case:
    """A connector, one of its streams, its answers, and the names of the members that hold all input and all output."""

    connector: Connector
    stream: Stream
    pages: st.SearchStrategy[payloads.Json]
    inputs: frozenset[str]
    outputs: frozenset[str]
    window: Window = payloads.WEEK


CASES = {
    "openai": Case(OPENAI, COMPLETIONS, payloads.openai_page(), frozenset({"input_tokens"}), frozenset({"output_tokens"})),
    "anthropic": Case(
        ANTHROPIC,
        anthropic.MESSAGES,
        payloads.anthropic_page(),
        frozenset(
            {"uncached_input_tokens", "cache_read_input_tokens", "ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens"},
        ),
        frozenset({"output_tokens"}),
    ),
    "openrouter analytics": Case(
        OPENROUTER, openrouter.ANALYTICS, payloads.analytics_page(), frozenset({"tokens_prompt"}), frozenset({"tokens_completion"}), A_DAY
    ),
    "openrouter activity": Case(
        OPENROUTER, openrouter.ACTIVITY, payloads.activity_page(), frozenset({"prompt_tokens"}), frozenset({"completion_tokens"}), A_DAY
    ),
}


def totals(page: types.Page) -> tuple[int, int]:
    rows = [row.tokens for bucket in page.buckets for row in bucket.rows]
    return sum(one.total_input or 0 for one in rows), sum(one.output or 0 for one in rows)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@given(data=st.data())
@settings(deadline=None)
def test_disjoint_buckets_add_up_to_the_providers_totals(case: Case, data: st.DataObject) -> None:
    document = data.draw(case.pages)
    page = case.connector.normalise(payloads.raw(case.stream, document, window=case.window))
    assert totals(page) == (payloads.sums(document, case.inputs), payloads.sums(document, case.outputs))


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@given(data=st.data())
@settings(deadline=None, max_examples=300)
def test_garbage_is_a_named_fault_and_never_a_silent_zero(case: Case, data: st.DataObject) -> None:
    document = data.draw(payloads.spoiled(case.pages))
    try:
        page = case.connector.normalise(payloads.raw(case.stream, document, window=case.window))
    except types.AnswerUnreadable:
        return
    assert totals(page) == (payloads.sums(document, case.inputs), payloads.sums(document, case.outputs))


@pytest.mark.parametrize("connector", [OPENAI, ANTHROPIC, OPENROUTER], ids=lambda one: one.provider)
@given(body=st.binary(max_size=200) | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(lambda v: json.dumps(v).encode()))
def test_any_other_bytes_are_a_named_fault_for_every_stream(connector: Connector, body: bytes) -> None:
    for stream in connector.streams:
        with pytest.raises(types.AnswerUnreadable):
            connector.normalise(types.RawPage(stream=stream, window=A_DAY, body=body))


def conforms(document: payloads.Json, contract: str, schema: str) -> None:
    described = json.loads((payloads.CONTRACTS / contract).read_text(encoding="utf-8"))
    root = {"$ref": f"#/components/schemas/{schema}", "components": described["components"]}
    jsonschema.Draft202012Validator(root).validate(document)


@given(document=payloads.openai_page())
@settings(deadline=None, max_examples=25)
def test_the_made_up_answers_of_openai_are_such_as_its_description_allows(document: payloads.Json) -> None:
    conforms(document, "openai_usage_costs.openapi.json", "UsageResponse")


@given(document=payloads.activity_page())
@settings(deadline=None, max_examples=25)
def test_the_made_up_answers_of_openrouter_are_such_as_its_description_allows(document: payloads.Json) -> None:
    conforms(document, "openrouter_usage.openapi.json", "ActivityResponse")
