"""Puts the web application of an installation together from its services and the areas it serves."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from carbonledger import bootstrap
from carbonledger.entrypoints.asgi import application
from carbonledger.entrypoints.rest import areas, openapi, routing
from carbonledger.entrypoints.shared import callers, gate
from carbonledger.entrypoints.web import routes as web
from carbonledger.entrypoints.web import site
from carbonledger.entrypoints.worker import registry
from carbonledger.infra import clock


def create_app(services: bootstrap.Services, *, opener: application.Opener | None = None) -> application.Application:
    """Return the ASGI application. It serves once a server has run its lifespan, or while ``app.running()`` is entered."""
    routes = [*areas.routes(), *openapi.router.routes, *site.routes()]
    return application.Application(services, routes=routes, opener=opener or opened, refusal=web.anywhere)


@contextlib.asynccontextmanager
async def opened(services: bootstrap.Services) -> AsyncIterator[routing.Edge]:
    """Open what answering takes while the block runs: the declarations that events and jobs need, prices and factors, and who calls."""
    registry.load()
    await bootstrap.publish(services.database, at=clock.now())
    configuration = services.settings
    async with callers.opened(
        services.database, notifications=services.notifications, is_https=configuration.is_https, trust=services.trust
    ) as known:
        yield routing.Edge(services=services, gate=gate.Gate(known, services.limiter, configuration))
