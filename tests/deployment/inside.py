"""What a test asks a deployment from inside: about its rows and its connections."""

from typing import Any

from django.db import connection

from enrollments.models import DistrictSeatAllocation, EnrollmentDecision

from .running import Deployment

HERE = "tests.deployment.inside"
WORKSPACE_OF_LOAD = "faults"


def acknowledged(deployment: Deployment) -> Any:
    """Return who has a seat and who has paid, by address, once per row; and the seats in use."""
    return deployment.call(f"{HERE}:who_has_what")


def who_has_what() -> dict[str, Any]:
    decisions = EnrollmentDecision.objects.filter(workspace__slug=WORKSPACE_OF_LOAD)
    completed = decisions.filter(status="completed").values_list("learner__email", "provision_source")
    allocations = DistrictSeatAllocation.objects.filter(district__workspace__slug=WORKSPACE_OF_LOAD)
    return {
        "seated": sorted(email for email, source in completed if source == "district"),
        "paid": sorted(email for email, source in completed if source == "parent"),
        "used_seats": sum(allocations.values_list("used_seats", flat=True)),
    }


def unsettled() -> list[str]:
    """Return what is known about each parent's decision that is not completed."""
    of_load = EnrollmentDecision.objects.filter(workspace__slug=WORKSPACE_OF_LOAD)
    waiting = of_load.filter(provision_source="parent").exclude(status="completed")
    return [f"{d.status}: {d.message} {d.checkout and d.checkout.status}" for d in waiting.select_related("checkout")]


def timeouts() -> list[str]:
    """Return the timeouts for locks, statements, and idle transactions on one of the worker's connections."""
    found = []
    with connection.cursor() as cursor:
        for name in ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout"):
            cursor.execute(f"SHOW {name}")
            found.append(cursor.fetchone()[0])
    return found
