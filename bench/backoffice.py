"""`python -m bench.backoffice`: what each page of the back office costs with a hundred thousand enrollments behind it.

The demo is loaded into a PostgreSQL of its own and multiplied. Then an owner opens every list, searches it by a name,
opens the page and the history of a row, and opens every page that the sidebar leads to. An operator opens what is
closed to the owner. A page is timed inside this process, from the request to the last byte of the answer; its median
may be at most AT_MOST_MS.
"""

import argparse
import contextlib
import dataclasses
import os
import statistics
import sys
import time
from collections.abc import Iterator
from typing import Any

import django

from .multiplied import multiply
from .servers import running_servers
from .stack import HOST, OURS, environment
from .work import migrate

ENROLLMENTS = 100_000
QUICK_ENROLLMENTS = 1_000
QUICK_FAMILIES = 9
OPENINGS = 5
QUICK_OPENINGS = 1
AT_MOST_MS = 300.0
OWNER = "owner@demo.test"
OPERATOR = "operator@demo.test"
OK = 200
NO_SUCH_PAGE = 302  # a list that has fewer pages leads to its first
SOUGHT = "Larsen"  # a family name in the demo's catalog


@dataclasses.dataclass(frozen=True, slots=True)
class Opened:
    """A page, its median time, and the queries of one opening."""

    page: str
    milliseconds: float
    queries: int


def main() -> int:
    """Return 0 when no page exceeds its limit, 1 otherwise."""
    parser = argparse.ArgumentParser(prog="python -m bench.backoffice", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_ENROLLMENTS:,} enrollments, and no gate")
    parser.add_argument("--only", default="", help="open only pages whose address has this in it")
    asked = parser.parse_args()
    with demo_database(quick=asked.quick) as count:
        opened = _measure(count, quick=asked.quick, only=asked.only)
    slow = [each for each in opened if each.milliseconds > AT_MOST_MS]
    for each in slow:
        print(f"SLOW {each.page}: {each.milliseconds:.0f} ms, {AT_MOST_MS:.0f} are allowed", file=sys.stderr)
    return 1 if slow and not asked.quick else 0


@contextlib.contextmanager
def demo_database(*, quick: bool) -> Iterator[int]:
    """Start a PostgreSQL with the multiplied demo, for this process to use; yield its number of enrollments."""
    with running_servers() as servers:
        migrate(servers)
        # The demo needs the address of a sandbox; nothing here calls it.
        sandbox = {"SANDBOX": "1", "SANDBOX_IN_PRODUCTION": "1", "SANDBOX_URL": "http://127.0.0.1:9"}
        os.environ.update({**environment(servers, settings=OURS), **sandbox})
        django.setup()
        yield _load(quick=quick)


def _measure(count: int, *, quick: bool, only: str) -> list[Opened]:
    from django.conf import settings  # noqa: PLC0415  (models exist after setup)
    from django.test import override_settings  # noqa: PLC0415

    openings = QUICK_OPENINGS if quick else OPENINGS
    owner = _signed_in(OWNER)
    operator = _signed_in(OPERATOR)
    # A release's static files are collected when it is built; looking up their names costs a page nothing.
    static = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    with override_settings(STORAGES={**settings.STORAGES, "staticfiles": static}):
        opened = [_open(owner, operator, page, openings) for page in _pages() if only in page]
    opened.sort(key=lambda each: -each.milliseconds)
    print(f"Pages of the back office with {count:,} enrollments, median of {openings}, the slowest first")
    print(f"{'ms':>6}{'queries':>9}  page")
    for each in opened:
        print(f"{each.milliseconds:6.0f}{each.queries:9}  {each.page}")
    middle = statistics.median(each.milliseconds for each in opened)
    print(f"{len(opened)} pages, median {middle:.0f} ms")
    return opened


def _signed_in(email: str) -> Any:
    from django.test import Client  # noqa: PLC0415

    from accounts.models import User  # noqa: PLC0415

    client = Client(headers={"host": HOST})
    client.force_login(User.objects.get(email=email), backend="django.contrib.auth.backends.ModelBackend")
    return client


def _load(*, quick: bool) -> int:
    from demo.catalog import ORGANIZATIONS  # noqa: PLC0415
    from demo.load import load_demo  # noqa: PLC0415
    from enrollments.models import Enrollment  # noqa: PLC0415

    small = tuple(dataclasses.replace(organization, families=QUICK_FAMILIES) for organization in ORGANIZATIONS)
    load_demo(organizations=small if quick else ORGANIZATIONS)
    wanted = QUICK_ENROLLMENTS if quick else ENROLLMENTS
    multiply(-(-wanted // Enrollment.objects.count()))
    return Enrollment.objects.count()


def _pages() -> Iterator[str]:
    from django.contrib import admin  # noqa: PLC0415
    from django.urls import reverse  # noqa: PLC0415

    from enrollment_project.dashboard.navigation import every_entry, path_of  # noqa: PLC0415

    seen = {reverse("admin:index")}
    yield from seen
    yield reverse("admin:index") + "?range=90"
    for entry in every_entry():
        if (page := path_of(entry) + entry.query) not in seen:
            seen.add(page)
            yield page
    yield reverse("status")
    yield reverse("admin:search") + f"?s={SOUGHT}"
    for model, page_of in admin.site._registry.items():
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        changelist = reverse(f"{name}_changelist")
        if changelist not in seen:
            yield changelist
        yield f"{changelist}?p=3"
        if page_of.search_fields:
            yield f"{changelist}?q={SOUGHT}"
        newest = model._base_manager.order_by("-pk").first()
        if newest is not None:
            yield reverse(f"{name}_change", args=[newest.pk])
            yield reverse(f"{name}_history", args=[newest.pk])


def _open(owner: Any, operator: Any, page: str, openings: int) -> Opened:
    from django.db import connection  # noqa: PLC0415

    statements: list[str] = []

    def count(execute: Any, sql: str, *rest: Any) -> Any:
        statements.append(sql)
        return execute(sql, *rest)

    is_open_to_owner = owner.get(page, secure=True).status_code == OK
    client = owner if is_open_to_owner else operator
    taken = []
    for _ in range(openings):
        statements.clear()
        began = time.perf_counter()
        with connection.execute_wrapper(count):
            answer = client.get(page, secure=True)
        taken.append(1000 * (time.perf_counter() - began))
        if answer.status_code not in (OK, NO_SUCH_PAGE):
            raise RuntimeError(f"{page} answers {answer.status_code}")
    shown = page if answer.status_code == OK else f"{page} ({answer.status_code})"
    return Opened(shown if is_open_to_owner else f"{shown} as an operator", statistics.median(taken), len(statements))


if __name__ == "__main__":
    sys.exit(main())
