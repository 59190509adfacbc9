"""Words of prices: how usage or a seat becomes an amount, one model each, and the usage that they price.

A model is a value that can't be wrong: what breaks a rule of it is told when it is made, all problems at once, each with a pointer
into the model (``/tiers/1/up_to``); whoever holds the model in a document puts the document's own pointer before it (``placed``).
What depends on the currency (``amount_problems``) is asked apart, because only the document that holds the charge knows it.

Money is ``Decimal`` in major units of the document's one currency. Prices have at most ``PRICE_PLACES`` places; amounts that are
charged as they stand (``Flat.amount``, minimum, maximum) are whole numbers of the currency's minor unit. Tiers: ``up_to`` is inside its
tier, the next begins right above it, and the last has none, so that no quantity is without a price and none has two.
"""

from __future__ import annotations

from carbonledger.domains.catalog.types.charges.models import (
    MODELS,
    NO_TERMS,
    Bound,
    Carbon,
    ChargeInvalid,
    CostPlus,
    Flat,
    Graduated,
    GraduatedPercentage,
    Model,
    Package,
    Percentage,
    PercentTier,
    Standard,
    Terms,
    Tier,
    Timing,
    TokenKind,
    Volume,
)
from carbonledger.domains.catalog.types.charges.numbers import (
    COUNT_MAX,
    EVENTS_MAX,
    MARKUP_MIN_PERCENT,
    PERCENT_PLACES,
    PRICE_PLACES,
    QUANTITY_PLACES,
    TIERS_MAX,
    minor_unit_problems,
    placed,
)
from carbonledger.domains.catalog.types.charges.usage import Usage, UsageInvalid, amount_problems, usage_problems

__all__ = [
    "COUNT_MAX",
    "EVENTS_MAX",
    "MARKUP_MIN_PERCENT",
    "MODELS",
    "NO_TERMS",
    "PERCENT_PLACES",
    "PRICE_PLACES",
    "QUANTITY_PLACES",
    "TIERS_MAX",
    "Bound",
    "Carbon",
    "ChargeInvalid",
    "CostPlus",
    "Flat",
    "Graduated",
    "GraduatedPercentage",
    "Model",
    "Package",
    "PercentTier",
    "Percentage",
    "Standard",
    "Terms",
    "Tier",
    "Timing",
    "TokenKind",
    "Usage",
    "UsageInvalid",
    "Volume",
    "amount_problems",
    "minor_unit_problems",
    "placed",
    "usage_problems",
]
