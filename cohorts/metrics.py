"""The operators' metrics of cohorts' places."""

import datetime as dt
from collections.abc import Iterator

from core.local_time import is_not_over
from core.metrics import Figure, Reading, Work, count_by

from .models import Cohort, CohortPlace, WaitlistEntry

WORK = (Work("held_places", lambda now: CohortPlace.objects.held(), due="held_until", attempts=""),)


def _places(now: dt.datetime) -> Iterator[Reading]:
    """Yield the places of cohorts that staff have opened and that are not over."""
    cohorts = Cohort.objects.filter(is_not_over(now=now, date="end_date", zone="timezone"), is_active=True)
    columns = ("instance__workspace__slug", "pk", "max_enrollment", "current_enrollment", "held_places")
    for workspace, pk, most, taken, held in cohorts.order_by("pk").values_list(*columns):
        for state, count in (("free", most - taken - held), ("held", held), ("taken", taken)):
            yield (workspace, str(pk), state), count


FIGURES = (
    Figure("places", "Places of open cohorts, by cohort.", ("workspace", "cohort", "state"), _places),
    Figure(
        "waiting_lists",
        "Learners in line for full cohorts, by their state.",
        ("status",),
        lambda now: count_by(WaitlistEntry.objects.in_line(), "status"),
    ),
)
