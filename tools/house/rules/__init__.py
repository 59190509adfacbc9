"""The rules, a small family to a module."""

from __future__ import annotations

from tools.house.rule import Rule
from tools.house.rules import clock, failures, imports, money, queries, shape, testing, transactions, words

RULES: tuple[Rule, ...] = (
    transactions.Commit(),
    clock.Clock(),
    money.MoneyFloat(),
    queries.TenantQuery(),
    queries.SqlOutsideStore(),
    queries.SqlInterpolation(),
    queries.ReportsReadOnly(),
    failures.SwallowedError(),
    failures.PrintOutsideCli(),
    testing.SleepInTest(),
    testing.SkippedTest(),
    testing.ChecksNothing(),
    shape.VagueName(),
    shape.ModuleDocstring(),
    shape.FileLength(),
    shape.FunctionLength(),
    imports.PrivateImport(),
    imports.ImportModules(),
    imports.DynamicImport(),
    words.MachineWords(),
    words.LockedHosts(),
)
