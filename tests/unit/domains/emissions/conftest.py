"""The shipped factor set, read once, and an estimator of it."""

from __future__ import annotations

import pytest

from carbonledger.domains.emissions import data, types
from carbonledger.domains.emissions.core import loading
from carbonledger.domains.emissions.core.estimating import Estimator


@pytest.fixture(scope="session")
def factors() -> types.FactorSet:
    return loading.factor_set(data.factor_set("1.0"))


@pytest.fixture(scope="session")
def estimator(factors: types.FactorSet) -> Estimator:
    return Estimator(factors)
