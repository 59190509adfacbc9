"""Templates: one environment that escapes everything, knows how numbers and times are written, and fails on what it was not given."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import jinja2
from markupsafe import Markup

from carbonledger.entrypoints.web import assets
from carbonledger.kernel import currency as currencies
from carbonledger.kernel import humane
from carbonledger.kernel import money as moneys
from carbonledger.kernel.money import Money

FOLDER: Final = Path(__file__).parent


@functools.cache
def environment() -> jinja2.Environment:
    """Return the environment. Templates are read once: a running process serves one version of them."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader([FOLDER / "templates", FOLDER / "sections"]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.globals.update(asset=assets.url, humane=humane)
    made.filters.update(
        count=humane.COUNT.show,
        usd=humane.USD.show,
        energy=humane.ENERGY.show,
        co2e=humane.CO2E.show,
        water=humane.WATER.show,
        percent=humane.percent,
        width=humane.width,
        when=when,
        day=day,
        plain=plain,
        grouped=humane.grouped,
        money=money,
    )
    return made


def render(template: str, given: Mapping[str, Any]) -> str:
    """Return a page."""
    return environment().get_template(template).render(given)


def when(at: datetime, zone: ZoneInfo) -> Markup:
    """Return an instant as the organization's clock shows it, with the exact one for machines."""
    local = at.astimezone(zone)
    return Markup('<time datetime="{}" title="{}">{}</time>').format(at.isoformat(), local.isoformat(), f"{local.day} {local:%b %Y, %H:%M}")


def day(at: datetime, zone: ZoneInfo) -> Markup:
    """Return the day of an instant."""
    local = at.astimezone(zone)
    return Markup('<time datetime="{}" title="{}">{}</time>').format(at.isoformat(), local.isoformat(), f"{local.day} {local:%b %Y}")


def money(amount: str, currency: str) -> str:
    """Return an amount of the API with the minor unit's digits at least, its thousands grouped, and its currency."""
    return f"{humane.grouped(moneys.to_api_amount(Money(Decimal(amount), currencies.by_code(currency))))} {currency}"


def plain(value: Decimal) -> str:
    """Return a number as a script reads it."""
    return f"{value:f}"
