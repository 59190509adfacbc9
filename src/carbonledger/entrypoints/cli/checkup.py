"""What ``doctor`` looks at.

Owns: the checks and where well ends. Each finding says what is, and a remedy where something should be done; a *warning* is for later, a
*failure* is now. A check that can't be made because another part is away is left out: that part's own finding says why.
"""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

import typer

from carbonledger.domains.emissions import service as emissions
from carbonledger.domains.emissions import types as emission_types
from carbonledger.domains.pricing import service as pricing
from carbonledger.domains.receipts.service import log as public_log
from carbonledger.domains.vault import service as vault
from carbonledger.entrypoints.cli import backups, configured, console, exits, operating, outside
from carbonledger.entrypoints.cli.finding import Finding, Status
from carbonledger.infra import clock, crypto, health, opening, passing, reach, server, settings
from carbonledger.infra.observe import logs
from carbonledger.infra.queue import overview, workers
from carbonledger.kernel import errors

SKEW_WARNING_S, SKEW_FAILURE_S = 2.0, 60.0  # tokens allow a minute; schedules and limits notice seconds
FREE_WARNING_BYTES, FREE_FAILURE_BYTES = 2 * 2**30, 200 * 2**20
WAITED_WARNING_S = 300.0  # a job that is due starts within a second where workers keep up
PATIENCE_S = 15.0  # an operator waits for an answer longer than a load balancer
WORKER_SILENT = timedelta(seconds=60)  # workers report every ten seconds


def doctor(*, json: bool) -> None:
    """Check everything and print it. Ends with ``Exit`` 1 if something fails."""
    configuration = settings.load()
    logs.configure(configuration.model_copy(update={"log_level": "error"}))
    findings = [*_settings(configuration), *_disk(configuration), *asyncio.run(outside.check(configuration))]
    try:
        operating.require_installed(configuration)
        findings.append(asyncio.run(outside.check_objects(configuration)))
        with reach.reached(configuration) as reached, passing.told():
            findings += asyncio.run(_database(configuration, reached))
    except errors.Fault as fault:
        findings.append(Finding("database", "failed", fault.detail or type(fault).title()))
    _print(findings, json=json)
    if any(finding.status == "failed" for finding in findings):
        raise typer.Exit(exits.Code.FAILED)


def _print(findings: list[Finding], *, json: bool) -> None:
    worst: Status = max((finding.status for finding in findings), key=("ok", "warning", "failed").index)
    if json:
        console.json({"status": worst, "checks": [asdict(finding) for finding in findings]})
        return
    colours = {"ok": "green", "warning": "yellow", "failed": "red"}
    for finding in findings:
        status = typer.style(finding.status.ljust(8), fg=colours[finding.status])
        console.say(f"{status}{finding.name.ljust(10)}{finding.detail}")
        if finding.remedy:
            console.say(f"{' ' * 18}-> {finding.remedy}")


def _settings(configuration: settings.Settings) -> list[Finding]:
    found = [
        Finding("settings", "warning", f"Nothing reads {name}.", f"Write {known}." if known else "Take it out.")
        for name, known in settings.unknown_variables(settings.environment()).items()
    ]
    production = configuration.environment == "production"
    for unsafe in configured.laptop_defaults(configuration) if production else ():
        problem, _, remedy = unsafe.partition(": ")
        found.append(Finding("settings", "failed", f"In production {problem}.", f"{remedy[0].upper()}{remedy[1:]}."))
    return found or [Finding("settings", "ok", f"{configuration.environment}, {configuration.address}")]


def _disk(configuration: settings.Settings) -> list[Finding]:
    place = next((folder for folder in (configuration.home, *configuration.home.parents) if folder.is_dir()), Path("/"))
    usage = shutil.disk_usage(place)
    said = f"{usage.free / 2**30:.1f} GiB free for {configuration.home}"
    if usage.free < FREE_FAILURE_BYTES:
        return [Finding("disk", "failed", said, "Free some space, or move the data folder to a larger disk.")]
    if usage.free < FREE_WARNING_BYTES:
        return [Finding("disk", "warning", said, "Free some space soon.")]
    return [Finding("disk", "ok", said)]


async def _database(configuration: settings.Settings, reached: reach.Reached) -> list[Finding]:
    found = await _server(reached)
    async with operating.opened(configuration, reached) as operator:
        schema = await health.checked("schema", lambda: health.schema(operator.database), within_s=PATIENCE_S)
        found.append(_from_health("schema", schema, remedy="Run `carbonledger migrate`, or install the version that made this schema."))
        if schema.is_well:
            found += await _queue(operator)
            found += await _keys(operator)
            found.append(await _factors(operator))
            found.append(await _log(operator))
    return found


def _from_health(name: str, check: health.Check, *, remedy: str) -> Finding:
    if check.is_well:
        return Finding(name, "ok", check.detail or "at this version's revision")
    return Finding(name, "failed", check.detail, remedy)


