"""What families do at partners, as a source of family activity."""

import datetime as dt
from collections.abc import Collection

from django.db.models import Max

from enrollments.activity import register_activity

from .models import EnrollmentStep


def find_progress(enrollment_ids: Collection[int]) -> dict[int, dt.datetime]:
    """Return when a step at a partner last progressed, by enrollment id."""
    started = EnrollmentStep.objects.filter(enrollment__in=enrollment_ids, started_at__isnull=False)
    return dict(started.values_list("enrollment").annotate(Max("changed_at")).order_by())


register_activity(find_progress)
