"""Opening and closing a cohort, and its size. Anything that puts places on sale serves the waiting list first."""

import datetime as dt

import structlog
from django.db import transaction

from ..errors import NotReadyToOpen
from ..locks import lock_cohort
from ..models import Cohort
from ..states import WaitStatus
from .places import resize
from .readiness import find_gaps
from .waitlist import offer_free_places

log = structlog.get_logger(__name__)


@transaction.atomic
def open_cohort(*, cohort_id: int, now: dt.datetime) -> Cohort:
    """Let learners enroll; an open cohort stays open.

    Raises NotReadyToOpen, which names everything that is missing. The cohort is locked, as it is by every change of its
    course: nothing is removed while it opens.
    """
    cohort = lock_cohort(cohort_id)
    if cohort.is_active:
        return _serve(cohort_id, now)
    gaps = find_gaps(cohort=cohort, now=now)
    if gaps:
        raise NotReadyToOpen(f"{cohort} can't be opened yet. {' '.join(gap.text for gap in gaps)}")
    Cohort.objects.filter(pk=cohort_id).update(is_active=True)
    return _serve(cohort_id, now)


@transaction.atomic
def close_cohort(*, cohort_id: int) -> Cohort:
    """Stop accepting enrollments. Learners keep their places, families who are paying can finish, the line stays."""
    cohort = lock_cohort(cohort_id)
    cohort.is_active = False
    cohort.save(update_fields=["is_active"])
    return cohort


@transaction.atomic
def change_capacity(*, cohort_id: int, max_enrollment: int, now: dt.datetime) -> Cohort:
    """Set how many places a cohort has. Raises CapacityBelowUse, changing nothing, below the places taken and held."""
    resize(cohort_id=cohort_id, max_enrollment=max_enrollment)
    return _serve(cohort_id, now)


@transaction.atomic
def serve_waitlist(*, cohort_id: int, now: dt.datetime) -> Cohort:
    """Offer the free places to those who wait, after an edit (such as a later deadline) that put some on sale."""
    return _serve(cohort_id, now)


def serve_waiting_lines(*, now: dt.datetime, limit: int = 100) -> int:
    """Serve every line that has free places, whatever put them on sale (reactivating a program does not notify its
    cohorts); returns how many got an offer.
    """
    open_now = Cohort.objects.taking_enrollments(now=now).with_room()
    lines = open_now.filter(waitlist__status=WaitStatus.WAITING)
    cohorts = list(lines.order_by("pk").values_list("pk", flat=True).distinct()[:limit])
    return sum(_try_to_offer(cohort_id, now) for cohort_id in cohorts)


def _try_to_offer(cohort_id: int, now: dt.datetime) -> int:
    """Serve one line. A failure must not delay the others; the next sweep tries it again."""
    try:
        with transaction.atomic():
            return len(offer_free_places(cohort_id=cohort_id, now=now))
    except Exception:
        log.exception("line_not_served", cohort=cohort_id)
        return 0


def _serve(cohort_id: int, now: dt.datetime) -> Cohort:
    offer_free_places(cohort_id=cohort_id, now=now)
    return Cohort.objects.select_related("instance__program").get(pk=cohort_id)
