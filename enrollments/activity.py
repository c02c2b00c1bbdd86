"""When a family was last active, which decides whether its seat is idle: somebody signed in, or an app above saw the
learner take part.

The apps above register what they see, so this app does not need to know them: progress at a partner, sessions booked
and attended.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Collection

from accounts.models import User

from .models import Enrollment

Activity = Callable[[Collection[int]], dict[int, dt.datetime]]
_sources: list[Activity] = []


def register_activity(find: Activity) -> None:
    """Register an app's source of activity; each app calls this once from its `ready()`. `find(enrollment_ids)` returns
    the time of the latest activity by enrollment id, leaving out enrollments without any.
    """
    _sources.append(find)


def find_activity(enrollment_ids: Collection[int]) -> dict[int, dt.datetime]:
    """Return the time of the latest activity by enrollment id, if there is any; a constant number of queries."""
    latest: dict[int, dt.datetime] = {}
    for find in (_sign_ins, *_sources):
        for pk, at in find(enrollment_ids).items():
            latest[pk] = max(at, latest.get(pk, at))
    return latest


def _sign_ins(enrollment_ids: Collection[int]) -> dict[int, dt.datetime]:
    """Return when the learner's account or a guardian's was last signed in to."""
    rows = Enrollment.objects.filter(pk__in=enrollment_ids)
    found: dict[int, list[dt.datetime]] = defaultdict(list)
    for pk, at in rows.values_list("pk", "learner__user__last_login"):
        found[pk] += [at] if at else []
    answering = rows.filter(learner__guardians__email__isnull=False)
    addresses = list(answering.values_list("pk", "learner__guardians__email"))
    accounts = User.objects.filter(email__in={email for _, email in addresses}, last_login__isnull=False)
    signed_in = {email: at for email, at in accounts.values_list("email", "last_login") if at}
    for pk, email in addresses:
        found[pk] += [signed_in[email]] if email in signed_in else []
    return {pk: max(moments) for pk, moments in found.items() if moments}
