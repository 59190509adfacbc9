"""Connecting an account: the provider, its name here, and a key that the provider is asked about before anything is kept."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from carbonledger.domains.connections import service, types
from carbonledger.domains.projects import service as projects
from carbonledger.domains.projects import types as project_types
from carbonledger.entrypoints.rest import problems, routing
from carbonledger.entrypoints.shared import access, exchange
from carbonledger.entrypoints.web import forms, routes, screens
from carbonledger.entrypoints.web.sections.connections import guide
from carbonledger.infra import crypto, db
from carbonledger.kernel import errors, page

router = routes.Router()
_WRITE: Final = access.scope("connections:write")
_PATH: Final = "/connections/new"
_PAGES_MAX: Final = 10  # of 200 projects each, newest first; into older ones a connection is moved by the API


@router.page(_PATH, _WRITE)
async def new_connection(call: routing.CallDep) -> exchange.Answer:
    """Show the form that connects an account."""
    return await _show(call, forms.Refused(), provider=screens.query(call).text("provider"))


@router.act(_PATH, _WRITE)
async def connect(call: routing.CallDep) -> exchange.Answer:
    """Ask the provider about the key, then connect the account."""
    fields = screens.sent(call)
    try:
        made = await _connect(call, fields)
    except errors.Fault as fault:
        if not is_shown(fault):
            raise
        return await _show(call, refused(fault, fields), provider=fields.text("provider"), status=problems.status_of(fault))
    return screens.go(f"/connections/{made.view.connection.id}?done=connected")


async def _connect(call: routing.Call, fields: forms.Fields) -> service.Made:
    connector = service.connector_of(call.services.connectors, fields.text("provider"))
    label, key, project_id = fields.text("label").strip(), key_of(fields), project_of(fields)
    service.refuse_given(label=label, key=key)
    check = await service.check_key(connector, key=key, now=call.now)  # no transaction is open while the provider is asked
    async with screens.writing(call) as uow:
        return await service.connect(
            uow,
            actor=call.actor,
            now=call.now,
            at=call.at,
            sealer=call.services.sealer,
            organization_id=call.caller.organization_id,
            connector=connector,
            check=check,
            label=label,
            key=key,
            project_id=project_id,
            covers_direct=fields.text("covers_direct") == "yes",
            outside=call.services.outside_secrets is not None,
        )


async def _show(call: routing.Call, refused: forms.Refused, *, provider: str, status: int = 200) -> exchange.Answer:
    # Not a transaction of reading: the default project is made at the first look.
    async with screens.writing(call) as uow:
        choices = await projects_in_use(call, uow)
        default = await projects.default_project(
            uow, actor=call.actor, now=call.now, at=call.at, organization_id=call.caller.organization_id
        )
        return await screens.show(
            call,
            uow,
            "connections/new.html",
            section="connections",
            title="Connect an account",
            status=status,
            refused=refused,
            guide=guide.of(provider),
            guides=guide.GUIDES,
            projects=choices,
            default=str(default.id),
        )


async def projects_in_use(call: routing.Call, uow: db.UnitOfWork) -> list[tuple[str, str]]:
    """Return id and name of the projects that take new usage, the newest first."""
    organization_id, cursor, found = call.caller.organization_id, None, list[tuple[str, str]]()
    for _ in range(_PAGES_MAX):
        request = call.page(limit=page.LIMIT_MAX, cursor=cursor, parts=1)
        some = await projects.list_projects(uow, actor=call.actor, now=call.now, at=call.at, organization_id=organization_id, page=request)
        found += [(str(project.id), project.name) for project in some.data]
        cursor = some.next_cursor
        if cursor is None:
            break
    return found


def key_of(fields: forms.Fields) -> crypto.SecretText:
    """Return the key that was given, without blanks around it, which come from copying."""
    return crypto.SecretText(fields.text("api_key").strip())


def project_of(fields: forms.Fields) -> UUID:
    """Return the project that was chosen. Raises ``Invalid``."""
    try:
        return UUID(fields.text("project_id"))
    except ValueError:
        raise errors.invalid("/project_id", "project_unknown", "Choose a project.") from None


def is_shown(fault: errors.Fault) -> bool:
    """Say whether a person can mend it in the form, or by trying again."""
    is_ours = isinstance(fault, types.ConnectionsFault | project_types.ProjectsFault) and not isinstance(fault, types.ConnectionNotFound)
    return is_ours or fault.kind is errors.Kind.INVALID


def refused(fault: errors.Fault, fields: forms.Fields) -> forms.Refused:
    """Return the form, without the key, with what the fault says beside the field that it is about."""
    kept = fields.replaced(api_key=None)
    if isinstance(fault, types.ProviderFault):
        return forms.Refused(kept, said=f"{fault.title()} {fault.detail or ''} Nothing was kept. Try again in a moment.".replace("  ", " "))
    if isinstance(fault, types.ConnectionDuplicate | types.AccountConnected | types.AccountDiffers):
        return forms.refused(fault, kept, only="api_key")
    return forms.refused(fault, kept, only="project_id" if isinstance(fault, project_types.ProjectsFault) else None)
