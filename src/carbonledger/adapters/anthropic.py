"""Anthropic's usage and cost reports of an organization, for its admin keys.

Source: the Admin API's pages on platform.claude.com, 2026-11. What is easily read wrongly there:

- the members are not those of the Messages API: ``uncached_input_tokens``, ``cache_read_input_tokens``, and cache creation in an object
  of two times, five minutes and an hour, which have two prices
- there is no count of requests, so it is unknown; ``context_window`` tells how large each request was instead
- a cost is a decimal text of cents, and leaves priority tier out

Rows are told apart by workspace and not by API key: that would multiply them by the number of keys, and no price depends on it. The
Claude Code report is not read: what it has of API use stands in the messages report already.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from carbonledger.adapters import usage_api
from carbonledger.domains.connections import types
from carbonledger.domains.connections.types import Carries, Node, Stream
from carbonledger.infra import http, settings
from carbonledger.kernel import instant
from carbonledger.kernel.secret import SecretText
from carbonledger.kernel.usage import LABEL_CHARS_MAX, MODEL_CHARS_MAX, RequestSize, TokenBuckets

API_VERSION = "2023-06-01"
FIRST_READ_DAYS = 60
MESSAGES = Stream(name="messages", bucket_width_s=3600, carries=Carries.TOKENS)
COSTS = Stream(name="costs", bucket_width_s=86_400, carries=Carries.COSTS)
_DIMENSIONS = (
    *("model", "service_tier", "context_window", "workspace_id", "inference_geo"),
    *("api_key_id", "account_id", "service_account_id", "speed"),
)
_COST_DIMENSIONS = ("workspace_id", "cost_type", "model", "token_type", "context_window", "service_tier", "inference_geo")
_ORGANIZATION = "/v1/organizations/me"
_UNTOLD = "not_available"  # of models that can't be told where to run, which is not "global": wherever it suits
_SIZE = re.compile(r"([0-9]{1,7})(k|M)?-([0-9]{1,7})(k|M)")
_UNITS = {None: 1, "k": 1000, "M": 1_000_000}
_CENTS = 2  # digits; the report's amounts are in US cents


@dataclass(frozen=True, slots=True)
class _Report:
    """One address: its stream, what it is grouped by, the most buckets of a page, and how a bucket is read."""

    stream: Stream
    path: str
    bucket_width: str
    group_by: tuple[str, ...]
    limit: int
    read: Callable[[Node], types.Bucket]


class Anthropic:
    """A ``types.Connector``."""

    provider = "anthropic"
    name = "Anthropic"
    first_read_days = FIRST_READ_DAYS

    def __init__(self, api: usage_api.Api) -> None:
        self.api = api

    @property
    def streams(self) -> tuple[Stream, ...]:
        """The messages, then the costs."""
        return (MESSAGES, COSTS)

    async def validate(self, key: SecretText, *, now: datetime) -> types.KeyCheck:
        """Ask for an hour of usage, which admin keys alone may, then whose key it is."""
        hour = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
        window = types.Window(hour, hour + timedelta(hours=1))
        self.normalise(await self.poll(key, stream=MESSAGES, window=window))
        description = "Admin key of an Anthropic organization: usage and costs of all its workspaces."
        return types.KeyCheck(description, tuple(_REPORTS), await self._account(key))

    async def _account(self, key: SecretText) -> str | None:
        """Return the id of the key's organization, or None: a key is no worse for not telling it, and the usage report has decided that."""
        try:
            told = types.document(await self.api.get(key, _ORGANIZATION))
            return told.member("id").text(chars_max=types.ACCOUNT_CHARS_MAX)
        except (types.KeyInsufficient, types.StreamRefused, types.RequestRefused, types.AnswerUnreadable):
            return None

    async def poll(self, key: SecretText, *, stream: Stream, window: types.Window, cursor: str | None = None) -> types.RawPage:
        """Fetch one page; see ``types.Connector``."""
        report = _REPORTS[stream.name]
        window.checked(stream)
        query = [
            ("starting_at", instant.to_api_instant(window.starts_at)),
            ("ending_at", instant.to_api_instant(window.ends_at)),
            ("bucket_width", report.bucket_width),
            *(("group_by[]", name) for name in report.group_by),
            ("limit", str(report.limit)),
        ]
        if cursor is not None:
            query.append(("page", cursor))
        return types.RawPage(stream=stream, window=window, body=await self.api.get(key, report.path, query))

    def normalise(self, raw: types.RawPage) -> types.Page:
        """Read one page; see ``types.Connector``."""
        read = _REPORTS[raw.stream.name].read
        page = types.document(raw.body)
        buckets = [read(node) for node in page.member("data").items()]
        return types.Page(
            buckets=types.arranged(buckets, stream=raw.stream, window=raw.window),
            next_cursor=types.next_cursor(page),
            payload_digest=raw.payload_digest,
        )


