"""What a running stack needs before any request, created inside it."""

from accounts.tests.factories import WorkspaceFactory, api_key_text
from enrollments.models import DistrictSeatAllocation, EnrollmentDecision
from enrollments.tests.factories import InstanceFactory, seats

SEATS = 100_000


def found_workspace() -> dict[str, str]:
    """Create a workspace with a default program and a district with SEATS seats; return its API key."""
    workspace = WorkspaceFactory(slug="faults")
    InstanceFactory(workspace=workspace)
    seats(workspace, total=SEATS)
    return {"key": api_key_text(workspace=workspace)}


def used_seats() -> int:
    return DistrictSeatAllocation.objects.get().used_seats


def decisions_by_status() -> dict[str, int]:
    """Count the decisions about parents by their status."""
    found: dict[str, int] = {}
    for status in EnrollmentDecision.objects.filter(provision_source="parent").values_list("status", flat=True):
        found[status] = found.get(status, 0) + 1
    return found
