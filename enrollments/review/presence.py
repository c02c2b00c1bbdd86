"""Who has which case open: not a lock, but a mark for colleagues that opening the case renews and that expires."""

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence

from django.db.models import QuerySet

from ..models import OpenCase

LEASE = dt.timedelta(minutes=3)


def open_case(*, user_id: int, enrollment_id: int, now: dt.datetime) -> None:
    """Mark a case as open for this reviewer, in place of the previous one; one statement."""
    OpenCase.objects.bulk_create(
        [OpenCase(user_id=user_id, enrollment_id=enrollment_id, until=now + LEASE)],
        update_conflicts=True,
        unique_fields=["user"],
        update_fields=["enrollment", "until"],
    )


def leave_case(*, user_id: int) -> None:
    """Remove the mark."""
    OpenCase.objects.filter(user=user_id).delete()


def open_elsewhere(*, user_id: int, now: dt.datetime) -> QuerySet[OpenCase]:
    """Return the marks of other reviewers that have not expired."""
    return OpenCase.objects.filter(until__gt=now).exclude(user=user_id)


def name_who_look(enrollment_ids: Sequence[int], *, user_id: int, now: dt.datetime) -> dict[int, list[str]]:
    """Return who else has which of these cases open; one query."""
    marks = open_elsewhere(user_id=user_id, now=now).filter(enrollment__in=enrollment_ids)
    found: dict[int, list[str]] = defaultdict(list)
    for mark in marks.select_related("user").order_by("pk"):
        found[mark.enrollment_id].append(mark.user.get_full_name() or "A colleague")
    return found
