"""Courses, cohorts, and learners' actions in them for every app's tests. Later states are reached through use cases."""

import datetime as dt
from typing import Any

import factory

from accounts.models import Learner
from accounts.tests.factories import LearnerFactory, WorkspaceFactory
from billing.checkout import record_session, settle_checkout
from billing.models import Checkout
from billing.tests.factories import session_of
from cohorts.course.scheduling import schedule_cohort
from cohorts.models import Cohort, CohortPlace, CourseStep, CourseStepOption, GroupClass, StudentPackage
from cohorts.sale.checkout import reserve_place, start_checkout
from cohorts.states import DayOfWeek
from core.actors import SYSTEM, Actor
from core.clock import utc_now
from core.local_time import local_date
from core.tests.factories import RowFactory
from enrollments.tests.factories import InstanceFactory, ProgramFactory
from sandbox.testing import SandboxProcess


class CourseFactory(ProgramFactory):
    """A listed course without steps."""

    code = factory.Sequence(lambda n: f"COURSE-{n}")
    title = factory.Sequence(lambda n: f"Course {n}")
    listed = True


class GroupClassFactory(RowFactory[GroupClass]):
    """Tuesdays 17:00 to 18:00 in Chicago, 10 seats."""

    class Meta:
        model = GroupClass

    workspace = factory.SubFactory(WorkspaceFactory)
    name = factory.Sequence(lambda n: f"Tuesday class {n}")
    day_of_week = DayOfWeek.TUESDAY
    start_time = dt.time(17)
    end_time = dt.time(18)
    timezone = "America/Chicago"
    max_students = 10


class CohortFactory(RowFactory[Cohort]):
    """Open, with ten places, in two weeks, for twelve weeks; without steps until `cohort_with` creates some."""

    class Meta:
        model = Cohort
        skip_postgeneration_save = True

    instance = factory.SubFactory(
        InstanceFactory,
        program=factory.SubFactory(CourseFactory, workspace=factory.SelfAttribute("..workspace")),
        is_default=False,
    )
    name = factory.Sequence(lambda n: f"Fall cohort {n}")
    start_date = factory.LazyFunction(lambda: local_date(utc_now(), "America/Chicago") + dt.timedelta(days=14))
    end_date = factory.LazyAttribute(lambda o: o.start_date + dt.timedelta(weeks=12))
    timezone = "America/Chicago"
    max_enrollment = 10
    is_active = True

    @factory.post_generation
    def scheduled(self, create: bool, extracted: bool | None, **kwargs: Any) -> None:
        """Create the sessions of the steps that its course has; `scheduled=False` leaves them out."""
        made: Any = self
        if create and extracted is not False and CourseStep.objects.filter(program=made.instance.program_id).exists():
            schedule_cohort(cohort_id=made.pk)


def cohort_with(*, options: tuple[int, ...] = (1, 2), seats: int = 10, **cohort: Any) -> Cohort:
    """Return a scheduled cohort whose course has one step per number, offered in that many classes of `seats` each."""
    made: Cohort = CohortFactory(scheduled=False, **cohort)
    program = made.instance.program
    for order, count in enumerate(options, start=1):
        step = CourseStep.objects.create(program=program, order=order, label=f"Week {order}", title=f"Topic {order}")
        for number in range(count):
            group_class = GroupClassFactory(
                workspace=program.workspace,
                name=f"Week {order} class {number + 1}",
                max_students=seats,
                day_of_week=(DayOfWeek.TUESDAY + number) % 7,
            )
            CourseStepOption.objects.create(step=step, group_class=group_class)
    schedule_cohort(cohort_id=made.pk)
    return made


def start(cohort: Cohort, learner: Learner | None = None, **more: Any) -> Checkout:
    """Start a checkout as the API would, for a new learner unless one is given."""
    learner = learner or LearnerFactory(workspace=cohort.instance.workspace)
    place = start_checkout(
        learner_id=learner.pk,
        course_code=cohort.instance.program.code,
        cohort_id=cohort.pk,
        success_url="http://127.0.0.1/done?session_id={CHECKOUT_SESSION_ID}",
        cancel_url="http://127.0.0.1/back",
        **{"actor": SYSTEM, "now": utc_now(), **more},
    )
    assert place.checkout is not None
    return place.checkout


def pay(stripe: SandboxProcess, checkout: Checkout, **form: str) -> StudentPackage | None:
    """Pay on the hosted page, then process it as the webhook's handler would; return the resulting package, if any."""
    stripe.pay(checkout.url, **form)
    settle_checkout(checkout_id=checkout.pk, now=utc_now())
    return StudentPackage.objects.filter(place=int(checkout.subject), revoked_at__isnull=True).first()


def reserve(cohort: Cohort, learner: Learner, *, actor: Actor = SYSTEM, voucher: str = "") -> CohortPlace:
    """Return a place held for the learner by a recorded checkout that Stripe has not heard of."""
    place = reserve_place(
        learner_id=learner.pk,
        course_code=cohort.instance.program.code,
        cohort_id=cohort.pk,
        success_url="http://127.0.0.1/done",
        cancel_url="http://127.0.0.1/back",
        voucher=voucher,
        actor=actor,
        now=utc_now(),
    )
    assert voucher or place.checkout is not None
    return place


def buy_on_rows(cohort: Cohort, learner: Learner | None = None, *, voucher: str = "") -> StudentPackage:
    """Buy a place without Stripe, whose answers are supplied, in milliseconds."""
    place = reserve(cohort, learner or LearnerFactory(workspace=cohort.instance.workspace), voucher=voucher)
    Checkout.objects.filter(pk=place.checkout_id).update(stripe_session_id=f"cs_rows_{place.checkout_id}")
    assert place.checkout is not None
    record_session(checkout_id=place.checkout.pk, session=session_of(place.checkout), now=utc_now())
    package = StudentPackage.objects.filter(place=place).first()
    assert package is not None
    return package


def buy(stripe: SandboxProcess, cohort: Cohort, learner: Learner | None = None) -> StudentPackage:
    """Return the package of a learner who has bought a place."""
    package = pay(stripe, start(cohort, learner))
    assert package is not None
    return package
