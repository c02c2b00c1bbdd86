"""What a refused call must leave unchanged."""

from django.db import connection

from accounts.models import Learner, Workspace
from cohorts.models import StepProgress
from enrollments.models import DistrictSeatAllocation, EnrollmentDecision
from events.models import OutboxEvent, WebhookDelivery, WebhookEndpoint

WATCHED = {
    "decisions": (EnrollmentDecision, "id"),
    "events": (OutboxEvent, "id"),
    "seats": (DistrictSeatAllocation, "id, total_seats, reserved_seats, used_seats"),
    "courses": (StepProgress, "id, status, class_session_id"),
    "learners": (Learner, "id"),
    "hooks": (WebhookEndpoint, "id, disabled_at, deleted_at"),
    "deliveries": (WebhookDelivery, "id"),
}
STATE = " UNION ALL ".join(
    f"SELECT '{name}', string_agg(concat_ws(' ', {columns}), ', ' ORDER BY id) FROM {model._meta.db_table}"
    for name, (model, columns) in WATCHED.items()
)


def state() -> dict[str, str]:
    """Return the watched columns of all rows by name, read by one statement."""
    with connection.cursor() as cursor:
        cursor.execute(STATE)
        return dict(cursor.fetchall())


def seats_of(workspace: Workspace) -> list[tuple[int, ...]]:
    """Return the total, reserved, and used seats of each allocation of the workspace."""
    allocations = DistrictSeatAllocation.objects.filter(district__workspace=workspace).order_by("pk")
    return list(allocations.values_list("total_seats", "reserved_seats", "used_seats"))
