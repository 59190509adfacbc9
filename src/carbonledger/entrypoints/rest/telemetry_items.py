"""Events as they come over the wire: decoded one by one, so that one that can't be read is rejected and the others are not.

Decoding is msgspec's, because ten thousand of them are read in one request. An item is first tried as a plain event, as most are; one that
is none is read as it may be, and made a draft. Owns the shape of an item and how it becomes a draft. It does not own what may enter the
ledger (the domain), nor how the document shows an item (``telemetry_sent``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec

from carbonledger.domains.telemetry import types
from carbonledger.domains.telemetry.types import Rejection
from carbonledger.entrypoints.rest import telemetry_split, telemetry_told
from carbonledger.entrypoints.rest.telemetry_told import Several
from carbonledger.kernel import decimals, errors, money
from carbonledger.kernel.usage import COUNT_MAX, TokenBuckets, Usage, UsageQuality

_DETAIL_CHARS_MAX: Final = 500
_ITEM_BYTES_MAX: Final = 64 * 1024
SLICE: Final = 5_000  # events between which the event loop has its turn: some 5 ms


class BodyUnreadable(errors.Malformed):
    """The body is neither an event nor {"events": [...]}."""

    code = "events_unreadable"


# --- as it is read


_NULL: Final = msgspec.Raw(b"null")


class _Tokens(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    uncached_input: int | None = None
    cached_input: int | None = None
    cache_creation_5m: int | None = None
    cache_creation_1h: int | None = None
    output: int | None = None
    reasoning: int | None = None
    audio_input: int | None = None
    image_input: int | None = None
    cached_audio_input: int | None = None
    cached_image_input: int | None = None
    audio_output: int | None = None
    image_output: int | None = None


class _Reported(msgspec.Struct, forbid_unknown_fields=True):
    amount: str
    currency: str


class _Item(msgspec.Struct, forbid_unknown_fields=True):
    idempotency_key: str
    occurred_at: Annotated[datetime, msgspec.Meta(tz=True)]
    provider: str | None = None
    model: str | None = None
    operation: str | None = None
    tokens: _Tokens | None = None
    usage: msgspec.Raw = _NULL
    requests: int | None = 1
    duration_s: int = 0
    quality: Literal["reported", "estimated", "partial"] = "reported"
    batch: bool = False
    service_tier: str | None = None
    region: str | None = None
    reported_cost: _Reported | None = None
    project_id: UUID | None = None
    agent_id: UUID | None = None
    account: str | None = None
    properties: dict[str, Any] | None = None
    event: str | None = None
    quantity: str | None = None


_Count = Annotated[int, msgspec.Meta(ge=0, le=COUNT_MAX)]


class _PlainTokens(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """``_Tokens`` in their ranges, without parts but reasoning."""

    uncached_input: _Count | None = None
    cached_input: _Count | None = None
    cache_creation_5m: _Count | None = None
    cache_creation_1h: _Count | None = None
    output: _Count | None = None
    reasoning: _Count | None = None
    audio_input: None = None
    image_input: None = None
    cached_audio_input: None = None
    cached_image_input: None = None
    audio_output: None = None
    image_output: None = None


class _Plain(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """``_Item`` as most are: usage of a model, told as tokens. What is none of it can't be decoded as one."""

    idempotency_key: str
    occurred_at: Annotated[datetime, msgspec.Meta(tz=True)]
    provider: str
    model: str
    tokens: _PlainTokens
    operation: str | None = None
    usage: None = None
    requests: _Count | None = 1
    duration_s: Annotated[int, msgspec.Meta(ge=0, le=types.DURATION_S_MAX)] = 0
    quality: Literal["reported", "estimated", "partial"] = "reported"
    batch: bool = False
    service_tier: str | None = None
    region: str | None = None
    reported_cost: None = None
    project_id: UUID | None = None
    agent_id: UUID | None = None
    account: str | None = None
    properties: dict[str, Any] | None = None
    event: None = None
    quantity: None = None

    def drafted(self) -> types.AnyDraft | Rejection:
        """Return it as a draft, or why it can't be one."""
        made = _made(self)
        if isinstance(made, Several):
            raise TypeError("a plain event tells its tokens itself")
        return made


class _Many(msgspec.Struct, forbid_unknown_fields=True):
    events: list[msgspec.Raw]


class _AllPlain(msgspec.Struct, forbid_unknown_fields=True):
    events: list[_Plain]


