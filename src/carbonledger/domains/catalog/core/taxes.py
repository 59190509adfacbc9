"""What a tax rate may be. Pure."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from carbonledger.domains.catalog.core import naming
from carbonledger.domains.catalog.types import faults, taxes
from carbonledger.domains.catalog.types.taxes import TaxRate
from carbonledger.kernel import decimals
from carbonledger.kernel.errors import Problem


def checked(rate: TaxRate) -> TaxRate:
    """Return the rate with its name in its one form. Raises ``TaxRateInvalid`` with everything that is wrong with it."""
    problems: list[Problem] = []
    naming.check_code(problems, "/code", rate.code)
    name = naming.name(problems, "/name", rate.name)
    if not Decimal(0) <= rate.percent <= taxes.PERCENT_MAX:
        problems.append(Problem("/percent", "out_of_range", "Give 0 to 100."))
    elif decimals.rounded(rate.percent, places=taxes.PERCENT_PLACES, mode=decimals.Rounding.DOWN) != rate.percent:
        problems.append(Problem("/percent", "too_many_places", f"Give at most {taxes.PERCENT_PLACES} digits after the point."))
    if problems:
        raise faults.TaxRateInvalid(" ".join(dict.fromkeys(one.detail for one in problems)), problems=tuple(problems))
    return replace(rate, name=name)
