"""Every domain's jobs are loaded: a module that nobody imports would leave its jobs waiting for ever."""

from __future__ import annotations

import pkgutil

from carbonledger.entrypoints import worker
from carbonledger.entrypoints.worker import registry

MACHINERY = {"main", "registry", "runner", "schedules"}


def test_every_module_beside_the_machinery_is_loaded() -> None:
    beside = {module.name for module in pkgutil.iter_modules(worker.__path__)} - MACHINERY
    assert {module.__name__.rpartition(".")[2] for module in registry.MODULES} == beside


def test_what_is_declared_fits_together() -> None:
    declared = registry.load()
    assert declared.loaded
    assert {subscriber.job for subscriber in declared.subscribers} <= declared.handlers.keys()
    assert registry.load() is declared  # every entry point may call it
