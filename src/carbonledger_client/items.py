"""An item of ``POST /v1/telemetry/events``: its members, and the rules that can be checked without the server.

Owns: the vocabulary of an item on the client's side. The server has the last word; what is refused here would be refused there. A test
holds the names of the token buckets against the server's.
"""

from __future__ import annotations

import functools
import re
from typing import Any, NoReturn

import orjson

from carbonledger_client import rows

BUCKETS = ("uncached_input", "cached_input", "cache_creation_5m", "cache_creation_1h", "output")
PARTS = {
    "uncached_input": ("audio_input", "image_input"),
    "cached_input": ("cached_audio_input", "cached_image_input"),
    "output": ("audio_output", "image_output"),
}
REASONING = "reasoning"  # a part of output, and no modality: it stands alone
COUNTS = frozenset((*BUCKETS, REASONING, *(part for parts in PARTS.values() for part in parts)))
_LABELS = {"operation": 64, "service_tier": 64, "region": 64, "account": 200}  # characters at most
_IDS = ("project_id", "agent_id")
MEMBERS = frozenset(
    {
        "idempotency_key",
        "occurred_at",
        "provider",
        "model",
        "tokens",
        "usage",
        "requests",
        "duration_s",
        "quality",
        "batch",
        "reported_cost",
        "properties",
        *_LABELS,
        *_IDS,
    }
)
METERED = frozenset({"idempotency_key", "occurred_at", "event", "quantity", "account", "properties", *_IDS})
KEY_CHARS_MAX = 200
_MODEL_CHARS_MAX = 256
_PROPERTIES_MAX_BYTES = 4096
_USAGE_MAX_BYTES = 16_384
_PROVIDER = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_QUANTITY = re.compile(r"-?[0-9]{1,26}(?:\.[0-9]{1,12})?")
_AMOUNT = re.compile(r"[0-9]{1,26}(?:\.[0-9]{1,12})?")
_CURRENCY = re.compile(r"[A-Z]{3}")
_QUALITIES = ("reported", "estimated", "partial")
DURATION_S_MAX = 366 * 86_400
_BARE = frozenset({"idempotency_key", "occurred_at", "provider", "model", "tokens", "requests"})


def checked(item: rows.Item) -> rows.Item:
    """Return an item that has a time, with a key or without one yet, if it is good. Raises ``Rejected`` for the first rule it breaks."""
    if "idempotency_key" in item and not _is_label(item["idempotency_key"], KEY_CHARS_MAX):
        raise rows.Rejected("idempotency_key_invalid", f"Give a key of 1 to {KEY_CHARS_MAX} printable characters.")
    if "event" in item:
        _check_metered(item)
    else:
        _check_usage(item)
    if not item.keys() <= _BARE:
        _check_rest(item)
    return item


def _check_usage(item: rows.Item) -> None:
    provider, model = item.get("provider"), item.get("model")
    if type(provider) is not str or type(model) is not str or not _is_good_model(provider, model):
        _blame_model(provider, model)
    tokens = item.get("tokens")
    if tokens is None:
        _check_raw(item.get("usage"))
    elif "usage" in item:
        raise rows.Rejected("usage_ambiguous", "Give tokens or usage, not both.")
    else:
        check_tokens(tokens)


@functools.lru_cache(maxsize=1024)
def _is_good_model(provider: str, model: str) -> bool:
    """Say it once for all the rows of a model."""
    return _PROVIDER.fullmatch(provider) is not None and _is_label(model, _MODEL_CHARS_MAX)


def _blame_model(provider: object, model: object) -> NoReturn:
    if not provider:
        raise rows.Rejected("provider_missing", "It does not say whose model it was. Name the provider with --set provider=….")
    if not isinstance(provider, str) or not _PROVIDER.fullmatch(provider):
        raise rows.Rejected(
            "provider_invalid", f"The provider is {rows.shown(provider)}: give 1 to 64 of a-z, 0-9, dot, hyphen, underscore."
        )
    if not model:
        raise rows.Rejected("model_missing", "It names no model.")
    raise rows.Rejected("model_invalid", f"The model is {rows.shown(model)}: give 1 to {_MODEL_CHARS_MAX} printable characters.")