_many = msgspec.json.Decoder(_Many)
_all_plain = msgspec.json.Decoder(_AllPlain)
_item = msgspec.json.Decoder(_Item)
_plain = msgspec.json.Decoder(_Plain)
_usage = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)  # what a provider says it cost is not rounded
_probe = msgspec.json.Decoder(dict[str, msgspec.Raw])
_UNREADABLE: Final = (msgspec.DecodeError, RecursionError, UnicodeError)
_KIND: Final = Rejection(
    "item_kind_unclear", "Give provider, model and tokens (or usage); or event and quantity, and neither of the others."
)
_TOKENS: Final = Rejection("tokens_unclear", "Give tokens or usage, one of the two.")
_COST: Final = Rejection("reported_cost_invalid", "Give an amount from 0 as a decimal string, and a currency of ISO 4217.")
_REPORTED_MAX: Final = 10**26  # what the ledger's column holds
_LARGE: Final = Rejection("item_too_large", f"An event takes at most {_ITEM_BYTES_MAX} bytes.")


def read(body: bytes) -> Sequence[bytes | msgspec.Raw]:
    """Return the items of a body, still undecoded. Raises ``BodyUnreadable``, ``BatchTooLarge``."""
    try:
        items: Sequence[bytes | msgspec.Raw] = _many.decode(body).events
    except _UNREADABLE:
        items = _read_one(body)
    if len(items) > types.BATCH_MAX:
        raise types.BatchTooLarge(f"Send {types.BATCH_MAX} events at a time; this were more.")
    return items


def _read_one(body: bytes) -> Sequence[bytes]:
    """Return a body that is an event itself; or the items of one that can't be decoded because of what is inside one of them."""
    try:
        members = _probe.decode(body)
        if "events" in members:
            _many.decode(body)  # says why it can't be read
    except _UNREADABLE as error:
        try:
            return telemetry_split.split(body, items_max=types.BATCH_MAX)
        except telemetry_split.NoItems:
            raise BodyUnreadable(f'Send an event, or {{"events": [...]}} of events: {_why(error)}.') from None
    return [body]


def _why(error: Exception) -> str:
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error)[:_DETAIL_CHARS_MAX]


def plain(body: bytes, raws: Sequence[bytes | msgspec.Raw]) -> list[types.Item | Several] | None:
    """Return all items of a body, which ``read`` gave as ``raws``, in a call instead of one for each. None: not all of them are plain."""
    if max(map(len, raws), default=0) > _ITEM_BYTES_MAX:
        return None
    try:
        return list[types.Item | Several](_all_plain.decode(body).events)
    except _UNREADABLE:
        return None


def items(raws: Sequence[bytes | msgspec.Raw]) -> list[types.Item | Several]:
    """Return each item as a plain event, or else as a draft, or why it can't be one."""
    if max(map(len, raws), default=0) <= _ITEM_BYTES_MAX:
        try:
            return list[types.Item | Several](map(_plain.decode, raws))
        except _UNREADABLE:
            pass  # one of them is not plain, and has to be found
    return list(_one_by_one(raws))


def _one_by_one(raws: Sequence[bytes | msgspec.Raw]) -> Iterator[types.Item | Several]:
    decode = _plain.decode
    for raw in raws:
        if len(raw) > _ITEM_BYTES_MAX:
            yield _LARGE
            continue
        try:
            yield decode(raw)
        except _UNREADABLE:  # in particular whatever is not plain
            yield drafted(raw)


def drafted(raw: bytes | msgspec.Raw) -> types.AnyDraft | Several | Rejection:
    """Return an item as a draft, or why it can't be one."""
    try:
        item = _item.decode(raw)
    except _UNREADABLE as error:
        return Rejection("item_unreadable", _why(error))
    return _made(item)


def _made(item: _Item | _Plain) -> types.AnyDraft | Several | Rejection:
    try:
        return _draft(item)
    except errors.Fault as fault:
        return _rejection(fault)
    except OverflowError:  # in UTC it is in no year from 1 to 9999
        return types.TIME_OUT_OF_RANGE


def _rejection(fault: errors.Fault) -> Rejection:
    if not fault.problems:
        return Rejection(fault.code, (fault.detail or "")[:_DETAIL_CHARS_MAX])
    first = fault.problems[0]
    told = "; ".join(f"{problem.pointer}: {problem.detail}" for problem in fault.problems)
    return Rejection(first.code, told[:_DETAIL_CHARS_MAX])


