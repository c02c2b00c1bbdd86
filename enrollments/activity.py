"""When a family was last seen, of which an idle seat is the opposite: they signed in, or an app above saw them learn.

The apps above tell of what they see without being known here: progress at a partner, sessions booked and attended.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Collection

from accounts.models import User

from .models import Enrollment

Activity = Callable[[Collection[int]], dict[int, dt.datetime]]
_sources: list[Activity] = []


def register_activity(find: Activity) -> None:
    """Called once per app from its `ready()`. `find(enrollment_ids)` returns the latest moment of each enrollment about
    which there is any, by id."""
    _sources.append(find)


def find_activity(enrollment_ids: Collection[int]) -> dict[int, dt.datetime]:
    """The latest activity of each of these enrollments that shows any, by id; a constant number of queries."""
    latest: dict[int, dt.datetime] = {}
    for find in (_sign_ins, *_sources):
        for pk, at in find(enrollment_ids).items():
            latest[pk] = max(at, latest.get(pk, at))
    return latest


def _sign_ins(enrollment_ids: Collection[int]) -> dict[int, dt.datetime]:
    """When the learner's account or one of a guardian's was signed in to."""
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
