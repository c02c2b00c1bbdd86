"""Deleting an enrollment: it is hidden, gives back what it held, and stays as a record."""

import datetime as dt

from django.db import transaction

from core.actors import Actor
from events.publishing import publish

from .eligibility.record import settle_deleted
from .events import EnrollmentDeleted
from .funding import end_funding
from .history import Journal
from .lifecycle import check_open, lock_to_end
from .models import Enrollment
from .states import ENDED_PARTICIPATION, EligibilityStatus

DELETED = "Deleted"


@transaction.atomic
def delete_enrollment(
    *, enrollment_id: int, actor: Actor, note: str = "", expected_status: str | None = None, now: dt.datetime
) -> Enrollment:
    """Hide an enrollment, whatever its status: it no longer counts as participation, its seat or place is freed, an
    open checkout ends, and the learner may enroll again. Its history and its events stay. The family is not sent a
    mail.

    If the request was still in review, its money is refunded in full; if the learner was enrolled, staff get a task to
    decide about it. Raises StatusMoved, and NotFound if it was already deleted.
    """
    enrollment, seat = lock_to_end(enrollment_id)
    check_open(enrollment, expected_status, now)
    was_enrolled = enrollment.eligibility_status == EligibilityStatus.APPROVED
    journal = Journal(enrollment, actor, now, note.strip())
    if was_enrolled:
        journal.change("unenroll", reason=DELETED)
    if enrollment.participation_status not in ENDED_PARTICIPATION:
        journal.change("withdraw", reason=DELETED)
    journal.set(deleted_at=now)
    changes = journal.write()
    deleted = EnrollmentDeleted(
        workspace_id=enrollment.workspace_id,
        occurred_at=now,
        enrollment_cuid=enrollment.cuid,
        program_instance_cuid=enrollment.instance.cuid,
        payment_status=enrollment.payment_status,
    )
    publish(*changes, deleted, *end_funding(journal, seat, DELETED, is_refunded=not was_enrolled))
    settle_deleted([enrollment], now=now)
    return enrollment
