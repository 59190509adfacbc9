"""What is checked of a subscription before it begins: names, metadata, how far from now it may start; and the reasons people give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from carbonledger.domains.accounts.types import METADATA_KEY_MAX_CHARS, METADATA_MAX, METADATA_VALUE_MAX_CHARS
from carbonledger.domains.catalog.types.plans import TRIAL_MAX_DAYS, Charge, PlanVersion
from carbonledger.domains.subscriptions import types
from carbonledger.kernel import errors, line
from carbonledger.kernel.errors import Problem

START_MAX: Final = timedelta(days=1830)
"""How far from now, either way, a subscription may start: what is billed back is looked through by somebody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """What people call a subscription, and what they keep with it."""

    external_id: str | None = None
    name: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


def labels(problems: list[Problem], given: Labels) -> Labels:
    """Return the labels in their one form; adds to ``problems`` what is wrong with them."""
    return Labels(
        external_id=_optional(problems, "/external_id", given.external_id, types.EXTERNAL_ID_MAX_CHARS),
        name=_optional(problems, "/name", given.name, types.NAME_MAX_CHARS),
        metadata=_metadata(problems, given.metadata),
    )


def _optional(problems: list[Problem], pointer: str, value: str | None, max_chars: int) -> str | None:
    return None if value is None else line.tidy(problems, pointer, value, max_chars=max_chars)


def _metadata(problems: list[Problem], metadata: Mapping[str, str]) -> dict[str, str]:
    if len(metadata) > METADATA_MAX:
        problems.append(Problem("/metadata", "too_many", f"Give at most {METADATA_MAX} members."))
        return dict(metadata)
    return {
        line.tidy(problems, "/metadata", key, max_chars=METADATA_KEY_MAX_CHARS): line.tidy(
            problems, "/metadata", value, max_chars=METADATA_VALUE_MAX_CHARS
        )
        for key, value in metadata.items()
    }


def terms_problems(*, start_at: datetime, trial_days: int | None, now: datetime) -> tuple[Problem, ...]:
    """Return what is wrong with when it is to start and how long its trial is."""
    found = []
    if abs(start_at - now) > START_MAX:
        found.append(Problem("/start_at", "too_far", f"Start at most {START_MAX.days} days from now."))
    if trial_days is not None and not 0 <= trial_days <= TRIAL_MAX_DAYS:
        found.append(Problem("/trial_days", "out_of_range", f"Give whole days from 0 to {TRIAL_MAX_DAYS}."))
    return tuple(found)


def foreign(charges: Sequence[Charge | None], version: PlanVersion) -> tuple[Problem, ...]:
    """Return which charges of a customer's own name a meter or a tax rate that the plan version doesn't."""
    meters = {charge.meter_code for charge in version.charges}
    rates = {code for charge in version.charges for code in charge.tax_rate_codes}
    found = []
    for place, charge in enumerate(charges):
        if charge is None:
            continue
        if charge.meter_code is not None and charge.meter_code not in meters:
            found.append(Problem(f"/charges/{place}/meter_code", "not_of_the_plan", "Name a meter that the plan charges by."))
        if not set(charge.tax_rate_codes) <= rates:
            found.append(Problem(f"/charges/{place}/tax_rate_codes", "not_of_the_plan", "Name tax rates that the plan charges."))
    return tuple(found)


def reason(value: str | None) -> str | None:
    """Return the reason that somebody gives in its one form. Raises ``errors.Invalid``."""
    problems: list[Problem] = []
    kept = _optional(problems, "/reason", value, types.REASON_MAX_CHARS)
    errors.refuse(problems)
    return kept
