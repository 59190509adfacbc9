"""Each house rule finds the sample that breaks it, on the right line, and leaves the one that keeps it alone."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from tools.house import rule as rules_of_house
from tools.house.rules import RULES
from tools.house.source import Source

STORE = "src/carbonledger/domains/identity/store.py"
SERVICE = "src/carbonledger/domains/identity/service.py"
CORE = "src/carbonledger/domains/invoices/core.py"
EDGE = "src/carbonledger/entrypoints/rest/keys.py"
CLI = "src/carbonledger/entrypoints/cli/main.py"
INFRA = "src/carbonledger/infra/queue.py"
UNIT = "tests/unit/domains/identity/test_core.py"
WHOLE = "tests/integration/test_keys.py"
SELECT = "from sqlalchemy import select\n"
MACHINE_PATH = "/" + "work/main"

# rule, file, a text that breaks it on its last line
BREAKS = [
    ("commit", INFRA, "await session.commit()"),
    ("commit", SERVICE, "await uow.rollback()"),
    ("commit", SERVICE, 'await uow.conn.execute("COMMIT")'),
    ("commit", EDGE, "await conn.execute('commit;')"),
    ("commit", INFRA, 'await conn.execute("SELECT 1; ROLLBACK")'),
    ("clock", SERVICE, "import datetime\nnow = datetime.datetime.now(datetime.UTC)"),
    ("clock", SERVICE, "from datetime import datetime as moment\nnow = moment.utcnow()"),
    ("clock", SERVICE, "from datetime import date\ntoday = date.today()"),
    ("clock", EDGE, "import time\nstarted = time.time()"),
    ("clock", INFRA, "from time import time\nclock = time"),  # handed on, not called
    ("clock", CORE, "import time\nstarted = time.monotonic()"),  # a domain doesn't even measure
    ("clock", UNIT, "import datetime\nnow = datetime.datetime.now()"),
    ("clock", STORE, 'sql = "SELECT 1 FROM keys WHERE expires_at > now()"'),
    ("clock", STORE, "from sqlalchemy import func\nvalues = func.now()"),
    ("money-float", CORE, "share = float(part)"),
    ("money-float", CORE, "def tax(rate: float) -> int: ..."),
    ("money-float", CORE, "rate = 0.19"),
    ("money-float", CORE, "cents = round(amount)"),
    ("money-float", "src/carbonledger/kernel/money.py", "half = 0.5"),
    ("money-float", EDGE, "class Invoice(Model):\n    tax_amount: float"),
    ("money-float", "src/carbonledger/adapters/openai.py", "def cost(total_cost: float | None) -> None: ..."),
    ("tenant-query", STORE, SELECT + "statement = select(tables.keys).where(tables.keys.c.id == key_id)"),
    ("tenant-query", STORE, "import sqlalchemy as sa\nstatement = sa.update(tables.keys).values(name=name)"),
    ("tenant-query", STORE, "statement = tables.keys.delete().where(tables.keys.c.id == key_id)"),
    ("tenant-query", STORE, 'rows = await uow.conn.fetch("SELECT id FROM api_keys WHERE id = $1", key_id)'),
    ("tenant-query", STORE, 'await uow.conn.execute("DELETE FROM api_keys WHERE id = $1", key_id)'),
    ("tenant-query", "src/carbonledger/domains/identity/store/keys.py", 'SQL = "UPDATE api_keys SET name = $1 WHERE id = $2"'),
    ("sql-outside-store", EDGE, 'rows = await uow.conn.fetch("SELECT id FROM api_keys")'),
    ("sql-outside-store", SERVICE, "SQL = f'''\n    DELETE FROM {TABLE}'''"),
    ("sql-interpolation", INFRA, "sql = f\"SELECT id FROM jobs WHERE name = '{name}'\""),
    ("sql-interpolation", INFRA, 'sql = "SELECT id FROM jobs WHERE name = \'" + name + "\'"'),
    ("sql-interpolation", INFRA, 'sql = "SELECT id FROM %s" % table'),
    ("sql-interpolation", INFRA, 'sql = "SELECT id FROM {}".format(table)'),
    ("reports-read-only", "src/carbonledger/domains/reports/store.py", "from sqlalchemy import insert\nstatement = insert(tables.x)"),
    ("reports-read-only", "src/carbonledger/domains/reports/store.py", 'SQL = "DELETE FROM x WHERE organization_id = $1"'),
    ("swallowed-error", SERVICE, "try:\n    act()\nexcept:\n    result = None"),
    ("swallowed-error", SERVICE, "try:\n    act()\nexcept Exception:\n    result = None"),
    ("swallowed-error", SERVICE, "try:\n    act()\nexcept (ValueError, BaseException):\n    return"),
    ("swallowed-error", SERVICE, "try:\n    act()\nexcept ValueError:\n    pass"),
    ("swallowed-error", SERVICE, "import contextlib\nwith contextlib.suppress(Exception):\n    act()"),
    ("print", SERVICE, "print(key)"),
    ("print", INFRA, "import sys\nsys.stderr.write(key)"),
    ("sleep-in-test", WHOLE, "import time\ntime.sleep(1)"),
    ("sleep-in-test", WHOLE, "import asyncio\nawait asyncio.sleep(0.1)"),
    ("skipped-test", WHOLE, "import pytest\npytest.skip('later')"),
    ("skipped-test", WHOLE, "import pytest\n@pytest.mark.xfail\ndef test_x(): assert True"),
    ("skipped-test", WHOLE, "import pytest\npytestmark = pytest.mark.skipif(True, reason='x')"),
    ("skipped-test", "tests/conftest.py", "import pytest\npytest.importorskip('redis')"),
    ("checks-nothing", UNIT, "def test_that_it_runs():\n    issue()"),
    ("checks-nothing", UNIT, "def issue():\n    return 1\nasync def test_that_it_runs():\n    issue()"),
    ("vague-name", "src/carbonledger/infra/utils.py", ""),
    ("vague-name", "src/carbonledger/infra/db_helpers.py", ""),
    ("vague-name", "tests/common/test_keys.py", ""),
    ("module-docstring", SERVICE, "import enum"),
    ("file-length", SERVICE, "x = 1\n" * 401),
    ("function-length", SERVICE, "def issue():\n" + "    x = 1\n" * 60),
    ("private-import", SERVICE, "from carbonledger.infra.db import _begin"),
    ("private-import", SERVICE, "from carbonledger.infra import _pool"),
    ("private-import", SERVICE, "import carbonledger.infra._pool.size"),
    ("private-import", SERVICE, "from ..vault import types"),
    ("import-modules", SERVICE, "from carbonledger.infra.clock import now"),
    ("dynamic-import", SERVICE, "import importlib\nstripe = importlib.import_module('stripe')"),
    ("machine-words", "README.md", f"Look into {MACHINE_PATH}/src."),
    ("machine-words", SERVICE, f'HOME = "{MACHINE_PATH[:5]}"'),
    ("machine-words", "docs/notes.md", "see .." + "/shared/design"),
    ("locked-hosts", "requirements.lock", "--index-url https://packages.example/simple"),
]

# rule, file, a text that keeps it
KEEPS = [
    ("commit", "src/carbonledger/infra/db.py", 'await conn.execute("COMMIT")'),
    ("commit", SERVICE, 'log.info("COMMIT of the books")'),
    ("commit", WHOLE, "await transaction.rollback()"),  # a test plays the crash
    ("clock", "src/carbonledger/infra/clock.py", "import datetime\nnow = datetime.datetime.now(datetime.UTC)"),
    ("clock", INFRA, "import time\nstarted = time.monotonic()"),
    ("clock", SERVICE, "later = now + datetime.timedelta(days=1)"),
    ("clock", SERVICE, '"""Takes the time as an argument, never from now()."""'),
    ("clock", WHOLE, "import datetime\nnow = datetime.datetime.now(datetime.UTC)"),
    ("money-float", CORE, 'from decimal import Decimal\nrate = Decimal("0.19")'),
    ("money-float", EDGE, "timeout_s: float = 0.5"),
    ("money-float", EDGE, "amount: Decimal = Field()"),
    ("tenant-query", STORE, SELECT + "statement = select(keys).where(keys.c.organization_id == uow.organization_id).limit(1)"),
    ("tenant-query", STORE, SELECT + "statement = select(keys).where(mine(keys, uow.organization_id))"),
    (
        "tenant-query",
        STORE,
        SELECT + "def find(uow):\n    query = select(keys)\n    query = query.where(keys.c.organization_id == uow.organization_id)",
    ),
    ("tenant-query", STORE, SELECT + "statement = select(tables.prices).where(tables.prices.c.id == price_id)"),  # a global table
    ("tenant-query", STORE, 'rows = await uow.conn.fetch("SELECT id FROM price_book WHERE id = $1", price_id)'),
    ("tenant-query", STORE, 'rows = await uow.conn.fetch("SELECT id FROM key_by_hash($1)", digest)'),  # a look-up function
    ("tenant-query", STORE, 'SQL = "SELECT id FROM api_keys WHERE organization_id = $1"'),
    ("tenant-query", STORE, "settings.update(changes)\nnames.values.update(more)"),
    ("tenant-query", SERVICE, SELECT + "statement = select(keys)"),  # another rule's matter
    ("sql-outside-store", STORE, 'SQL = "SELECT id FROM api_keys"'),
    ("sql-outside-store", INFRA, 'SQL = "SELECT id FROM jobs"'),
    ("sql-outside-store", EDGE, 'detail = "Select a plan first. Update your address in the settings."'),
    ("sql-interpolation", INFRA, 'NAMES = ("a", "b")\nsql = f"SELECT {\', \'.join(NAMES)} FROM {db.TABLE}"'),
    ("sql-interpolation", INFRA, 'for table in ("a", "b"):\n    run(f"TRUNCATE {table}")'),
    (
        "sql-interpolation",
        INFRA,
        'def f(asc):\n    order = "ASC" if asc else "DESC"\n    return f"SELECT id FROM jobs ORDER BY id {order}"',
    ),
    ("sql-interpolation", INFRA, 'sql = f"SELECT id FROM {quote_identifier(table)}"'),
    ("sql-interpolation", "migrations/versions/0009_x.py", 'def policy(table):\n    op.execute(f"DROP TABLE {table}")'),
    ("sql-interpolation", INFRA, 'detail = f"Update {name} and try again"'),
    ("reports-read-only", "src/carbonledger/domains/reports/store.py", 'SQL = "SELECT 1 FROM x WHERE organization_id = $1"'),
    ("swallowed-error", SERVICE, "try:\n    act()\nexcept Exception:\n    undo()\n    raise"),
    ("swallowed-error", SERVICE, "try:\n    act()\nexcept Exception:\n    log.exception('job.failed')"),
    ("swallowed-error", SERVICE, "try:\n    act()\nexcept Exception as error:\n    outcome.set_exception(error)"),
    ("swallowed-error", SERVICE, "try:\n    act()\nexcept ProcessLookupError:\n    pass  # it is gone already, which is what we want"),
    ("swallowed-error", SERVICE, "try:\n    act()\nexcept ValueError:\n    return None"),
    ("print", CLI, "print(address)"),
    ("print", WHOLE, "print(address)"),
    ("sleep-in-test", WHOLE, "import asyncio\nawait asyncio.sleep(0)"),
    ("sleep-in-test", INFRA, "import asyncio\nawait asyncio.sleep(delay_s)"),
    ("skipped-test", WHOLE, "import pytest\n@pytest.mark.requires('redis-server')\ndef test_x(): assert True"),
    ("skipped-test", "tests/conftest.py", "import pytest\ndef pytest_runtest_setup(item):\n    pytest.skip('needs redis-server')"),
    ("checks-nothing", UNIT, "def test_sum():\n    assert 1 + 1 == 2"),
    ("checks-nothing", UNIT, "def test_refusal():\n    with pytest.raises(ValueError):\n        act()"),
    ("checks-nothing", UNIT, "def is_whole(x):\n    assert x\ndef test_it():\n    is_whole(1)"),
    ("vague-name", "src/carbonledger/infra/columns.py", ""),
    ("module-docstring", SERVICE, '"""Use cases of identity."""\nimport enum'),
    ("module-docstring", "src/carbonledger/domains/identity/data/__init__.py", ""),
    ("file-length", SERVICE, "x = 1\n" * 400),
    ("file-length", WHOLE, "x = 1\n" * 900),
    ("function-length", SERVICE, "def issue():\n" + "    x = 1\n" * 59),
    ("private-import", "src/carbonledger/infra/db.py", "from carbonledger.infra import _pool"),
    ("private-import", SERVICE, "from __future__ import annotations\nfrom carbonledger.kernel import __version__"),
    ("import-modules", SERVICE, "from carbonledger.infra import clock\nfrom carbonledger.kernel.errors import Fault"),
    ("import-modules", SERVICE, "from carbonledger.domains.vault.types import hint_of"),
    ("import-modules", "src/carbonledger/infra/db.py", "from carbonledger.infra.clock import now"),
    ("import-modules", SERVICE, "from collections import abc\nfrom functools import cache"),
    ("dynamic-import", "tools/contracts.py", "import importlib\nimportlib.import_module('x')"),
    ("machine-words", "README.md", "Work is stored under /var/lib/carbonledger; see `https://example.org" + MACHINE_PATH + "`."),
    ("machine-words", "Dockerfile", "WORKDIR /workspace"),
    ("locked-hosts", "requirements.lock", "orjson==3.13 --hash=sha256:00"),
    ("locked-hosts", "README.md", "https://example.org"),
]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A place with the modules and the global table that the samples speak of."""
    for name in ("domains/identity/tables", "domains/vault/types", "infra/clock", "infra/db", "kernel/errors"):
        path = tmp_path / f"src/carbonledger/{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('prices = columns.global_table("price_book", reason="the same for everybody")')
    return tmp_path