async def _server(reached: reach.Reached) -> list[Finding]:
    addresses = reached.addresses
    async with server.connected(addresses.app, role=addresses.app_role) as conn:
        version = await server.version(conn)
        standing = await server.standing(conn)
        before, there, after = clock.now(), await server.now(conn), clock.now()
    kind = "embedded" if reached.lease else server.place(addresses.app)
    found = [Finding("database", "ok", f"PostgreSQL {version}, {kind}; the service runs as {standing.role}")]
    if standing.faults:
        found = [Finding("database", "failed", f"The service's role {standing.role} {' and '.join(standing.faults)}.", "See SECURITY.md.")]
    elif standing.login != standing.role and addresses.app_role is not None:
        remedy = "Name another in CARBONLEDGER_APP_DATABASE_URL; `carbonledger migrate` makes it."
        found.append(Finding("database", "warning", f"The service has no login of its own: it uses {standing.login}, the owner's.", remedy))
    # Asked between two looks at our own clock, so the way there and back is no skew.
    skew_s = max((there - after).total_seconds(), (before - there).total_seconds(), 0.0)
    status: Status = "failed" if skew_s > SKEW_FAILURE_S else "warning" if skew_s > SKEW_WARNING_S else "ok"
    remedy = "" if status == "ok" else "Have both machines keep time by NTP."
    return [*found, Finding("clock", status, f"{skew_s:.1f} s between this machine and the database", remedy)]


async def _queue(operator: operating.Operator) -> list[Finding]:
    waiting = await health.checked("queue", lambda: health.jobs(operator.database), within_s=PATIENCE_S)
    if not waiting.is_well:
        return [Finding("queue", "failed", waiting.detail, "See the log.")]
    async with operator.overview.transaction(read_only=True) as uow:
        parked = await overview.count_parked(uow)
    async with operator.database.transaction(read_only=True) as uow:
        alive = await workers.seen_since(uow, since=operator.at - WORKER_SILENT)
    due, oldest_s = waiting.numbers["waiting"], waiting.numbers["oldest_s"]
    said = f"{due:.0f} due jobs wait, the oldest for {oldest_s:.0f} s; {len(alive)} workers"
    found = [Finding("queue", "ok", said)]
    if due and (not alive or oldest_s > WAITED_WARNING_S):
        found = [Finding("queue", "warning", said, "Start a worker, or more of them: `carbonledger worker`.")]
    if parked:
        remedy = "See `carbonledger jobs list`, mend the cause, then `carbonledger jobs unpark`."
        found.append(Finding("jobs", "warning", f"{parked} jobs failed for good and wait for you.", remedy))
    return found


async def _keys(operator: operating.Operator) -> list[Finding]:
    async with operator.database.transaction(read_only=True) as uow:
        sealed = await vault.sealed_by(uow)
    try:
        here = opening.vault_keys(operator.configuration).ring().fingerprints
    except crypto.VaultKeyFault as fault:
        return [Finding("keys", "failed", fault.detail or type(fault).title())]  # its own words end with the remedy
    lost = {key: count for key, count in sealed.items() if key not in here}
    if lost:
        told = ", ".join(f"{count} with {key}" for key, count in sorted(lost.items()))
        return [
            Finding("keys", "failed", f"Secrets are sealed with keys that are not here: {told}.", "Put those keys back from their backup.")
        ]
    said = f"{len(here)} here, {sum(sealed.values())} secrets sealed"
    exported = backups.read(operator.configuration.secrets_dir)
    if operator.configuration.vault_keys is None and any(key not in exported for key in here):
        return [Finding("keys", "warning", f"{said}; never backed up", "Run `carbonledger vault export FILE` and keep FILE apart.")]
    return [Finding("keys", "ok", said)]


async def _factors(operator: operating.Operator) -> Finding:
    """Name the price book and the factor set of this version, and say whether another set was published under the same name."""
    ours = emissions.current()
    said = f"price book {pricing.book().version}, factor set {ours.version} ({ours.digest[:12]})"
    try:
        async with operator.database.transaction(read_only=True) as uow:
            there = (await emissions.factor_set(uow, version=ours.version)).digest
    except emission_types.FactorSetNotFound:
        return Finding("factors", "ok", f"{said}; published when the service first starts")
    if there != ours.digest:
        return Finding(
            "factors", "failed", f"{said}; published here as {there[:12]}", "Install the release that the published set came with."
        )
    return Finding("factors", "ok", said)


async def _log(operator: operating.Operator) -> Finding:
    """Say whether the public log is where its name says; the name was taken from the public address once, and stays."""
    async with operator.database.transaction(read_only=True) as uow:
        named = await public_log.origin(uow)
    here = public_log.origin_of(operator.configuration.address)
    if named is None:
        return Finding("log", "ok", f"not named yet; with the first receipt or credits it is {here}, for ever")
    if named == here:
        return Finding("log", "ok", f"{named}, where its name says")
    return Finding(
        "log",
        "warning",
        f"The public log is named {named} for ever, and the public address makes it {here}.",
        "Set CARBONLEDGER_PUBLIC_URL back; or have the old address lead here, so that receipts are verified where they say.",
    )
