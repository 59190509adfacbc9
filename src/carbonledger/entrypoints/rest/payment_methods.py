"""Payment methods of an account: references to what a processor keeps."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from pydantic import Field

from carbonledger.domains.accounts import types as account_types
from carbonledger.domains.accounts.service import payment_methods as service
from carbonledger.domains.accounts.types import payment_methods as types
from carbonledger.entrypoints.rest import routing, shapes
from carbonledger.entrypoints.shared import access

router = routing.Router(prefix="/v1/accounts/{account_id}/payment-methods", tag="Accounts")

_READ: Final = access.scope("accounts:read")
_WRITE: Final = access.scope("accounts:write")
_SENT: Final[dict[str, Any]] = {
    "processor": "stripe",
    "reference": "pm_1OeXampLe",
    "brand": "visa",
    "last4": "4242",
    "label": "Card of the office",
}
_EXAMPLE: Final[dict[str, Any]] = {
    "id": "01932d3c-5f6a-7c3e-9b4d-2f1a6e8c0e11",
    "account_id": "01932d3c-5f6a-7c3e-9b4d-2f1a6e8c0e01",
    **_SENT,
    "is_default": True,
    "created_at": "2026-11-26T09:00:00Z",
}


class PaymentMethodIn(shapes.In):
    """A payment method to add. A number of a card is refused in every field: the processor's id of it is kept, and nothing else."""

    processor: str = Field(max_length=100, description="Who keeps it, such as stripe: small letters, digits and underscores.")
    reference: str = Field(max_length=1000, description="Its id there.")
    brand: str | None = Field(default=None, max_length=200, description="Such as visa or sepa_debit.")
    last4: str | None = Field(default=None, max_length=100, description="The last four digits of the card or the bank account.")
    label: str | None = Field(default=None, max_length=1000, description="What people call it.")
    is_default: bool = Field(default=False, description="Make it the account's default. The first of an account is so anyway.")


class PaymentMethodOut(shapes.Out):
    """A way in which an account pays, kept by a processor."""

    id: UUID
    account_id: UUID
    processor: str
    reference: str
    brand: str | None
    last4: str | None
    label: str | None
    is_default: bool
    created_at: datetime


def to_api_method(method: types.PaymentMethod) -> PaymentMethodOut:
    """Return a payment method as callers see it."""
    return PaymentMethodOut(
        id=method.id,
        account_id=method.account_id,
        processor=method.processor,
        reference=method.reference,
        brand=method.brand,
        last4=method.last4,
        label=method.label,
        is_default=method.is_default,
        created_at=method.created_at,
    )


@router.post(
    "",
    access=_WRITE,
    status_code=201,
    summary="Add a payment method",
    operation_id="addPaymentMethod",
    examples={"request": _SENT, "response": _EXAMPLE},
    errors=(account_types.AccountNotFound, account_types.AccountDeleted, types.PaymentMethodsFull, types.PaymentMethodTaken),
)
async def add_payment_method(call: routing.CallDep, account_id: UUID, body: PaymentMethodIn) -> PaymentMethodOut:
    """Add a payment method to an account, by the id that the processor has for it. Nothing is asked of the processor."""
    made = await service.add(
        call.uow,
        actor=call.actor,
        now=call.now,
        at=call.at,
        organization_id=call.caller.organization_id,
        account_id=account_id,
        draft=service.Draft(
            processor=body.processor,
            reference=body.reference,
            brand=body.brand,
            last4=body.last4,
            label=body.label,
            is_default=body.is_default,
        ),
    )
    call.created(f"/v1/accounts/{account_id}/payment-methods")
    return to_api_method(made)


@router.get(
    "",
    access=_READ,
    summary="List payment methods",
    operation_id="listPaymentMethods",
    examples={"response": {"data": [_EXAMPLE], "next_cursor": None}},
    errors=(account_types.AccountNotFound,),
)
async def list_payment_methods(call: routing.CallDep, account_id: UUID) -> shapes.ListOut[PaymentMethodOut]:
    """List an account's payment methods, the default first, then the newest first. There are at most 20."""
    found = await service.every(call.uow, organization_id=call.caller.organization_id, account_id=account_id)
    return shapes.ListOut(data=[to_api_method(one) for one in found], next_cursor=None)


@router.put(
    "/{payment_method_id}/default",
    access=_WRITE,
    summary="Make a payment method the default",
    operation_id="setDefaultPaymentMethod",
    examples={"response": _EXAMPLE},
    errors=(account_types.AccountNotFound, account_types.AccountDeleted, types.PaymentMethodNotFound),
)
async def set_default_payment_method(call: routing.CallDep, account_id: UUID, payment_method_id: UUID) -> PaymentMethodOut:
    """Make it the one that the account pays by, in place of the one before."""
    made = await service.make_default(
        call.uow,
        actor=call.actor,
        now=call.now,
        organization_id=call.caller.organization_id,
        account_id=account_id,
        method_id=payment_method_id,
    )
    return to_api_method(made)


@router.delete(
    "/{payment_method_id}",
    access=_WRITE,
    status_code=204,
    summary="Remove a payment method",
    operation_id="removePaymentMethod",
    errors=(account_types.AccountNotFound, types.PaymentMethodNotFound),
)
async def remove_payment_method(call: routing.CallDep, account_id: UUID, payment_method_id: UUID) -> None:
    """Forget a payment method here; with the processor it stays. Without its default an account has none until another is made so."""
    await service.remove(
        call.uow,
        actor=call.actor,
        now=call.now,
        organization_id=call.caller.organization_id,
        account_id=account_id,
        method_id=payment_method_id,
    )
