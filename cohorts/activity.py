"""What families do about classes, as a source of family activity."""

import datetime as dt
from collections.abc import Collection

from django.db.models import Max
from django.db.models.functions import Coalesce, Greatest

from enrollments.activity import register_activity

from .models import StepProgress


def find_sessions(enrollment_ids: Collection[int]) -> dict[int, dt.datetime]:
    """Return when a session was last booked or attended, by enrollment id."""
    seen = StepProgress.objects.filter(package__enrollment__in=enrollment_ids, booked_at__isnull=False)
    moment = Greatest("booked_at", Coalesce("completed_at", "booked_at"))
    return dict(seen.values_list("package__enrollment").annotate(latest=Max(moment)).order_by())


register_activity(find_sessions)
