"""OpenAI's usage and costs of an organization, for its admin keys.

Source: OpenAI's OpenAPI description, version 2.3.0 of 2026-08-21 (github.com/openai/openai-openapi). What is easily read wrongly there:

- ``input_tokens`` includes cached and cache-write tokens; the parts (text, audio, image) are of uncached, cached or output tokens
- without ``group_by`` model, batch and the others are null; without ``bucket_width`` a bucket is a day; a page holds 24 hours unless asked
- an embedding has neither an output nor a cache, so its zeros are known; of completions, what is absent is unknown
- the value of an amount is a number by the description; a text that spells one is taken too
- the bytes of vector stores are a level, not a flow: as bytes held over one day they are byte-days, which may be added up
- a cache write has one price and no time, so it is in ``cache_creation_5m``, and none is of an hour

Everything is read by the hour, so that a month of any time zone ends where it should, but for what is offered or means something only
by the day: costs, and the bytes that vector stores hold.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from carbonledger.adapters import usage_api
from carbonledger.domains.connections import types
from carbonledger.domains.connections.types import Carries, Node, Stream
from carbonledger.infra import http, settings
from carbonledger.kernel.secret import SecretText
from carbonledger.kernel.usage import LABEL_CHARS_MAX, MODEL_CHARS_MAX, TokenBuckets

FIRST_READ_DAYS = 60
_ORGANIZATION = "openai-organization"  # a header of every answer: "the organization associated with the request" (Debugging requests)
_HOUR_S, _DAY_S = 3600, 86_400
_WIDTHS = {_HOUR_S: "1h", _DAY_S: "1d"}
_USAGE = "/v1/organization/usage/"
# Every dimension that a result may have: what is null was not asked for.
_DIMENSIONS = (
    *("project_id", "user_id", "api_key_id", "model", "service_tier"),
    *("size", "source", "vector_store_id", "context_level"),
)
_PARTS = {
    "audio_input": "input_audio_tokens",
    "image_input": "input_image_tokens",
    "cached_audio_input": "input_cached_audio_tokens",
    "cached_image_input": "input_cached_image_tokens",
    "audio_output": "output_audio_tokens",
    "image_output": "output_image_tokens",
}

_Entry = types.Row | types.Activity | types.ReportedCost


@dataclass(frozen=True, slots=True)
class _Endpoint:
    """One address: its stream, what it is grouped by, the most buckets of a page, and how a result is read."""

    stream: Stream
    path: str
    result: str
    group_by: tuple[str, ...]
    limit: int
    read: Callable[[Node], _Entry]


class OpenAi:
    """A ``types.Connector``."""

    provider = "openai"
    name = "OpenAI"
    first_read_days = FIRST_READ_DAYS

    def __init__(self, api: usage_api.Api) -> None:
        self.api = api

    @property
    def streams(self) -> tuple[Stream, ...]:
        """Completions and embeddings, then what is not counted in tokens, then the costs."""
        return tuple(endpoint.stream for endpoint in _ENDPOINTS.values())

    async def validate(self, key: SecretText, *, now: datetime) -> types.KeyCheck:
        """Ask for an hour of usage, which admin keys alone may; its answer says whose key it is."""
        hour = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
        stream, window = self.streams[0], types.Window(hour, hour + timedelta(hours=1))
        answer = await self.api.answer(key, *_question(stream, window))
        self.normalise(types.RawPage(stream=stream, window=window, body=answer.body))
        description = "Admin key of an OpenAI organization: usage and costs of all its projects."
        return types.KeyCheck(description, tuple(_ENDPOINTS), _account(answer))

    async def poll(self, key: SecretText, *, stream: Stream, window: types.Window, cursor: str | None = None) -> types.RawPage:
        """Fetch one page; see ``types.Connector``."""
        window.checked(stream)
        return types.RawPage(stream=stream, window=window, body=await self.api.get(key, *_question(stream, window, cursor)))

    def normalise(self, raw: types.RawPage) -> types.Page:
        """Read one page; see ``types.Connector``."""
        endpoint = _ENDPOINTS[raw.stream.name]
        page = types.document(raw.body)
        buckets = [_bucket(node, endpoint) for node in page.member("data").items()]
        return types.Page(
            buckets=types.arranged(buckets, stream=raw.stream, window=raw.window),
            next_cursor=types.next_cursor(page),
            payload_digest=raw.payload_digest,
        )


def connector(configuration: settings.Settings) -> OpenAi:
    """Return the connector to the OpenAI that the settings name."""
    return OpenAi(api(http.Client("openai", base_url=configuration.openai_url, limits=usage_api.LIMITS)))


def api(client: http.Client) -> usage_api.Api:
    """Return the API behind ``client``."""
    return usage_api.Api(
        client=client,
        name=OpenAi.name,
        key_header="authorization",
        key_prefix="Bearer ",
        key_wanted="an admin key of the organization (sk-admin-…)",
        other_keys=("sk-proj-", "sk-svcacct-"),
    )


def _question(stream: Stream, window: types.Window, cursor: str | None = None) -> tuple[str, usage_api.Query]:
    """Return the address of a page, and what it is asked for."""
    endpoint = _ENDPOINTS[stream.name]
    query = [
        ("start_time", str(int(window.starts_at.timestamp()))),
        ("end_time", str(int(window.ends_at.timestamp()))),
        ("bucket_width", _WIDTHS[stream.bucket_width_s]),
        *(("group_by", name) for name in endpoint.group_by),
        ("limit", str(endpoint.limit)),
    ]
    if cursor is not None:
        query.append(("page", cursor))
    return endpoint.path, query


def _account(answer: http.Answer) -> str | None:
    """Return the organization that an answer names; None where it names none, or with something that is no name: the key is no worse."""
    try:
        return Node(answer.headers.get(_ORGANIZATION), f"/{_ORGANIZATION}").text(chars_max=types.ACCOUNT_CHARS_MAX)
    except types.AnswerUnreadable:
        return None


def _bucket(node: Node, endpoint: _Endpoint) -> types.Bucket:
    entries = [endpoint.read(_of_kind(result, endpoint.result)) for result in node.member("results").items()]
    return types.Bucket(
        stream=endpoint.stream.name,
        starts_at=node.member("start_time").unix_second(),
        ends_at=node.member("end_time").unix_second(),
        rows=tuple(entry for entry in entries if isinstance(entry, types.Row)),
        activities=tuple(entry for entry in entries if isinstance(entry, types.Activity)),
        costs=tuple(entry for entry in entries if isinstance(entry, types.ReportedCost)),
    )


def _of_kind(result: Node, kind: str) -> Node:
    if result.member("object").value != kind:
        raise result.member("object").unreadable(kind)
    return result


def _dimensions(result: Node) -> types.Dimensions:
    values = {name: result.member(name).optional_text() for name in _DIMENSIONS}
    batch = result.member("batch")
    return types.dimensions({**values, "batch": None if batch.is_null else str(batch.flag()).lower()})


def _completions(result: Node) -> types.Row:
    batch = result.member("batch")
    return types.Row(
        dimensions=_dimensions(result),
        model=_model(result),
        tokens=_completion_tokens(result),
        requests=result.member("num_model_requests").count(),
        batch=not batch.is_null and batch.flag(),
        service_tier=result.member("service_tier").optional_text(chars_max=LABEL_CHARS_MAX),
    )


def _completion_tokens(result: Node) -> TokenBuckets:
    total, output = result.member("input_tokens").count(), result.member("output_tokens").count()
    cached = result.member("input_cached_tokens").optional_count()
    written = result.member("input_cache_write_tokens").optional_count()
    uncached = result.member("input_uncached_tokens").optional_count()
    rest = total - (cached or 0) - (written or 0)
    if rest < 0:
        raise types.CountsContradict(f"{result.pointer}: cached and cache-write tokens exceed all input tokens.")
    parts = {part: result.member(name).optional_count() for part, name in _PARTS.items()}

    def buckets() -> TokenBuckets:
        return TokenBuckets(
            uncached_input=rest if uncached is None else uncached,
            cached_input=cached,
            cache_creation_5m=written,
            cache_creation_1h=0,
            output=output,
            **parts,
        )

    return types.agreed(types.counted(buckets, at=result), total_input=total, total_output=output, at=result)


def _embeddings(result: Node) -> types.Row:
    total = result.member("input_tokens").count()
    tokens = TokenBuckets(uncached_input=total, cached_input=0, cache_creation_5m=0, cache_creation_1h=0, output=0)
    return types.Row(
        dimensions=_dimensions(result),
        model=_model(result),
        tokens=types.agreed(tokens, total_input=total, total_output=0, at=result),
        requests=result.member("num_model_requests").count(),
    )


def _model(result: Node) -> str:
    model = result.member("model")
    if model.is_null:
        raise types.ModelMissing(f"{model.pointer} is null.")
    return model.text(chars_max=MODEL_CHARS_MAX)


def _counting(event: str, member: str) -> Callable[[Node], types.Activity]:
    """Return how a result is read whose ``member`` counts what ``event`` names."""

    def read(result: Node) -> types.Activity:
        return types.Activity(
            dimensions=_dimensions(result),
            event=event,
            quantity=Decimal(result.member(member).count()),
            model=result.member("model").optional_text(chars_max=MODEL_CHARS_MAX),
            requests=result.member("num_model_requests").optional_count(),
        )

    return read


def _cost(result: Node) -> types.ReportedCost:
    amount = result.member("amount")
    value, quantity = amount.member("value"), result.member("quantity")
    return types.ReportedCost(
        dimensions=_dimensions(result),
        item=result.member("line_item").optional_text(),
        amount=types.money(
            value.number_in_text() if isinstance(value.value, str) else value.number(), amount.member("currency").text(), at=amount
        ),
        quantity=None if quantity.is_null else quantity.number(),
        unit=result.member("quantity_unit").optional_text(),
    )


def _usage(name: str, path: str, result: str, group_by: str, read: Callable[[Node], _Entry], *, by_day: bool = False) -> _Endpoint:
    carries = Carries.TOKENS if read in {_completions, _embeddings} else Carries.ACTIVITY
    stream = Stream(name=name, bucket_width_s=_DAY_S if by_day else _HOUR_S, carries=carries)
    # The most that a page may hold: https://platform.openai.com/docs/api-reference/usage (limit).
    return _Endpoint(
        stream, _USAGE + path, f"organization.usage.{result}.result", tuple(group_by.split()), limit=31 if by_day else 168, read=read
    )


_ENDPOINTS = {
    endpoint.stream.name: endpoint
    for endpoint in (
        _usage("completions", "completions", "completions", "model batch service_tier project_id", _completions),
        _usage("embeddings", "embeddings", "embeddings", "model project_id", _embeddings),
        _usage("moderations", "moderations", "moderations", "model project_id", _counting("moderation_tokens", "input_tokens")),
        _usage("images", "images", "images", "model size source project_id", _counting("images", "images")),
        _usage("speeches", "audio_speeches", "audio_speeches", "model project_id", _counting("speech_characters", "characters")),
        _usage(
            "transcriptions",
            "audio_transcriptions",
            "audio_transcriptions",
            "model project_id",
            _counting("transcription_seconds", "seconds"),
        ),
        _usage(
            "vector_stores", "vector_stores", "vector_stores", "project_id", _counting("vector_store_byte_days", "usage_bytes"), by_day=True
        ),
        _usage(
            "code_interpreter_sessions",
            "code_interpreter_sessions",
            "code_interpreter_sessions",
            "project_id",
            _counting("code_interpreter_sessions", "num_sessions"),
        ),
        _usage("file_searches", "file_search_calls", "file_searches", "project_id", _counting("file_searches", "num_requests")),
        _usage(
            "web_searches", "web_search_calls", "web_searches", "model context_level project_id", _counting("web_searches", "num_requests")
        ),
        _Endpoint(
            Stream(name="costs", bucket_width_s=_DAY_S, carries=Carries.COSTS),
            "/v1/organization/costs",
            "organization.costs.result",
            ("line_item", "project_id"),
            limit=180,
            read=_cost,
        ),
    )
}
