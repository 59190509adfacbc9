"""How uvicorn is set up to serve the application; the one place, for the command, the tests and the benchmark."""

from __future__ import annotations

from typing import Any, Literal

import uvicorn

from carbonledger.entrypoints.asgi import protocol

DRAIN_S = 30  # what is in flight at SIGTERM has this long; the longest statement may take as long
KEEP_ALIVE_S = 65  # longer than the idle time of common load balancers (60 s), so that they close first


def config(app: Any, *, lifespan: Literal["on", "off"] = "on", **settings: Any) -> uvicorn.Config:  # noqa: ANN401 - any ASGI application
    """Return the configuration of a server for ``app``; ``settings`` are further ones of uvicorn's, such as ``host``.

    ``lifespan`` is off for who holds ``Application.running`` around the server.
    """
    return uvicorn.Config(
        app,
        loop="uvloop",
        http=protocol.BoundedProtocol,
        ws="none",
        lifespan=lifespan,
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,  # the edge believes only CARBONLEDGER_TRUSTED_PROXIES
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=DRAIN_S,
        **settings,
    )
