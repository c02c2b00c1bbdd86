"""The end of taking part."""

import datetime as dt

from django.db import transaction

from core.actors import Actor
from events.publishing import publish

from .history import Journal
from .locks import lock_enrollment
from .models import Enrollment
from .states import ParticipationStatus


@transaction.atomic
def finish_participation(*, enrollment_id: int, actor: Actor, reason: str, now: dt.datetime) -> Enrollment:
    """Complete an active participation; one that is not active stays as it is."""
    enrollment = lock_enrollment(enrollment_id)
    if enrollment.participation_status == ParticipationStatus.ACTIVE:
        journal = Journal(enrollment, actor, now)
        journal.change("finish", reason=reason)
        publish(*journal.write(), now=now)
    return enrollment
