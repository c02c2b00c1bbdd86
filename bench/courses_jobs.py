"""The jobs of a courses worker; each returns something JSON can carry."""

import cProfile
import datetime as dt
import pstats
import statistics
import time
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import override_settings

from billing.checkout import record_session
from billing.gateways.contract import SessionSnapshot
from billing.models import Checkout
from cohorts.invariants import INVARIANTS
from cohorts.learning.booking import Selection, book_sessions
from cohorts.models import StudentPackage
from core.clock import utc_now
from core.invariants import Extent

from .courses_seed import CATALOG_CODE, add_cohorts, seed_catalog, seed_contestant
from .stack import HOST

PAGES = {"catalog": "/courses", "course": f"/courses/{CATALOG_CODE}"}
# Names of static files without the digests that `collectstatic` adds for an image.
STORAGES = settings.STORAGES | {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
WARM_UP_REQUESTS = 1


def seed(*, purchases: dict[str, int]) -> dict[str, Any]:
    """Create the contestants' workspaces, each with the given number of prepared purchases, and the catalog's."""
    seed_catalog()
    ids = {name: seed_contestant(name, purchases=count) for name, count in purchases.items()}
    with connection.cursor() as cursor:
        for counter in ("fulfil", "book"):
            cursor.execute(f"CREATE SEQUENCE bench_{counter}")
    return ids


def analyze() -> None:
    """Update the planner's statistics: tables grow too fast for autovacuum, and plans made for empty tables persist."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def fulfil(*, numbers: list[int]) -> dict[str, float]:
    """Record the money for these prepared purchases."""
    sessions = [f"cs_ours_{number}" for number in numbers]
    checkouts = Checkout.objects.in_bulk(sessions, field_name="stripe_session_id")
    snapshots = [_paid(checkouts[f"cs_ours_{number}"], number) for number in numbers]
    return _timed(
        [
            lambda pk=pk, paid=paid: record_session(checkout_id=pk, session=paid, now=utc_now())  # type: ignore[misc]
            for pk, paid in snapshots
        ]
    )


def book(*, numbers: list[int], chosen: list[tuple[int, int]]) -> dict[str, float]:
    """Book the chosen steps of the packages that were bought with these purchases."""
    intents = [f"pi_ours_{number}" for number in numbers]
    packages = StudentPackage.objects.filter(payment__payment_intent_id__in=intents).values_list("pk", flat=True)
    selections = [Selection(step, option) for step, option in chosen]
    return _timed(
        [lambda pk=pk: book_sessions(package_id=pk, selections=selections, now=utc_now()) for pk in packages]  # type: ignore[misc]
    )


def browse(*, cohorts: int, requests: int) -> dict[str, dict[str, float]]:
    """Add the given number of cohorts, then show each page: median milliseconds inside Django, Python's function calls,
    and queries.
    """
    add_cohorts(cohorts)
    analyze()
    return {name: _show(path, requests) for name, path in PAGES.items()}


def find_breaches() -> list[str]:
    """Return violations concerning places, packages, and sessions, in words."""
    extent = Extent(now=utc_now() + dt.timedelta(minutes=6))  # past the time that invariants allow for money in transit
    return [
        f"{invariant.__name__}: {breach.row} {breach.fact}" for invariant in INVARIANTS for breach in invariant(extent)
    ]


def count_rows() -> dict[str, list[int]]:
    """Count the packages and booked steps of each contestant."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT w.slug, count(DISTINCT p.id), count(s.id)"
            "  FROM cohorts_studentpackage p JOIN cohorts_stepprogress s ON s.package_id = p.id AND s.status = 'BOOKED'"
            "  JOIN accounts_learner l ON l.id = p.learner_id JOIN accounts_workspace w ON w.id = l.workspace_id"
            " GROUP BY w.slug"
        )
        return {slug.removeprefix("courses-"): [packages, steps] for slug, packages, steps in cursor.fetchall()}


def _paid(checkout: Checkout, number: int) -> tuple[int, SessionSnapshot]:
    assert checkout.stripe_session_id is not None
    return checkout.pk, SessionSnapshot(
        id=checkout.stripe_session_id,
        reference=checkout.reference,
        status="complete",
        payment_status="paid",
        amount_minor=checkout.amount_minor,
        currency=checkout.currency,
        payment_intent_id=f"pi_ours_{number}",
        payment_intent_status="succeeded",
        payer_email=f"parent{number}@ours.test",
        url="",
        expires_at=checkout.expires_at,
        metadata={},
        payer_name="Jane Doe",
    )


def _timed(calls: list[Callable[[], object]]) -> dict[str, float]:
    latencies = []
    start = time.perf_counter()
    for call in calls:
        before = time.perf_counter()
        call()
        latencies.append(time.perf_counter() - before)
    return {"done": len(calls), "seconds": time.perf_counter() - start, "p50_ms": 1000 * statistics.median(latencies)}


@override_settings(STORAGES=STORAGES)
def _show(path: str, requests: int) -> dict[str, float]:
    client = Client(headers={"host": HOST})
    for _ in range(WARM_UP_REQUESTS):
        answer = client.get(path, secure=True)
        if answer.status_code != 200:
            raise RuntimeError(f"{path} answered {answer.status_code}")
    queries: list[str] = []
    with connection.execute_wrapper(lambda run, sql, *how: queries.append(sql) or run(sql, *how)):
        client.get(path, secure=True)
    with cProfile.Profile() as profile:
        client.get(path, secure=True)
    took = []
    for _ in range(requests):
        before = time.perf_counter()
        client.get(path, secure=True)
        took.append(1000 * (time.perf_counter() - before))
    calls = pstats.Stats(profile).total_calls  # type: ignore[attr-defined]  # typeshed doesn't know it
    return {"p50_ms": statistics.median(took), "calls": calls, "queries": len(queries)}