def found(repository: Path, name: str, file: str, text: str) -> list[rules_of_house.Finding]:
    source = Source(PurePosixPath(file), text, repository)
    findings = rules_of_house.judge(source, RULES, known=frozenset(rule.name for rule in RULES))
    return [finding for finding in findings if finding.rule == name]


@pytest.mark.parametrize("name,file,text", BREAKS)
def test_a_sample_that_breaks_the_rule_is_found(repository: Path, name: str, file: str, text: str) -> None:
    findings = found(repository, name, file, text)
    assert findings
    assert str(findings[0]).startswith(f"{file}:{findings[0].line}: {name}: ")


@pytest.mark.parametrize("name,file,text", KEEPS)
def test_a_sample_that_keeps_the_rule_is_left_alone(repository: Path, name: str, file: str, text: str) -> None:
    assert found(repository, name, file, text) == []


@pytest.mark.parametrize("name", [rule.name for rule in RULES])
def test_every_rule_has_samples_and_a_harm(name: str) -> None:
    assert name in {case[0] for case in BREAKS}
    assert name in {case[0] for case in KEEPS}
    assert next(rule for rule in RULES if rule.name == name).harm()


def test_a_finding_names_the_line_of_the_sin(repository: Path) -> None:
    text = '"""Use cases."""\n\nimport time\n\n\ndef issue() -> float:\n    return time.time()\n'
    assert [finding.line for finding in found(repository, "clock", SERVICE, text)] == [7]
