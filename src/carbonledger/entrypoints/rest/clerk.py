"""Clerk's webhook: an organization that is made there is made here."""

from __future__ import annotations

import pydantic

from carbonledger import bootstrap
from carbonledger.domains.identity import types
from carbonledger.domains.identity.service import clerk as clerk_messages
from carbonledger.entrypoints.rest import routing, shapes
from carbonledger.entrypoints.shared import access, strict_json
from carbonledger.kernel import errors

router = routing.Router(prefix="/v1/auth", tag="Sign-in")

_CREATED = "organization.created"


class _Organization(pydantic.BaseModel):
    """What we read of Clerk's organization; the rest of it may be anything."""

    id: str = pydantic.Field(min_length=1, max_length=200)
    name: str = pydantic.Field(max_length=1000)


class TakenOut(shapes.Out):
    """Whether the message did something; one that was done before, or means nothing here, did not."""

    done: bool


def _check_on(services: bootstrap.Services) -> None:
    if services.clerk is None:
        raise types.WebhookOff("Set CARBONLEDGER_CLERK_WEBHOOK_SECRET.")


@router.post(
    "/webhook",
    check=_check_on,
    access=access.public(limit="public"),
    raw=("application/json",),
    summary="Take a message of Clerk",
    operation_id="takeClerkMessage",
    examples={"response": {"done": True}},
    errors=(types.WebhookOff, types.SignatureRefused),
)
async def take(call: routing.CallDep) -> TakenOut:
    """Take a signed message. `organization.created` makes an organization on the free tier; a message counts once."""
    clerk = call.services.clerk
    assert clerk is not None  # noqa: S101 - checked before the body was read
    message = clerk.verify(call.body, headers=call.exchange.headers, at=call.at)
    document = strict_json.loads(message.body)
    if not isinstance(document, dict):
        raise errors.Malformed("A message is a JSON object.")
    if not await clerk_messages.take(call.uow, at=call.at, message_id=message.id) or document.get("type") != _CREATED:
        return TakenOut(done=False)
    try:
        organization = _Organization.model_validate(document.get("data"))
    except pydantic.ValidationError as error:
        raise errors.Invalid("The organization has no usable id and name.") from error
    made = await clerk_messages.organization_created(
        call.uow, actor=call.actor, at=call.at, external_id=organization.id, name=organization.name
    )
    return TakenOut(done=made is not None)
