"""An answer kept for an idempotency key is for the credential that got it, not for the whole organization."""

from __future__ import annotations

from tests.integration.entrypoints.rest.identity.conftest import Installation

KEY = {"idempotency-key": "deploy-key-1"}
BODY = {"label": "deploy", "scopes": ["*"]}


async def test_a_weaker_key_is_not_given_the_secret_that_a_stronger_one_made(ledger: Installation) -> None:
    _, strong = await ledger.open_organization()
    weak = ledger.client((await strong.post("/v1/api-keys", json={"label": "weak", "scopes": ["api_keys:write"]})).json()["secret"])
    made = await strong.post("/v1/api-keys", json=BODY, headers=KEY)
    assert made.status_code == 201
    replayed = await weak.post("/v1/api-keys", json=BODY, headers=KEY)
    assert (replayed.status_code, replayed.json()["code"]) == (409, "idempotency_key_reused")
    assert made.json()["secret"] not in replayed.text
    again = await strong.post("/v1/api-keys", json=BODY, headers=KEY)
    assert (again.status_code, again.headers["idempotent-replayed"], again.json()) == (201, "true", made.json())
