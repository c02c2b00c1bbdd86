"""Health, liveness, and readiness checks for people, supervisors, and load balancers."""

from collections.abc import Callable
from functools import cache

import structlog
from django.db import Error as DatabaseError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from kombu.exceptions import OperationalError as BrokerError

from core.clock import utc_now, utc_text
from core.http.draining import is_draining

from . import __version__
from .celery import app

log = structlog.get_logger(__name__)

SERVICE = "enrollment-router"
BROKER_SECONDS = 2


@require_safe
@never_cache
def show_health(request: HttpRequest) -> HttpResponse:
    """Return the service and its version, as the router's clients know it."""
    return JsonResponse(
        {
            "status": "healthy",
            "service": SERVICE,
            "version": __version__,
            "time": utc_text(utc_now()),
        }
    )


@require_safe
@never_cache
def show_liveness(request: HttpRequest) -> HttpResponse:
    """Answer 200 as long as this process answers. The check needs nothing else, so that a restart is only requested
    when it helps.
    """
    return JsonResponse({"status": "alive"})


@require_safe
@never_cache
def show_readiness(request: HttpRequest) -> HttpResponse:
    """Answer 200 when the database, migrations, and broker work and this process is not about to stop, else 503; each
    part says "ok" or what fails.
    """
    parts = check_parts() | ({"process": "is stopping"} if is_draining() else {})
    ready = all(outcome == "ok" for outcome in parts.values())
    return JsonResponse({"status": "ready" if ready else "not ready", "checks": parts}, status=200 if ready else 503)


def check_parts() -> dict[str, str]:
    """Check what the platform can't work without; each part is "ok" or says what fails."""
    return {name: _outcome(name, check) for name, check in CHECKS.items()}


class NotReady(Exception):
    """A part does not work; the text says why."""


def _outcome(name: str, check: Callable[[], None]) -> str:
    try:
        check()
    except NotReady as reason:
        return str(reason)
    except (DatabaseError, BrokerError, OSError) as error:
        # The error's text may hold addresses and users: it goes to the log, and the caller only gets its type.
        log.warning("not_ready", part=name, error=str(error))
        return f"failed: {type(error).__name__}"
    return "ok"


def _check_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


@cache
def _check_migrations() -> None:
    """Check the migrations, the slowest of the checks. Success is cached, since it is permanent."""
    executor = MigrationExecutor(connection)
    pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if pending:
        raise NotReady(f"{len(pending)} migrations are not applied, the first is {pending[0][0]}")


def _check_broker() -> None:
    with app.connection_for_write(connect_timeout=BROKER_SECONDS) as broker:
        broker.ensure_connection(max_retries=1, interval_start=0, timeout=BROKER_SECONDS)


CHECKS: dict[str, Callable[[], None]] = {
    "database": _check_database,
    "migrations": _check_migrations,
    "broker": _check_broker,
}
