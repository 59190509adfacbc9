"""The command ``carbonledger``: which commands there are, and what happens when one fails.

Owns: the list of commands and the way from a fault to an exit code. Command modules hold signatures and help only; what a command does is
imported when it runs, so that ``--help`` answers at once.
"""

from __future__ import annotations

import os
import sys

import typer
import typer.main

from carbonledger.entrypoints.cli import (
    about,
    console,
    credit,
    database,
    demo,
    doctor,
    jobs,
    joined,
    key,
    organization,
    pack,
    period,
    prices,
    receipt,
    schema,
    serve,
    signing_key,
    telemetry,
    up,
    vault,
)
from carbonledger.entrypoints.shared import collector

app = typer.Typer(
    name="carbonledger",
    cls=joined.JoinedGroup,
    help="The open back office for AI: usage, cost, emissions, budgets, invoices and receipts from one ledger.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_RUN = "Run it"
_OPERATE = "Operate it"
_ABOUT = "About it"

app.command("up", rich_help_panel=_RUN)(up.up)
app.command("api", rich_help_panel=_RUN)(serve.api)
app.command("worker", rich_help_panel=_RUN)(serve.worker)
app.command("migrate", rich_help_panel=_OPERATE)(schema.migrate)
app.command("doctor", rich_help_panel=_OPERATE)(doctor.doctor)
app.add_typer(database.app, name="db", rich_help_panel=_OPERATE)
app.add_typer(organization.app, name="org", rich_help_panel=_OPERATE)
app.add_typer(key.app, name="key", rich_help_panel=_OPERATE)
app.add_typer(vault.app, name="vault", rich_help_panel=_OPERATE)
app.add_typer(signing_key.app, name="signing-key", rich_help_panel=_OPERATE)
app.add_typer(jobs.app, name="jobs", rich_help_panel=_OPERATE)
app.add_typer(credit.app, name="credits", rich_help_panel=_OPERATE)
app.add_typer(receipt.app, name="receipt", rich_help_panel=_OPERATE)
app.add_typer(pack.app, name="audit-pack", rich_help_panel=_OPERATE)
app.add_typer(prices.app, name="prices", rich_help_panel=_ABOUT)
app.add_typer(period.app, name="period", rich_help_panel=_OPERATE)
app.add_typer(telemetry.app, name="telemetry", rich_help_panel=_OPERATE)
app.command("openapi", rich_help_panel=_ABOUT)(about.openapi)
app.command("demo", hidden=True)(demo.demo)
app.command("version", rich_help_panel=_ABOUT)(about.version)


def run(arguments: list[str] | None = None) -> None:
    """Run a command; ends with ``SystemExit``. ``arguments`` default to the process's own."""
    collector.calm()
    try:
        typer.main.get_command(app)(args=arguments, prog_name="carbonledger")
    except Exception as error:  # the edge: whatever it is, a person reads one sentence and a script an exit code
        sys.exit(console.fail(error, debug=os.environ.get("CARBONLEDGER_LOG_LEVEL") == "debug"))


def main() -> None:
    """Entry point of the installed command."""
    run()


if __name__ == "__main__":
    main()
