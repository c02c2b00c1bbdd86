"""What a test asks of a deployment from inside: of its rows, and of its connections."""

from typing import Any

from django.db import connection

from enrollments.models import DistrictSeatAllocation, EnrollmentDecision

from .running import Deployment

HERE = "tests.deployment.inside"
WORKSPACE_OF_LOAD = "faults"


def acknowledged(deployment: Deployment) -> Any:
    """Who has a seat and who has paid, by address, each as often as there are such rows; and the seats in use."""
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
    """What is known of each parent's decision that is not carried out."""
    of_load = EnrollmentDecision.objects.filter(workspace__slug=WORKSPACE_OF_LOAD)
    waiting = of_load.filter(provision_source="parent").exclude(status="completed")
    return [f"{d.status}: {d.message} {d.checkout and d.checkout.status}" for d in waiting.select_related("checkout")]


def timeouts() -> list[str]:
    """Of locks, of statements and of transactions that do nothing, as a connection of the worker's has them."""
    found = []
    with connection.cursor() as cursor:
        for name in ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout"):
            cursor.execute(f"SHOW {name}")
            found.append(cursor.fetchone()[0])
    return found
