"""Members of an organization."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query

from carbonledger.domains.identity import types
from carbonledger.domains.identity.service import erasure, members
from carbonledger.entrypoints.rest import people, routing, shapes
from carbonledger.entrypoints.shared import access
from carbonledger.kernel import page
from carbonledger.kernel.actor import Role

router = routing.Router(prefix="/v1/members", tag="Members")

_EXAMPLE = {
    "user_id": people.USER_ID,
    "email": people.EMAIL,
    "name": "Ann Lee",
    "role": "admin",
    "created_at": "2026-11-01T09:00:00Z",
}


class RoleIn(shapes.In):
    """Another role."""

    role: Role


class MemberOut(shapes.Out):
    """A person in the organization."""

    user_id: UUID
    email: str | None
    name: str | None
    role: Role
    created_at: datetime


def to_api_member(member: types.Member) -> MemberOut:
    """Return a member as callers see them."""
    return MemberOut(user_id=member.user_id, email=member.email, name=member.name, role=member.role, created_at=member.created_at)


@router.get(
    "",
    access=access.scope("members:read"),
    summary="List members",
    operation_id="listMembers",
    examples={"response": {"data": [_EXAMPLE], "next_cursor": None}},
    errors=(page.CursorUnreadable,),
)
async def list_members(
    call: routing.CallDep,
    limit: Annotated[int, Query(ge=1, le=page.LIMIT_MAX)] = page.LIMIT_DEFAULT,
    cursor: Annotated[str | None, Query(max_length=512)] = None,
) -> shapes.ListOut[MemberOut]:
    """List members, the first who joined first."""
    request = call.page(limit=limit, cursor=cursor, parts=2)
    found = await members.page(call.uow, organization_id=call.caller.organization_id, request=request)
    return shapes.ListOut[MemberOut](data=[to_api_member(member) for member in found.data], next_cursor=found.next_cursor)


@router.get(
    "/{user_id}",
    access=access.scope("members:read"),
    summary="Show a member",
    operation_id="getMember",
    examples={"response": _EXAMPLE},
    errors=(types.MemberUnknown,),
)
async def get_member(call: routing.CallDep, user_id: UUID) -> MemberOut:
    """Return one member."""
    return to_api_member(await members.find(call.uow, organization_id=call.caller.organization_id, user_id=user_id))


@router.patch(
    "/{user_id}",
    access=access.scope("members:write"),
    summary="Change a member's role",
    operation_id="changeMember",
    examples={"request": {"role": "admin"}, "response": _EXAMPLE},
    errors=(types.MemberUnknown, types.RoleRefused, types.LastOwner),
)
async def change_member(call: routing.CallDep, user_id: UUID, body: RoleIn) -> MemberOut:
    """Give a member another role. Only an owner makes or unmakes owners, and one owner stays."""
    member = await members.change_role(
        call.uow,
        actor=call.actor,
        now=call.now,
        at=call.at,
        organization_id=call.caller.organization_id,
        user_id=user_id,
        role=body.role,
    )
    return to_api_member(member)


@router.delete(
    "/{user_id}",
    access=access.caller(),
    status_code=204,
    summary="Remove a member, or leave",
    operation_id="removeMember",
    errors=(types.MemberUnknown, types.RoleRefused, types.LastOwner),
)
async def remove_member(call: routing.CallDep, user_id: UUID) -> None:
    """Take a member out; anybody may take out themselves. Their sessions here end; API keys belong to the organization and stay."""
    await members.remove(call.uow, actor=call.actor, now=call.now, organization_id=call.caller.organization_id, user_id=user_id)


@router.post(
    "/{user_id}/erase",
    access=access.scope("members:write"),
    status_code=204,
    summary="Erase a member's personal data",
    operation_id="eraseMember",
    errors=(types.MemberUnknown, types.MemberElsewhere, types.RoleRefused, types.LastOwner),
)
async def erase_member(call: routing.CallDep, user_id: UUID) -> None:
    """Erase a person who is a member here only. A member of other organizations too can be removed, and erases themselves."""
    await erasure.erase(call.uow, actor=call.actor, at=call.at, user_id=user_id)