def _draft(item: _Item | _Plain) -> types.AnyDraft | Several | Rejection:
    if item.event is not None or item.quantity is not None:
        return _metered(item)
    if item.provider is None or item.model is None:
        return _KIND
    usage = _raw(item)
    if (item.tokens is None) is (usage is None):
        return _TOKENS
    reported = _reported(item.reported_cost)
    if isinstance(reported, Rejection):
        return reported
    draft = types.Draft(
        idempotency_key=item.idempotency_key,
        usage=Usage(
            provider=item.provider,
            model=item.model,
            occurred_at=item.occurred_at,
            tokens=TokenBuckets() if item.tokens is None else _counted(item.tokens),
            requests=item.requests,
            batch=item.batch,
            service_tier=item.service_tier,
            region=item.region,
        ),
        operation=item.operation,
        quality=UsageQuality(item.quality),
        duration_s=item.duration_s,
        project_id=item.project_id,
        agent_id=item.agent_id,
        account=item.account,
        properties=item.properties,
        reported=reported,
    )
    return draft if usage is None else _told(draft, usage)


def _counted(tokens: _Tokens | _PlainTokens) -> TokenBuckets:
    return TokenBuckets(
        uncached_input=tokens.uncached_input,
        cached_input=tokens.cached_input,
        cache_creation_5m=tokens.cache_creation_5m,
        cache_creation_1h=tokens.cache_creation_1h,
        output=tokens.output,
        reasoning=tokens.reasoning,
        audio_input=tokens.audio_input,
        image_input=tokens.image_input,
        cached_audio_input=tokens.cached_audio_input,
        cached_image_input=tokens.cached_image_input,
        audio_output=tokens.audio_output,
        image_output=tokens.image_output,
    )


def _raw(item: _Item | _Plain) -> msgspec.Raw | None:
    """Return the provider's usage object as it came."""
    return None if item.usage is None or bytes(item.usage) == b"null" else item.usage


def _told(draft: types.Draft, raw: msgspec.Raw) -> types.Draft | Several | Rejection:
    try:
        usage = _usage.decode(raw)
    except _UNREADABLE as error:
        return Rejection("item_unreadable", f"usage: {_why(error)}")
    return telemetry_told.drafted(draft, usage)


def _reported(cost: _Reported | None) -> money.Money | Rejection | None:
    if cost is None:
        return None
    try:
        reported = money.from_api_money({"amount": cost.amount, "currency": cost.currency}, places=types.QUANTITY_PLACES_MAX)
    except errors.Fault:
        return _COST
    return reported if 0 <= reported.amount < _REPORTED_MAX else _COST


def _metered(item: _Item | _Plain) -> types.MeteredDraft | Rejection:
    alone = (item.provider, item.model, item.tokens, _raw(item), item.reported_cost, item.service_tier, item.region, item.operation)
    if item.event is None or item.quantity is None or any(member is not None for member in alone) or item.batch or item.duration_s:
        return _KIND
    return types.MeteredDraft(
        idempotency_key=item.idempotency_key,
        occurred_at=item.occurred_at.astimezone(UTC),
        event=item.event,
        quantity=_quantity(item.quantity),
        project_id=item.project_id,
        agent_id=item.agent_id,
        account=item.account,
        properties=item.properties,
    )


def _quantity(text: str) -> Decimal:
    return decimals.from_api_decimal(text, places=types.QUANTITY_PLACES_MAX)


# --- as it is answered


class _Beside(msgspec.Struct, omit_defaults=True, gc=False):
    status: types.Status
    id: UUID | None = None
    code: str | None = None
    detail: str | None = None


class _Result(_Beside, omit_defaults=True, gc=False, kw_only=True):
    index: int
    others: list[_Beside] | None = None


_encoder = msgspec.json.Encoder()


def to_api(done: types.Accepted, owners: Sequence[int] = ()) -> bytes:
    """Return the answer's body. ``owners``: the places of the items that the last results belong to, which are of other models' usage.

    Counted are items: what another model used is told with the item that told it.
    """
    sent = len(done.results) - len(owners)
    results = [
        _Result(status, event_id, index=place) if rejection is None else _Result(status, event_id, *rejection, index=place)
        for place, status, event_id, rejection in done.results[:sent]
    ]
    counts = {"accepted": done.accepted, "duplicate": done.duplicate, "revised": done.revised, "rejected": done.rejected}
    for owner, (_, status, event_id, rejection) in zip(owners, done.results[sent:], strict=True):
        results[owner].others = [*(results[owner].others or ()), _Beside(status, event_id, *(rejection or ()))]
        counts[status.value] -= 1
    return _encoder.encode({**counts, "results": results})
