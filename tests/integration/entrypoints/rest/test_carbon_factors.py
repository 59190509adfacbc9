"""Factor sets and the methodology over HTTP: published at the start, with all their numbers, for keeping."""

from __future__ import annotations

import json
import re
from pathlib import Path

import asyncpg
import httpx2
import pytest

from carbonledger import bootstrap
from carbonledger.domains.emissions import data, types
from carbonledger.entrypoints.worker import main as worker
from carbonledger.infra import reach
from tests import conftest
from tests.integration.entrypoints.rest.identity.conftest import Installation, Opener, install, ledger
from tests.integration.entrypoints.worker import conftest as benches

__all__ = ["install", "ledger"]  # fixtures

DIGEST = "9a5eb3e79bc9bf5a2ea7c83977fcb23970a9ee518cdaeaae600b7a9f59aeb702"  # docs/methodology/emissions.md


@pytest.fixture
async def client(ledger: Installation) -> httpx2.AsyncClient:
    _, client = await ledger.open_organization()
    return client


async def test_the_shipped_set_is_published_when_the_service_starts(client: httpx2.AsyncClient) -> None:
    listed = (await client.get("/v1/carbon-factors")).json()
    assert [(one["version"], one["digest"], one["is_current"]) for one in listed["data"]] == [("1.0", DIGEST, True)]
    assert listed["next_cursor"] is None


async def test_a_set_is_answered_whole_and_may_be_kept(client: httpx2.AsyncClient) -> None:
    by_version, current = await client.get("/v1/carbon-factors/1.0"), await client.get("/v1/carbon-factors/current")
    assert by_version.json() == current.json()
    assert by_version.json()["document"] == json.loads(data.factor_set("1.0"))
    assert by_version.json()["digest"] == DIGEST
    assert by_version.headers["cache-control"] == "private, max-age=31536000, immutable"
    assert current.headers["cache-control"] == "private, max-age=300"


async def test_a_set_that_is_not_there_is_404_and_what_is_no_version_422(client: httpx2.AsyncClient) -> None:
    absent = await client.get("/v1/carbon-factors/9.9")
    assert (absent.status_code, absent.json()["code"]) == (404, "factor_set_not_found")
    assert "cache-control" not in absent.headers or absent.headers["cache-control"] == "no-store"
    wrong = await client.get("/v1/carbon-factors/latest")
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "/path/version")


async def test_the_methodology_is_for_anybody_and_says_what_is_assumed(ledger: Installation) -> None:
    answer = await ledger.client().get("/v1/public/methodology")
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "public, max-age=3600"
    shown = answer.json()
    assert shown["assumptions"][0]["name"] == "cached_input"
    assert shown["assumptions"][0]["text"].startswith("Cached input is an assumption")
    document = json.loads(data.factor_set("1.0"))
    known = {source["id"] for source in shown["emissions"]["sources"]}
    assert known == {source["id"] for source in document["sources"]}
    for part in ("tiers", "grids"):
        assert all(one["sources"] and set(one["sources"]) <= known for one in shown["emissions"][part]), part
    assert all(host["pue_sources"] and host["water_sources"] for host in shown["emissions"]["hosts"])
    assert len(shown["emissions"]["rules"]) == len(document["matching"]["rules"])
    medium = next(tier for tier in shown["emissions"]["tiers"] if tier["tier"] == "medium")
    assert medium["wh_per_1k_tokens"]["decode"] == {"low": "0.25", "mid": "0.8", "high": "2.6"}
    assert all(entry["reason"] and entry["links"] for entry in shown["cost"]["settled"])


async def test_the_methodology_is_a_page_that_needs_no_script(ledger: Installation) -> None:
    answer = await ledger.client().get("/methodology")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    assert re.search(r"<script(?![^>]* src=)", answer.text) is None
    assert " style=" not in answer.text
    assert "Cached input is an assumption" in answer.text
    again = await ledger.client().get("/methodology", headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert (await ledger.client().get("/static/methodology.css")).status_code == 200


async def test_another_set_under_our_version_stops_the_start_of_api_and_worker(
    install: Opener, fresh_database: conftest.TestDatabase, tmp_path: Path
) -> None:
    conn = await asyncpg.connect(fresh_database.owner)
    try:
        await conn.execute(
            "INSERT INTO factor_sets (version, digest, effective_from, document, published_at) VALUES ('1.0', $1, now(), '{}', now())",
            "0" * 64,
        )
    finally:
        await conn.close()
    with pytest.raises(types.FactorSetChanged, match="never changes"):
        await install()
    configuration = benches.configure(fresh_database, tmp_path)
    addresses = reach.given(configuration)
    assert addresses is not None
    async with bootstrap.build(configuration, addresses, application="test-worker") as services:
        with pytest.raises(types.FactorSetChanged):
            await worker.serve(services)
