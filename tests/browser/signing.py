"""Getting into an installation by a browser: the first owner by the printed link, anybody by the form."""

from __future__ import annotations

import re
import shutil
from typing import Any

from playwright import sync_api
from playwright.sync_api import expect

from tests import installation, until
from tests.browser import seeding

ARGUMENTS = (
    "--no-sandbox",  # the tests may run as root
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)

PATIENCE_MS = 1_000 * until.DEADLINE_S  # for what takes a moment on an idle machine


def launch(playwright: sync_api.Playwright) -> sync_api.Browser:
    """Start the system's own Chromium."""
    return playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(ARGUMENTS), timeout=PATIENCE_MS)


def context(browser: sync_api.Browser, **options: Any) -> sync_api.BrowserContext:
    """Open a context of its own, as patient as the tests are; ``options`` are those of ``new_context``."""
    opened = browser.new_context(**options)
    opened.set_default_timeout(PATIENCE_MS)
    return opened


def first_owner(running: installation.Installation) -> sync_api.StorageState:
    """Follow the printed link, set the password, and return the cookies of that session."""
    found = re.search(r"http://\S+/sign-in[?]token=\S+", running.output)
    assert found is not None
    with sync_api.sync_playwright() as playwright:
        chromium = launch(playwright)
        page = context(chromium).new_page()
        page.goto(found[0])
        page.get_by_role("button", name="Sign in with the link").click()
        page.get_by_label("New password").fill(seeding.PASSWORD)
        page.get_by_role("button", name="Keep it").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
        state = page.context.storage_state()
        chromium.close()
    return state


def sign_in(page: sync_api.Page, address: str) -> None:
    """Sign in by the form."""
    page.goto(f"{address}/sign-in")
    fill(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("Overview")


def fill(page: sync_api.Page) -> None:
    """Fill the form of the sign-in page, and send it."""
    page.get_by_label("E-mail").fill(seeding.EMAIL)
    page.get_by_label("Password", exact=True).fill(seeding.PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
