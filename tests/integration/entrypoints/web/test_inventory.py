"""The operator's inventory on a page: what is left of each lot, files taken in whole or refused line by line, orders apart."""

from __future__ import annotations

from datetime import timedelta

import httpx2
import pytest

from carbonledger.domains.receipts.service import commitments
from carbonledger.infra import clock
from carbonledger.kernel import actor
from tests.integration.entrypoints.rest.identity import conftest as kit
from tests.integration.entrypoints.web import months, usage
from tests.integration.entrypoints.web.conftest import Person, person
from tests.unit.domains.receipts import credit_files as files

PATH = "/receipts/credits"
DAY = str((clock.now() - timedelta(days=3)).date())


@pytest.fixture
async def house(ledger: kit.Installation) -> Person:
    """The owner of the house."""
    browser = ledger.browser()
    assert (await browser.sign_in()).status_code == 200
    return Person(ledger, browser.client, ledger.client(kit.KEY))


async def send(someone: Person, content: bytes, *, token: str | None = None, name: str = "lots.csv") -> httpx2.Response:
    given = {"csrf_token": await someone.token() if token is None else token}
    sent = {"file": (name, content, "text/csv")}
    return await someone.client.post(PATH, data=given, files=sent, follow_redirects=False)


async def test_a_file_is_imported_and_shown_with_what_is_left(house: Person, owner: Person) -> None:
    assert "No credits are here yet." in await house.read(PATH)
    content = files.written(files.block(1, 10, retired_at=DAY))
    answer = await send(house, content)
    assert (answer.status_code, answer.headers["location"]) == (303, f"{PATH}?added=1,0")
    assert "1 lot imported." in await house.read(f"{PATH}?added=1,0")
    again = await send(house, content)
    assert "1 was there already" in await house.read(again.headers["location"])
    await months.plan(owner)
    await months.used(owner)
    await months.close(owner)
    api = (await house.key.get("/v1/credit-lots")).json()["data"][0]
    assert api["remaining_t"] != "10"
    page = await house.read(PATH)
    assert page.count(f'value="{api["remaining_t"]} t CO2e"') == 2, "of the lot, and in all"
    assert 'value="10 t CO2e"' in page


async def test_every_bad_line_is_named_and_nothing_is_imported(house: Person) -> None:
    content = files.written(
        files.block(1, 10, retired_at=DAY, vintage=usage.HOSTILE), files.block(11, 20, retired_at=DAY), files.block(20, 30, quantity_t="1")
    )
    answer = await send(house, content, name=usage.HOSTILE)
    assert answer.status_code == 422
    assert "Nothing was imported." in answer.text
    assert '<td class="num">2</td><td><code>vintage</code></td>' in answer.text
    assert '<td class="num">4</td><td><code>quantity_t</code></td>' in answer.text
    assert "<script>alert" not in answer.text
    assert (await house.key.get("/v1/credit-lots")).json()["data"] == []


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a,b\n1,2\n", b"\0" * 1_000, b'"', files.written()[:40]])
async def test_what_is_no_file_of_lots_is_refused_in_words(house: Person, content: bytes) -> None:
    answer = await send(house, content)
    assert answer.status_code == 422
    assert "Nothing was imported." in answer.text


async def test_thousands_of_bad_lines_make_a_page_that_can_be_read(house: Person) -> None:
    content = files.written(*(files.block(at, at, vintage="x", registry="") for at in range(1, 1_900)))
    answer = await send(house, content)
    assert answer.status_code == 422
    assert answer.text.count("<tr><td") == 200
    assert "more are not shown" in answer.text
    assert (await send(house, b"x" * 10 * 2**20)).status_code == 413


async def test_a_form_without_a_file_or_token_changes_nothing(house: Person) -> None:
    content = files.written(files.block(1, 10, retired_at=DAY))
    assert (await send(house, b"")).status_code == 422
    assert (await send(house, content, token="")).status_code == 403
    assert (await send(house, content, token="nonsense")).status_code == 403
    assert (await house.key.get("/v1/credit-lots")).json()["data"] == []


async def test_the_inventory_is_the_houses_alone(house: Person, owner: Person) -> None:
    reader = await person(house.ledger, "reader@example.com", "viewer", house.key)
    content = files.written(files.block(1, 10, retired_at=DAY))
    for someone in (owner, reader):
        assert (await someone.open(PATH)).status_code == 403
        assert (await send(someone, content)).status_code == 403
        assert PATH not in await someone.read("/receipts")
    assert PATH in await house.read("/receipts")
    stranger = house.ledger.client()
    led = await stranger.get(PATH, follow_redirects=False)
    assert led.headers["location"] == "/sign-in?next=%2Freceipts%2Fcredits"
    refused = await stranger.post(PATH, files={"file": content}, follow_redirects=False)
    assert refused.status_code == 401
    assert (await house.key.get("/v1/credit-lots")).json()["data"] == []


async def test_what_is_ordered_ahead_stands_apart_and_is_called_no_credit(house: Person) -> None:
    async with house.ledger.services.database.transaction(house.ledger.house_id) as uow:
        at = clock.now()
        await commitments.ask(
            uow,
            actor=actor.system(house.ledger.house_id),
            now=at,
            at=at,
            seller="stripe-climate",
            offer_id="climsku_1",
            milligrams=3 * 10**9,
            beneficiary=None,
        )
    page = await house.read(PATH)
    ahead = page[page.index("Ordered ahead") :]
    assert "nothing of this is retired" in ahead
    assert "being ordered" in ahead
    assert 'value="3 t CO2e"' in ahead
    assert "Allocated to receipts" not in page, "an order makes no inventory"
