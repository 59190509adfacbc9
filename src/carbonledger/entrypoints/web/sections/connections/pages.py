"""The list of connections: how each stands, and what it told of the period."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from carbonledger.domains.connections import service, types
from carbonledger.domains.telemetry.service import answering
from carbonledger.domains.telemetry.types.answers import Dimension, Filters, Measures
from carbonledger.entrypoints.rest import routing
from carbonledger.entrypoints.shared import access, exchange
from carbonledger.entrypoints.web import chosen as periods
from carbonledger.entrypoints.web import figures, names, routes, screens
from carbonledger.entrypoints.web.sections.connections import acting, adding, guide, one, wording
from carbonledger.infra import db
from carbonledger.kernel import page

router = routes.Router()
_COLUMNS: Final = (figures.COST, figures.TOKENS)
_DONE: Final = {"deleted": "The connection is deleted and its key destroyed. What was read stays."}


@dataclass(frozen=True, slots=True)
class Row:
    """A connection in the list."""

    connection: types.Connection
    provider: str
    standing: wording.Standing
    cells: tuple[figures.Cell | None, ...]


@router.page("/connections", access.scope("connections:read"))
async def connections(call: routing.CallDep) -> exchange.Answer:
    """Show the connections."""
    fields = screens.query(call)
    chosen = periods.read(call, fields)
    organization_id = call.caller.organization_id
    request = call.page(limit=page.LIMIT_DEFAULT, cursor=fields.given("cursor"), parts=1)
    async with screens.reading(call) as uow:
        found = await service.list_connections(uow, organization_id=organization_id, provider=None, page=request)
        used = await answering.breakdown(
            uow, organization_id=organization_id, asked=chosen.asked, filters=Filters(), group_by=[Dimension.CONNECTION]
        )
        listed = {view.connection.id for view in found.data}
        by_connection: dict[names.Label, Measures] = {group.labels[0]: group.measures for group in used.groups if group.labels[0] in listed}
        rows = await _rows(call, uow, [view.connection for view in found.data], by_connection)
        return await screens.show(
            call,
            uow,
            "connections/list.html",
            section="connections",
            title="Connections",
            chosen=chosen,
            done=_DONE.get(fields.text("done"), ""),
            rows=rows,
            columns=figures.columns(by_connection.values(), _COLUMNS),
            is_read_now=any(row.standing.reading for row in rows),
            next_cursor=found.next_cursor,
            guides=guide.GUIDES,
        )


async def _rows(call: routing.Call, uow: db.UnitOfWork, found: list[types.Connection], used: Mapping[names.Label, Measures]) -> list[Row]:
    jobs = await service.running(uow, of=found)
    shown = figures.columns(used.values(), _COLUMNS)
    nothing = tuple(figures.cell(of, step, 0, None) for of, step in shown)
    return [
        Row(
            connection=connection,
            provider=guide.of(connection.provider).name,
            standing=wording.standing(connection, jobs.get(connection.id), now=call.now, at=call.at),
            cells=figures.cells(used[connection.id], shown) if connection.id in used else nothing,
        )
        for connection in found
    ]


router.routes += [*adding.router.routes, *one.router.routes, *acting.router.routes]
