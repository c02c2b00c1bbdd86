"""Courses to sell and everything prepared before the clock starts, by bulk inserts."""

import datetime as dt
from collections.abc import Sequence

from django.db import connection, transaction

from accounts.models import Learner, Workspace
from billing.models import Checkout, InvoiceSeries, Price
from cohorts.course.scheduling import schedule_cohort
from cohorts.models import Cohort, CohortPlace, CohortSession, CourseStep, CourseStepOption, GroupClass
from cohorts.sale.checkout import HOLD_TIME
from cohorts.states import PURPOSE
from core.clock import utc_now
from enrollments.models import Enrollment, Program, ProgramInstance
from enrollments.states import EligibilityStatus, EnrollmentPaymentStatus, IdentificationType

PLENTY = 10_000_000
CHOICES = (1, 2, 2)  # the number of classes of each step: the first leaves no choice and is booked with the payment
SOLD_COHORTS = 8  # each with its own class sessions: bookings within one cohort wait for each other
BATCH = 2_000
CATALOG_COURSES = 24  # a full page
CATALOG_CODE = "CATALOG-1"


def seed_contestant(name: str, *, purchases: int) -> dict[str, object]:
    """Create a workspace that sells one course in SOLD_COHORTS cohorts, with `purchases` checkouts that wait for money:
    "cs_<name>_1" and so on, alternating between the cohorts.
    """
    workspace = Workspace.objects.create(slug=f"courses-{name}", name=f"Courses {name}")
    course = _course(workspace, f"COURSE-{name}", listed=False)
    term = _term(course)
    cohorts = [_cohort(term, f"Fall {week + 1}", weeks_later=week) for week in range(SOLD_COHORTS)]
    for cohort in cohorts:
        schedule_cohort(cohort_id=cohort.pk)
    InvoiceSeries.objects.create(workspace=workspace, year=utc_now().year)
    _sell(cohorts, name, purchases)
    return {
        "workspace_id": workspace.pk,
        "program_id": course.pk,
        "chosen": [choices[0] for choices in _options(course)[1:]],
    }


def seed_catalog() -> None:
    """Create a page of listed courses; `add_cohorts` adds to the first."""
    workspace = Workspace.objects.create(slug="courses-catalog", name="Courses catalog")
    for number in range(CATALOG_COURSES):
        _term(_course(workspace, f"CATALOG-{number + 1}", listed=True))


def add_cohorts(count: int) -> None:
    """Add `count` cohorts to one course; the first is scheduled, and the others share its sessions."""
    term = ProgramInstance.objects.get(program__code=CATALOG_CODE)
    cohorts = [_cohort(term, f"Cohort {term.cohorts.count() + 1}") for _ in range(count)]
    if not CohortSession.objects.filter(cohort__instance=term).exists():
        schedule_cohort(cohort_id=cohorts.pop(0).pk)
    first = CohortSession.objects.filter(cohort__instance=term).order_by("pk")[: sum(CHOICES)]
    CohortSession.objects.bulk_create(
        CohortSession(
            cohort=cohort, step_id=one.step_id, option_id=one.option_id, class_session_id=one.class_session_id
        )
        for cohort in cohorts
        for one in first
    )


def _course(workspace: Workspace, code: str, *, listed: bool) -> Program:
    course = Program.objects.create(workspace=workspace, code=code, title=f"Course {code}", listed=listed)
    for order, count in enumerate(CHOICES, start=1):
        step = CourseStep.objects.create(program=course, order=order, label=f"Week {order}", title=f"Topic {order}")
        for number in range(count):
            group_class = GroupClass.objects.create(
                workspace=workspace,
                name=f"Week {order} class {number + 1}",
                day_of_week=2 + number,
                start_time=dt.time(17),
                end_time=dt.time(18),
                timezone="America/Chicago",
                max_students=PLENTY,
            )
            CourseStepOption.objects.create(step=step, group_class=group_class)
    return course


def _term(course: Program) -> ProgramInstance:
    price = Price.objects.create(workspace=course.workspace, name=course.title, amount_minor=4900, currency="usd")
    return ProgramInstance.objects.create(workspace=course.workspace, program=course, name="Term", price=price)


def _cohort(term: ProgramInstance, name: str, *, weeks_later: int = 0) -> Cohort:
    start = utc_now().date() + dt.timedelta(weeks=2 + weeks_later)
    return Cohort.objects.create(
        instance=term,
        name=name,
        start_date=start,
        end_date=start + dt.timedelta(weeks=12),
        timezone="America/Chicago",
        max_enrollment=PLENTY,
        is_active=True,
    )


def _options(course: Program) -> list[list[tuple[int, int]]]:
    """Return (step, option) of every class, step by step."""
    return [[(step.pk, option.pk) for option in step.options.all()] for step in course.steps.all()]


@transaction.atomic
def _sell(cohorts: Sequence[Cohort], name: str, count: int) -> None:
    """Write what `start_checkout` leaves behind: a held place, an enrollment awaiting money, and an open checkout."""
    now = utc_now()
    instance = cohorts[0].instance
    workspace, price = instance.workspace, instance.price
    numbers = range(1, count + 1)
    chosen = [cohorts[number % len(cohorts)] for number in numbers]
    learners = Learner.objects.bulk_create(
        [
            Learner(
                workspace=workspace,
                identity=f"id:{name}-{number}",
                person=f"{name}-{number}",
                first_name="Jane",
                last_name="Doe",
                email=f"child{number}@{name}.test",
            )
            for number in numbers
        ],
        batch_size=BATCH,
    )
    enrollments = Enrollment.objects.bulk_create(
        [
            Enrollment(
                workspace=workspace,
                instance=instance,
                learner=learner,
                identification_type=IdentificationType.CUSTOMER_ID,
                eligibility_status=EligibilityStatus.SUBMITTED,
                payment_status=EnrollmentPaymentStatus.PENDING,
                criteria_version=1,
                transition_count=3,
            )
            for learner in learners
        ],
        batch_size=BATCH,
    )
    places = CohortPlace.objects.bulk_create(
        [
            CohortPlace(cohort=cohort, learner=learner, enrollment=enrollment, held_until=now + HOLD_TIME)
            for cohort, learner, enrollment in zip(chosen, learners, enrollments, strict=True)
        ],
        batch_size=BATCH,
    )
    Checkout.objects.bulk_create(
        [
            Checkout(
                workspace=workspace,
                purpose=PURPOSE,
                subject=str(place.pk),
                price=price,
                description=f"{instance.program.title}, {place.cohort.name}",
                amount_minor=4900,
                currency="usd",
                stripe_session_id=f"cs_{name}_{number}",
                expires_at=now + HOLD_TIME,
                next_check_at=now + HOLD_TIME,
            )
            for number, place in zip(numbers, places, strict=True)
        ],
        batch_size=BATCH,
    )
    for cohort in cohorts:
        Cohort.objects.filter(pk=cohort.pk).update(held_places=chosen.count(cohort))
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE cohorts_cohortplace place SET checkout_id = checkout.id FROM billing_checkout checkout"
            " WHERE checkout.workspace_id = %s AND checkout.purpose = %s AND checkout.subject = place.id::text",
            [workspace.pk, PURPOSE],
        )
