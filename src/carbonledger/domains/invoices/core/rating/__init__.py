"""Rating: from a price and usage to an amount, unrounded, with the tiers that explain it. Pure.

    quantity -> free units -> allowance -> model -> part of the period -> minimum, maximum -> (discounts -> rounding -> tax: ``totals``)

``rate`` is the one way in, for bill runs and previews alike; ``measured`` says of what quantity.
"""

from __future__ import annotations

from carbonledger.domains.invoices.core.rating.rate import measured, rate

__all__ = ["measured", "rate"]
