"""What a request to the router writes, as counts: a refusal must leave all of them at zero."""

from accounts.models import Learner
from enrollments.models import Enrollment, EnrollmentDecision, SeatAssignment
from events.models import OutboxEvent

NOTHING: dict[str, int] = dict.fromkeys(("learners", "enrollments", "seats", "decisions", "events"), 0)


def written() -> dict[str, int]:
    models = (Learner, Enrollment, SeatAssignment, EnrollmentDecision, OutboxEvent)
    return dict(zip(NOTHING, (model.objects.count() for model in models), strict=True))
