"""Every page of the dashboard. A new section adds its router here, and its entry to the navigation."""

from __future__ import annotations

from typing import Final

from carbonledger.entrypoints.rest import routing
from carbonledger.entrypoints.web.sections.accounts import pages as accounts
from carbonledger.entrypoints.web.sections.accounts import payment_methods
from carbonledger.entrypoints.web.sections.activity import pages as activity
from carbonledger.entrypoints.web.sections.connections import pages as connections
from carbonledger.entrypoints.web.sections.entrance import pages as entrance
from carbonledger.entrypoints.web.sections.explore import pages as explore
from carbonledger.entrypoints.web.sections.invoices import acting as invoice_acting
from carbonledger.entrypoints.web.sections.invoices import late as late_usage
from carbonledger.entrypoints.web.sections.invoices import line as invoice_line
from carbonledger.entrypoints.web.sections.invoices import numbers, seller, taxes
from carbonledger.entrypoints.web.sections.invoices import one as invoice
from carbonledger.entrypoints.web.sections.invoices import pages as invoices
from carbonledger.entrypoints.web.sections.invoices import table as invoice_table
from carbonledger.entrypoints.web.sections.invoices import writing as invoice_writing
from carbonledger.entrypoints.web.sections.meters import pages as meters
from carbonledger.entrypoints.web.sections.models import pages as models
from carbonledger.entrypoints.web.sections.overview import pages as overview
from carbonledger.entrypoints.web.sections.plans import pages as plans
from carbonledger.entrypoints.web.sections.projects import pages as projects
from carbonledger.entrypoints.web.sections.receipts import checking, inventory, one, packs
from carbonledger.entrypoints.web.sections.receipts import pages as receipts
from carbonledger.entrypoints.web.sections.settings import keys, organization, people, you
from carbonledger.entrypoints.web.sections.subscriptions import acting as subscription_acting
from carbonledger.entrypoints.web.sections.subscriptions import changing as subscription_changing
from carbonledger.entrypoints.web.sections.subscriptions import one as subscription
from carbonledger.entrypoints.web.sections.subscriptions import pages as subscriptions

ROUTERS: Final = (
    entrance.router,
    overview.router,
    explore.router,
    connections.router,
    projects.router,
    models.router,
    accounts.router,
    payment_methods.router,
    meters.router,
    plans.router,
    subscriptions.router,
    subscription.router,
    subscription_changing.router,
    subscription_acting.router,
    invoices.router,
    invoice_writing.router,
    invoice_table.router,
    late_usage.router,
    taxes.router,
    numbers.router,
    invoice.router,
    invoice_acting.router,
    invoice_line.router,
    seller.router,
    receipts.router,
    one.router,
    inventory.router,
    packs.router,
    checking.router,
    activity.router,
    organization.router,
    people.router,
    keys.router,
    you.router,
)


def routes() -> list[routing.Route]:
    """Return every page."""
    return [route for router in ROUTERS for route in router.routes]
