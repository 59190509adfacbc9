"""OpenRouter's usage of an account, for its management keys.

Sources: OpenRouter's OpenAPI description of 2026-08-22 (github.com/OpenRouterTeam/typescript-sdk) for ``/key`` and ``/activity``; of
``/analytics/query``, OpenRouter's own reference (github.com/OpenRouterTeam/skills, openrouter-analytics-query), 2026-07.

Two ways to the same tokens. ``analytics`` is hourly and tells cached tokens apart, not cache writes; ``activity`` is daily, for the last
30 completed days of UTC, and tells nothing apart: it is read where analytics is refused. ``spend`` is what activity says it cost. What is
easily read wrongly:

- prompt tokens include cached ones, completion tokens include reasoning
- counts of analytics are texts, its hours are written ``2026-09-29 13:00:00``, and an hour without use has no row; days of activity
  are dates by the description, and come with a midnight behind them too
- a result that is ``truncated`` looks like a whole one: a day of UTC is asked for at once, and in smaller parts, down to an hour
- at most two dimensions: the model, and who served it, for OpenRouter itself serves nothing
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

from carbonledger.adapters import usage_api
from carbonledger.domains.connections import types
from carbonledger.domains.connections.types import Carries, Node, Stream
from carbonledger.infra import http, settings
from carbonledger.kernel import instant
from carbonledger.kernel.secret import SecretText
from carbonledger.kernel.usage import MODEL_CHARS_MAX, TokenBuckets

FIRST_READ_DAYS = 30  # what activity shows, and within the 31 days of analytics by who served
ANALYTICS = Stream(name="analytics", bucket_width_s=3600, carries=Carries.TOKENS)
ACTIVITY = Stream(name="activity", bucket_width_s=86_400, carries=Carries.TOKENS, is_completed_only=True, instead_of=ANALYTICS.name)
SPEND = Stream(name="spend", bucket_width_s=86_400, carries=Carries.COSTS, is_completed_only=True)
_METRICS = ("tokens_prompt", "cached_tokens", "tokens_completion", "reasoning_tokens", "request_count")
_ROWS_MAX = 10_000  # of one result
_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)
_HOUR_TEXT = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})[ T]([0-9]{2}):00:00(?:\.0{1,6})?(?:Z|\+00:00)?")


class OpenRouter:
    """A ``types.Connector``. Its cursor is the start of what is left of the window."""

    provider = "openrouter"
    name = "OpenRouter"
    first_read_days = FIRST_READ_DAYS

    def __init__(self, api: usage_api.Api) -> None:
        self.api = api

    @property
    def streams(self) -> tuple[Stream, ...]:
        """The tokens in two ways, then what they cost."""
        return (ANALYTICS, ACTIVITY, SPEND)

    async def validate(self, key: SecretText, *, now: datetime) -> types.KeyCheck:
        """Ask what key it is, and whether it may use analytics.

        Whose account it is is not told: ``creator_user_id`` is who made the key, the same in a person's own account and in an
        organization's, so it would refuse the second of two accounts that may both be read.
        """
        told = types.document(await self.api.get(key, "/api/v1/key")).member("data")
        if not told.member("is_management_key").flag():
            raise types.KeyInsufficient(f"{self.name} wants {self.api.key_wanted}.")
        hour = now.replace(minute=0, second=0, microsecond=0) - _HOUR
        try:
            self.normalise(await self.poll(key, stream=ANALYTICS, window=types.Window(hour, hour + _HOUR)))
        except types.StreamRefused:
            return types.KeyCheck("Management key of OpenRouter: usage by the day.", (ACTIVITY.name, SPEND.name))
        return types.KeyCheck("Management key of OpenRouter: usage by the hour.", (ANALYTICS.name, SPEND.name))

    async def poll(self, key: SecretText, *, stream: Stream, window: types.Window, cursor: str | None = None) -> types.RawPage:
        """Fetch one part of the window; see ``types.Connector``."""
        window.checked(stream)
        at = window.starts_at if cursor is None else _position(cursor, stream, window)
        if stream.name == ANALYTICS.name:
            part, body = await self._analytics(key, types.Window(at, window.ends_at))
        else:
            part = types.Window(at, at + _DAY)
            body = await self.api.get(key, "/api/v1/activity", [("date", at.date().isoformat())])
        rest = None if part.ends_at >= window.ends_at else instant.to_api_instant(part.ends_at)
        return types.RawPage(stream=stream, window=part, body=body, next_cursor=rest)

    async def _analytics(self, key: SecretText, left: types.Window) -> tuple[types.Window, bytes]:
        # To the end of the day, wherever the window begins: a day read again gives the same answer, to the byte, if nothing has changed.
        midnight = left.starts_at.replace(hour=0) + _DAY
        hours = (min(midnight, left.ends_at) - left.starts_at) // _HOUR
        while True:
            part = types.Window(left.starts_at, left.starts_at + hours * _HOUR)
            try:
                body = await self.api.post(key, "/api/v1/analytics/query", _question(part))
            except (types.KeyInsufficient, types.StreamRefused) as fault:
                raise types.StreamRefused(f"{self.name} does not let this key use analytics.") from fault
            if hours == 1 or not types.document(body).member("data").member("metadata").member("truncated").flag():
                return part, body
            hours //= 2

    def normalise(self, raw: types.RawPage) -> types.Page:
        """Read one part; see ``types.Connector``."""
        page = types.document(raw.body)
        if raw.stream.name == ANALYTICS.name:
            buckets = _analytics_buckets(page.member("data"), raw.window)
        else:
            buckets = [_day_bucket(tuple(page.member("data").items()), raw)]
        return types.Page(
            buckets=types.arranged(buckets, stream=raw.stream, window=raw.window),
            next_cursor=raw.next_cursor,
            payload_digest=raw.payload_digest,
        )


def connector(configuration: settings.Settings) -> OpenRouter:
    """Return the connector to the OpenRouter that the settings name."""
    return OpenRouter(api(http.Client("openrouter", base_url=configuration.openrouter_url, limits=usage_api.LIMITS)))


def api(client: http.Client) -> usage_api.Api:
    """Return the API behind ``client``."""
    return usage_api.Api(
        client=client, name=OpenRouter.name, key_header="authorization", key_prefix="Bearer ", key_wanted="a management key of the account"
    )


def _question(part: types.Window) -> dict[str, object]:
    return {
        "metrics": _METRICS,
        "dimensions": ("model", "provider"),
        "granularity": "hour",
        "time_range": {"start": instant.to_api_instant(part.starts_at), "end": instant.to_api_instant(part.ends_at)},
        "limit": _ROWS_MAX,
    }


def _position(cursor: str, stream: Stream, window: types.Window) -> datetime:
    """Return where the cursor stands. Raises ``ValueError`` for one that is not ours: it never leaves the window."""
    at = next((start for start in window.bucket_starts(stream) if instant.to_api_instant(start) == cursor), None)
    if at is None:
        raise ValueError("the cursor is not of this window")
    return at


def _analytics_buckets(result: Node, window: types.Window) -> list[types.Bucket]:
    if result.member("metadata").member("truncated").flag():
        raise types.AnswerIncomplete("One hour has more rows than OpenRouter shows.")
    rows: dict[datetime, list[types.Row]] = defaultdict(list)
    for node in result.member("data").items():
        at = _hour(node.member("date__hour"))
        # Whether the end of a range is inside it is not documented; the hour that begins there is read with the next part.
        if at == window.ends_at:
            continue
        if not window.starts_at <= at < window.ends_at:
            raise types.BucketMisplaced(f"{node.pointer} is of an hour that was not asked for.")
        rows[at].append(_analytics_row(node))
    return [
        types.Bucket(stream=ANALYTICS.name, starts_at=at, ends_at=at + _HOUR, rows=tuple(rows.get(at, ())))
        for at in window.bucket_starts(ANALYTICS)
    ]


def _hour(node: Node) -> datetime:
    match = _HOUR_TEXT.fullmatch(node.text())
    if match is None:
        raise node.unreadable("an hour")
    return Node(f"{match[1]}T{match[2]}:00:00Z", node.pointer).rfc_3339()


def _analytics_row(node: Node) -> types.Row:
    prompt, cached, completion, reasoning, requests = (node.member(name).count(may_be_text=True) for name in _METRICS)
    if cached > prompt:
        raise types.CountsContradict(f"{node.pointer}: cached tokens exceed prompt tokens.")

    def buckets() -> TokenBuckets:
        return TokenBuckets(uncached_input=prompt - cached, cached_input=cached, output=completion, reasoning=reasoning)

    model = _model(node.member("model"))
    return types.Row(
        dimensions=types.dimensions({"model": model, "provider": _told(node.member("provider"))}),
        model=model,
        tokens=types.agreed(types.counted(buckets, at=node), total_input=prompt, total_output=completion, at=node),
        requests=requests,
    )


def _day_bucket(nodes: Sequence[Node], raw: types.RawPage) -> types.Bucket:
    for node in nodes:
        if _day(node.member("date")) != raw.window.starts_at:
            raise types.BucketMisplaced(f"{node.pointer} is of a day that was not asked for.")
    is_spend = raw.stream.name == SPEND.name
    return types.Bucket(
        stream=raw.stream.name,
        starts_at=raw.window.starts_at,
        ends_at=raw.window.ends_at,
        rows=() if is_spend else tuple(_activity_row(node) for node in nodes),
        costs=tuple(cost for node in nodes for cost in _spend(node)) if is_spend else (),
    )


def _day(node: Node) -> datetime:
    return Node(node.value.removesuffix(" 00:00:00") if isinstance(node.value, str) else node.value, node.pointer).day()


def _activity_row(node: Node) -> types.Row:
    prompt, completion = node.member("prompt_tokens").count(), node.member("completion_tokens").count()
    reasoning = node.member("reasoning_tokens").count()

    def buckets() -> TokenBuckets:
        # Cached tokens are somewhere in the prompt's: unknown, not none.
        return TokenBuckets(uncached_input=prompt, output=completion, reasoning=reasoning)

    return types.Row(
        dimensions=_activity_dimensions(node),
        model=_model(node.member("model_permaslug")),
        tokens=types.agreed(types.counted(buckets, at=node), total_input=prompt, total_output=completion, at=node),
        requests=node.member("requests").count(),
    )


def _spend(node: Node) -> list[types.ReportedCost]:
    """Return what was taken from credits, and what the account's own keys cost at the provider, where there was any."""
    items = {"credits": node.member("usage"), "byok_inference": node.member("byok_usage_inference")}
    amounts = {item: types.money(found.number(), "USD", at=found) for item, found in items.items()}
    return [
        types.ReportedCost(dimensions=_activity_dimensions(node), item=item, amount=amount, model=_model(node.member("model_permaslug")))
        for item, amount in amounts.items()
        if item == "credits" or amount.amount
    ]


def _activity_dimensions(node: Node) -> types.Dimensions:
    names = ("endpoint_id", "provider_name", "workspace_id")
    return types.dimensions({"model": _model(node.member("model_permaslug")), **{name: _told(node.member(name)) for name in names}})


def _told(node: Node) -> str | None:
    return None if node.value == "" else node.optional_text()


def _model(node: Node) -> str:
    if node.is_null or node.value == "":
        raise types.ModelMissing(f"{node.pointer} is empty.")
    return node.text(chars_max=MODEL_CHARS_MAX)