def connector(configuration: settings.Settings) -> Anthropic:
    """Return the connector to the Anthropic that the settings name."""
    return Anthropic(api(http.Client("anthropic", base_url=configuration.anthropic_url, limits=usage_api.LIMITS)))


def api(client: http.Client) -> usage_api.Api:
    """Return the API behind ``client``."""
    return usage_api.Api(
        client=client,
        name=Anthropic.name,
        key_header="x-api-key",
        key_wanted="an admin key of the organization (sk-ant-admin…)",
        other_keys=("sk-ant-api", "sk-ant-oat"),
        headers=(("anthropic-version", API_VERSION),),
    )


def _messages_bucket(node: Node) -> types.Bucket:
    results = tuple(node.member("results").items())
    searches = (_searches(result) for result in results)
    return types.Bucket(
        stream=MESSAGES.name,
        starts_at=node.member("starting_at").rfc_3339(),
        ends_at=node.member("ending_at").rfc_3339(),
        rows=tuple(_row(result) for result in results),
        activities=tuple(one for one in searches if one is not None),
    )


def _costs_bucket(node: Node) -> types.Bucket:
    return types.Bucket(
        stream=COSTS.name,
        starts_at=node.member("starting_at").rfc_3339(),
        ends_at=node.member("ending_at").rfc_3339(),
        costs=tuple(_cost(result) for result in node.member("results").items()),
    )


def _row(result: Node) -> types.Row:
    model = result.member("model")
    if model.is_null:
        raise types.ModelMissing(f"{model.pointer} is null.")
    tier = result.member("service_tier").optional_text(chars_max=LABEL_CHARS_MAX)
    geo = result.member("inference_geo").optional_text(chars_max=LABEL_CHARS_MAX)
    return types.Row(
        dimensions=_dimensions(result, _DIMENSIONS),
        model=model.text(chars_max=MODEL_CHARS_MAX),
        tokens=_tokens(result),
        requests=None,
        batch=tier == "batch",
        service_tier=tier,
        region=None if geo == _UNTOLD else geo,
        size=_size(result.member("context_window").optional_text()),
    )


def _tokens(result: Node) -> TokenBuckets:
    creation = result.member("cache_creation")
    uncached, cached = result.member("uncached_input_tokens").count(), result.member("cache_read_input_tokens").count()
    short, long = creation.member("ephemeral_5m_input_tokens").count(), creation.member("ephemeral_1h_input_tokens").count()
    output = result.member("output_tokens").count()
    tokens = TokenBuckets(uncached_input=uncached, cached_input=cached, cache_creation_5m=short, cache_creation_1h=long, output=output)
    return types.agreed(tokens, total_input=uncached + cached + short + long, total_output=output, at=result)


def _searches(result: Node) -> types.Activity | None:
    tools = result.member("server_tool_use")
    count = None if tools.is_null else tools.member("web_search_requests").optional_count()
    if not count:
        return None
    return types.Activity(
        dimensions=_dimensions(result, _DIMENSIONS),
        event="web_searches",
        quantity=Decimal(count),
        model=result.member("model").optional_text(chars_max=MODEL_CHARS_MAX),
    )


def _cost(result: Node) -> types.ReportedCost:
    dollars = result.member("amount").number_in_text(shift=-_CENTS)
    return types.ReportedCost(
        dimensions=_dimensions(result, _COST_DIMENSIONS),
        item=result.member("description").optional_text(),
        amount=types.money(dollars, _dollars(result.member("currency")), at=result.member("amount")),
        model=result.member("model").optional_text(chars_max=MODEL_CHARS_MAX),
    )


def _dollars(currency: Node) -> str:
    # Of another currency we would not know what its "cents" are.
    if currency.value != "USD":
        raise currency.unreadable("USD")
    return "USD"


def _dimensions(result: Node, names: tuple[str, ...]) -> types.Dimensions:
    return types.dimensions({name: result.member(name).optional_text() for name in names})


def _size(context_window: str | None) -> RequestSize | None:
    """Return what ``0-200k`` says of each request; None for what we can't read, which is no fault: the tokens stand."""
    match = None if context_window is None else _SIZE.fullmatch(context_window)
    if match is None:
        return None
    above, above_unit, up_to, up_to_unit = match.groups()
    return RequestSize(above=int(above) * _UNITS[above_unit], up_to=int(up_to) * _UNITS[up_to_unit])


_REPORTS = {
    report.stream.name: report
    for report in (
        _Report(
            MESSAGES,
            "/v1/organizations/usage_report/messages",
            "1h",
            ("model", "service_tier", "context_window", "workspace_id", "inference_geo"),
            limit=168,
            read=_messages_bucket,
        ),
        _Report(COSTS, "/v1/organizations/cost_report", "1d", ("workspace_id", "description"), limit=31, read=_costs_bucket),
    )
}
