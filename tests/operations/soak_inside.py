"""What the soak asks of the platform from inside: called in the stack's environment through `manage.py shell`."""

import datetime as dt

from billing.models import StripeEvent
from cohorts.course.scheduling import clone_cohort
from cohorts.models import Cohort, GroupClass, StudentPackage
from core.clock import utc_now
from core.local_time import local_date
from enrollments.models import EnrollmentDecision
from enrollments.states import DecisionStatus
from events.models import OutboxEvent
from events.states import RelayStatus
from notifications.models import Notification
from notifications.states import NotificationStatus

COURSE = "CODE"
PLACES = 30_000


def open_cohort() -> int:
    """Create a cohort of one of the demo's courses with room for everybody; return its id."""
    known = Cohort.objects.filter(instance__program__code=COURSE).earliest("pk")
    GroupClass.objects.filter(options__step__program__code=COURSE).update(max_students=PLACES)
    start_date = local_date(utc_now(), known.timezone) + dt.timedelta(days=20)
    cohort = clone_cohort(cohort_id=known.pk, name="Soak cohort", start_date=start_date)
    Cohort.objects.filter(pk=cohort.pk).update(max_enrollment=PLACES, enrollment_deadline=None, is_active=True)
    return cohort.pk


def what_waits() -> dict[str, int]:
    """Return work that is due and not done, by kind."""
    emails = Notification.objects.filter(status=NotificationStatus.PENDING, next_attempt_at__lte=utc_now())
    return {
        "events to relay": OutboxEvent.objects.filter(relay_status=RelayStatus.PENDING).count(),
        "notices of Stripe to handle": StripeEvent.objects.filter(handled_at=None).count(),
        "emails to send": emails.count(),
    }


def what_was_sold() -> dict[str, int]:
    """Return the packages of the cohort, and the completed decisions about learners of the soak."""
    decisions = EnrollmentDecision.objects.filter(enrollment__learner__email__endswith="@soak.test")
    return {
        "places": StudentPackage.objects.filter(cohort__name="Soak cohort", revoked_at=None).count(),
        "decisions": decisions.filter(status=DecisionStatus.COMPLETED).count(),
    }
