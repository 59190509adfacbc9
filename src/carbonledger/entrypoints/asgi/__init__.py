"""Builds the web application: which areas it serves, the outermost layer that every request passes, and the server it runs on."""

from __future__ import annotations

from carbonledger.entrypoints.asgi.application import Application
from carbonledger.entrypoints.asgi.create import create_app

__all__ = ["Application", "create_app"]
