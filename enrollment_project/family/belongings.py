"""All that is known about a family's enrollments, read in a constant number of queries."""

import datetime as dt
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from accounts.models import User
from billing.checkout import catch_up_with_prices
from billing.outcomes import Outcome
from cohorts.pages.courses import CourseView, view_courses
from cohorts.queries import packages_of
from enrollments.cards import TONES, checkouts_of, view_in_family
from enrollments.family.standing import FamilyView, Standing, list_family_enrollments
from enrollments.models import Enrollment
from enrollments.sellers import Sale, find_sales
from partners.progress import EnrollmentProgress, StepView, list_progress

# How long an unpaid checkout that expired, or that a bank refused, stays among the current ones.
LAPSED_SHOWN_FOR = dt.timedelta(days=7)
# Neither in progress nor waiting for anything.
ENDED = (Standing.COMPLETED, Standing.NOT_ELIGIBLE, Standing.NOT_ACCEPTED, Standing.LEFT)


@dataclass(frozen=True, slots=True)
class Belonging:
    """One enrollment with the course that was bought with it and its progress at partners, if there are any."""

    view: FamilyView
    course: CourseView | None
    progress: EnrollmentProgress | None

    @property
    def enrollment(self) -> Enrollment:
        return self.view.enrollment

    @property
    def tone(self) -> str:
        return TONES[self.view.standing]

    @property
    def zone(self) -> ZoneInfo:
        """Return the learner's time zone, for readers whose own is unknown."""
        return self.course.zone if self.course else ZoneInfo(self.enrollment.workspace.timezone)

    @property
    def starts_on(self) -> dt.date | None:
        return self.enrollment.instance.start_date

    @property
    def current_step(self) -> StepView | None:
        """Return the first partner step in progress."""
        steps = (step for group in self.progress.groups for step in group.steps) if self.progress else ()
        return next((step for step in steps if step.is_first_current), None)

    @property
    def leaves_on(self) -> dt.date | None:
        """Return the first day without the learner, if an exit is planned."""
        return next((plan.effective_date for plan in self.enrollment.planned_exits.all()), None)

    def is_over(self, now: dt.datetime) -> bool:
        """Return whether the enrollment is finished. One that lapsed in recent days and is still for sale is not."""
        if self.course is not None and self.course.is_complete:
            return True
        if self.view.standing in (Outcome.EXPIRED, Outcome.FAILED) and self.view.again_url and self.view.checkout:
            return (self.view.checkout.settled_at or now) <= now - LAPSED_SHOWN_FOR
        return self.view.standing in ENDED or self.view.is_over_unpaid


def list_belongings(*, user: User, zone: ZoneInfo | None, now: dt.datetime) -> list[Belonging]:
    """Return the enrollments of the person's learners, newest first; open checkouts are updated to today's prices."""
    enrollments, sales = _read(user, now)
    if catch_up_with_prices(checkouts_of(enrollments, sales), now=now):
        enrollments, sales = _read(user, now)
    courses = {each.package.enrollment_id: each for each in view_courses(packages_of(user), zone=zone, now=now)}
    progress = {each.enrollment.pk: each for group in list_progress(user=user) for each in group.enrollments}
    return [
        Belonging(
            view_in_family(enrollment, sale=sales.get(enrollment.pk), now=now),
            courses.get(enrollment.pk),
            progress.get(enrollment.pk),
        )
        for enrollment in enrollments
    ]


def _read(user: User, now: dt.datetime) -> tuple[list[Enrollment], dict[int, Sale]]:
    enrollments = list_family_enrollments(user=user)
    return enrollments, find_sales([enrollment.pk for enrollment in enrollments], now)
