"""Outside systems as receipts sees them."""

from __future__ import annotations

from typing import Protocol

from carbonledger.domains.receipts.types.commitments import Offer, Order


class CreditSeller(Protocol):
    """Sells carbon removal ahead. It decides nothing: what is ordered, and what a commitment means, is decided by whoever calls."""

    @property
    def name(self) -> str:
        """The seller's name, such as ``stripe-climate``; stored with each commitment."""
        ...

    async def offers(self) -> tuple[Offer, ...]:
        """Return what can be ordered now. Raises a ``SellerFault``."""
        ...

    async def order(self, *, key: str, offer_id: str, milligrams: int, beneficiary: str | None) -> Order:
        """Order; the same ``key`` again is the same order. Raises a ``SellerFault``: ``OrderRefused`` where asking again would not help."""
        ...

    async def placed(self, key: str) -> Order | None:
        """Return the order that was made with this key, however long ago, or None. Raises a ``SellerFault``."""
        ...

    async def find(self, order_id: str) -> Order:
        """Return an order as it is now. Raises a ``SellerFault``."""
        ...
