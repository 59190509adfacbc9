"""Tables of emissions: published factor sets, and the rates per token that events of the ledger refer to.

The amounts of an event are its token counts times the nine numbers of its rates, exactly, so they are kept nowhere.
"""

from __future__ import annotations

from sqlalchemy import ARRAY, Boolean, CheckConstraint, Column, Date, ForeignKey, Identity, Integer, LargeBinary, Numeric, UniqueConstraint
from sqlalchemy.schema import SchemaItem

from carbonledger.domains.emissions import types
from carbonledger.infra import columns

_DIGITS = 38
_NUMBERS = 9  # prefill, cached and decode for low, then for mid, then for high: the order of types.PerToken
_PUBLISHED = "published factors are the same for everybody"


def _per_token(name: str, *, nullable: bool = False) -> tuple[SchemaItem, SchemaItem]:
    """Declare what one token of each phase takes or emits, in the unit of the name."""
    rule = CheckConstraint(f"cardinality({name}) = {_NUMBERS} AND array_position({name}, NULL) IS NULL", name=name)
    return Column(name, ARRAY(Numeric(_DIGITS, types.PLACES)), nullable=nullable), rule


factor_sets = columns.global_table(
    "factor_sets",
    Column("version", columns.text("version").type, primary_key=True),
    columns.text("digest"),
    Column("effective_from", Date, nullable=False),
    Column("document", LargeBinary, nullable=False),
    columns.instant("published_at"),
    UniqueConstraint("digest"),
    CheckConstraint("length(version) <= 40 AND version ~ '^[0-9]+[.][0-9]+([.][0-9]+)?$'", name="version"),
    CheckConstraint("digest ~ '^[0-9a-f]{64}$'", name="digest"),
    CheckConstraint("octet_length(document) BETWEEN 1 AND 1048576", name="document"),
    reason=_PUBLISHED,
)

emission_rates = columns.global_table(
    "emission_rates",
    Column("id", Integer, Identity(always=True), primary_key=True),
    columns.text("factor_version", ForeignKey("factor_sets.version")),
    Column("digest", LargeBinary, nullable=False),
    columns.text("model_tier"),
    Column("is_fallback", Boolean, nullable=False),
    columns.text("host"),
    columns.text("grid"),
    columns.text("market_grid", nullable=True),
    Column("is_batch", Boolean, nullable=False),
    Column("context_low", Integer, nullable=False),
    Column("context_high", Integer, nullable=False),
    *_per_token("energy_wh"),
    *_per_token("co2e_location_g"),
    *_per_token("co2e_market_g", nullable=True),
    *_per_token("water_ml"),
    *_per_token("embodied_g"),
    columns.instant("created_at"),
    UniqueConstraint("digest"),
    CheckConstraint("octet_length(digest) = 32", name="digest"),
    CheckConstraint("length(model_tier) BETWEEN 1 AND 64", name="model_tier"),
    CheckConstraint("length(host) BETWEEN 1 AND 64", name="host"),
    CheckConstraint("length(grid) BETWEEN 1 AND 64", name="grid"),
    CheckConstraint("length(market_grid) BETWEEN 1 AND 64", name="market_grid"),
    CheckConstraint("context_low BETWEEN 0 AND context_high", name="context"),
    CheckConstraint("(market_grid IS NULL) = (co2e_market_g IS NULL)", name="market"),
    reason=_PUBLISHED,
)
