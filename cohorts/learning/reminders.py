"""Reminders: the day before a session, once for each learner who has a seat in it."""

import datetime as dt

from django.db import transaction
from django.db.models import CharField, Exists, F, OuterRef, QuerySet, Value
from django.db.models.functions import Cast, Concat

from notifications.models import Notification
from notifications.recipients import family_addresses
from notifications.sending import notify

from ..models import StepProgress
from ..states import StepStatus

REMINDER = "session_reminder"
AHEAD = dt.timedelta(hours=24)


@transaction.atomic
def remind_of_sessions(*, limit: int = 500, now: dt.datetime) -> int:
    """Write to the families of learners whose session starts within a day; returns how many sessions were covered.

    Learners who booked later than that have just been told. A session that was moved to another day gets another
    reminder.
    """
    due = list(_due(now).select_related("package__learner", "class_session")[:limit])
    for row in due:
        session = row.seat
        learner = row.package.learner
        for address in family_addresses(learner):
            notify(
                workspace_id=learner.workspace_id,
                kind=REMINDER,
                recipient=address,
                subject_key=f"progress:{row.pk}/{session.date}",
                params={"progress": row.pk, "session": session.pk},
                now=now,
            )
    return len(due)


def _due(now: dt.datetime) -> QuerySet[StepProgress]:
    key = Concat(
        Value("progress:"),
        Cast("pk", CharField()),
        Value("/"),
        Cast("class_session__date", CharField()),
        output_field=CharField(),
    )
    reminded = Notification.objects.filter(kind=REMINDER, subject_key=OuterRef("reminder_key"))
    coming = StepProgress.objects.of_live_packages().filter(
        status=StepStatus.BOOKED,
        class_session__starts_at__gt=now,
        class_session__starts_at__lte=now + AHEAD,
        booked_at__lt=F("class_session__starts_at") - AHEAD,
    )
    unreminded = coming.annotate(reminder_key=key).filter(~Exists(reminded))
    return unreminded.order_by("class_session__starts_at", "pk")