def check_tokens(tokens: Any) -> None:  # noqa: ANN401 - may come from a file
    """Check counts by bucket: that there are some, and that no part is more than its whole. Raises ``Rejected``."""
    if not isinstance(tokens, dict):
        raise rows.Rejected("tokens_invalid", "tokens is not an object of counts by bucket.")
    if tokens.get("uncached_input") is None and tokens.get("output") is None:
        raise rows.Rejected("tokens_missing", "It counts neither input nor output tokens.")
    if tokens.keys() <= _PLAIN:
        return
    for whole, parts in (*PARTS.items(), ("output", (REASONING,))):
        of_parts, bound = sum(tokens.get(part) or 0 for part in parts), tokens.get(whole)
        if of_parts > (bound or 0):
            names = ", ".join(part for part in parts if tokens.get(part))
            raise rows.Rejected(
                "parts_exceed_whole", f"Its {names} ({of_parts}) are more than its {whole} ({bound}), of which they are a part."
            )


_PLAIN = frozenset(BUCKETS)


def _check_raw(usage: object) -> None:
    if usage is None:
        raise rows.Rejected("tokens_missing", "It has neither tokens nor usage.")
    if not isinstance(usage, dict) or not usage:
        raise rows.Rejected("usage_invalid", "usage is not the object that a provider answers.")
    if len(orjson.dumps(usage)) > _USAGE_MAX_BYTES:
        raise rows.Rejected("usage_invalid", f"usage is longer than {_USAGE_MAX_BYTES} bytes.")


def _check_metered(item: rows.Item) -> None:
    strange = sorted(item.keys() - METERED)
    if strange:
        raise rows.Rejected("member_unknown", f"A metered event has no {', '.join(strange)}.")
    if not _is_label(item["event"], 64):
        raise rows.Rejected("event_invalid", "Give the event a name of 1 to 64 printable characters.")
    quantity = item.get("quantity")
    if not isinstance(quantity, str) or not _QUANTITY.fullmatch(quantity):
        raise rows.Rejected("quantity_invalid", f"The quantity is {rows.shown(quantity)}: give a decimal number as a string.")


def _check_rest(item: rows.Item) -> None:
    for name, chars_max in _LABELS.items():
        value = item.get(name)
        if value is not None and not _is_label(value, chars_max):
            raise rows.Rejected("label_invalid", f"{name} is {rows.shown(value)}: give 1 to {chars_max} printable characters.")
    for name in _IDS:
        value = item.get(name)
        if value is not None and not (isinstance(value, str) and _UUID.fullmatch(value)):
            raise rows.Rejected("id_invalid", f"{name} is {rows.shown(value)}: give a UUID.")
    if type(item.get("batch", False)) is not bool:
        raise rows.Rejected("truth_invalid", "batch is neither true nor false.")
    _check_bucket(item)
    properties = item.get("properties")
    if properties is not None and not (isinstance(properties, dict) and _is_small(properties)):
        raise rows.Rejected("properties_invalid", f"properties is not an object of at most {_PROPERTIES_MAX_BYTES} bytes.")


def _check_bucket(item: rows.Item) -> None:
    duration_s = item.get("duration_s", 0)
    if type(duration_s) is not int or not 0 <= duration_s <= DURATION_S_MAX:
        raise rows.Rejected("duration_invalid", f"duration_s is {rows.shown(duration_s)}: give 0 to {DURATION_S_MAX} seconds.")
    if item.get("quality", "reported") not in _QUALITIES:
        raise rows.Rejected("quality_invalid", f"quality is none of {', '.join(_QUALITIES)}.")
    cost = item.get("reported_cost")
    if cost is None:
        return
    amount, currency = (cost.get("amount"), cost.get("currency")) if isinstance(cost, dict) else (None, None)
    if not (isinstance(amount, str) and _AMOUNT.fullmatch(amount) and isinstance(currency, str) and _CURRENCY.fullmatch(currency)):
        raise rows.Rejected("reported_cost_invalid", "reported_cost needs an amount from 0 as a decimal string, and a currency like USD.")


def _is_small(properties: rows.Item) -> bool:
    try:
        return len(orjson.dumps(properties)) <= _PROPERTIES_MAX_BYTES
    except (TypeError, ValueError):
        return False  # bytes that were no text in the file's encoding


def _is_label(value: object, chars_max: int) -> bool:
    """Say whether ``value`` can be stored and shown: no control character, NUL or lone surrogate, no blank at an end."""
    return isinstance(value, str) and 0 < len(value) <= chars_max and value.isprintable() and value == value.strip()
