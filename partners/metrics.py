"""The operators' metrics of partners."""

import datetime as dt
from collections.abc import Iterator

from core.metrics import Figure, Reading, Work, count_by

from .models import Certificate, EnrollmentStep, PartnerEvent, Provider

WORK = (
    Work("partner_events", lambda now: PartnerEvent.objects.filter(handled_at=None), since="received_at"),
    Work(
        "partner_enrollments",
        lambda now: EnrollmentStep.objects.to_enroll(),
        lambda: EnrollmentStep.objects.current().failed(),
    ),
    Work("partner_polls", lambda now: EnrollmentStep.objects.to_poll(), since="changed_at"),
    Work("partner_endings", lambda now: EnrollmentStep.objects.to_end(), since="changed_at"),
)


def _reachable(now: dt.datetime) -> Iterator[Reading]:
    for provider in Provider.objects.order_by("pk"):
        yield (provider.slug,), float(provider.is_reachable)


FIGURES = (
    Figure(
        "partner_steps",
        "Learners' steps at partners by their state.",
        ("partner", "status"),
        lambda now: count_by(EnrollmentStep.objects.current(), "provider__slug", "status"),
    ),
    Figure(
        "partner_steps_stuck",
        "Steps that do not move.",
        ("partner",),
        lambda now: count_by(EnrollmentStep.objects.current().stuck(now), "provider__slug"),
    ),
    Figure(
        "partner_reachable", "1 if learners can get on there, 0 while it is paused or silent.", ("partner",), _reachable
    ),
    Figure("certificates", "Certificates that are valid.", (), lambda now: [((), Certificate.objects.live().count())]),
)
