"""Reads that more than one caller needs: the public catalog, a course's cohorts and sessions, a learner's packages."""

import datetime as dt
from collections.abc import Collection

from django.db.models import Case, Count, Exists, F, Min, OuterRef, Prefetch, Q, QuerySet, Subquery, When
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils.http import urlencode

from accounts.families import learners_of
from accounts.models import User
from billing.models import Checkout
from billing.purposes import Matter, Offer, Service, as_subject, key_of
from core.compiled import compiled
from enrollments.models import Program, ProgramInstance
from enrollments.sellers import Holding, Sale

from .errors import CohortNotFound, CourseNotActive, CourseNotFound, PackageNotFound
from .models import (
    HAS_ROOM,
    Cohort,
    CohortPlace,
    CohortQuerySet,
    CohortSession,
    CourseStep,
    StepProgress,
    StepProgressQuerySet,
    StudentPackage,
    StudentPackageQuerySet,
)
from .states import DONE, StepStatus

# The possible orders of the catalog: their names in the API and on the pages, and the column of each.
SORTS = {
    "title": "title",
    "code": "code",
    "stepCount": "step_count",
    "priceInCents": "price_minor",
    "availableCohorts": "available_cohorts",
    "nextCohortStartDate": "next_start",
}


def course_programs() -> QuerySet[Program]:
    """Return the courses that anybody may look at: listed in the catalog and with steps."""
    return Program.objects.filter(Exists(CourseStep.objects.filter(program=OuterRef("pk"))), listed=True)


def get_course(*, code: str) -> Program:
    """Return a listed course by its code. Raises CourseNotFound; one that is switched off is still found."""
    course = course_programs().select_related("workspace").filter(code=code).first() if code.isprintable() else None
    if course is None:
        raise CourseNotFound(f"There is no course {code}.")
    return course


def get_active_course(*, code: str) -> Program:
    """Return a course that accepts enrollments. Raises CourseNotFound, CourseNotActive."""
    course = get_course(code=code)
    if not course.active:
        raise CourseNotActive(f"{course.title} is not taking enrollments at the moment.")
    return course


def get_cohort(*, course_code: str, cohort_id: int) -> Cohort:
    """Return a cohort of a course that accepts enrollments, whether or not the cohort does.

    Raises CourseNotFound, CourseNotActive, CohortNotFound.
    """
    course = get_active_course(code=course_code)
    cohorts = Cohort.objects.select_related("instance__program", "instance__price")
    cohort = cohorts.filter(pk=cohort_id, instance__program=course).first()
    if cohort is None:
        raise CohortNotFound(f"{course.title} has no cohort {cohort_id}.")
    return cohort


def browse_courses(*, now: dt.datetime, search: str = "", only_open: bool = False) -> QuerySet[Program]:
    """Return the catalog and its cards: `step_count`, `price_minor`, `currency`, `available_cohorts`, `next_start`."""
    offered = Cohort.objects.taking_enrollments(now=now)
    of_course = offered.filter(instance__program=OuterRef("pk"))
    mine = of_course.values("instance__program")
    free = of_course.with_room().values("instance__program")
    sold = Exists(offered.filter(instance=OuterRef("pk")))
    prices = ProgramInstance.objects.filter(sold, program=OuterRef("pk"), price__active=True)
    cheapest = prices.order_by("price__amount_minor", "price")
    steps = CourseStep.objects.filter(program=OuterRef("pk")).values("program")
    courses = (
        course_programs()
        .filter(active=True)
        .annotate(
            step_count=Subquery(steps.annotate(n=Count("pk")).values("n")),
            price_minor=Subquery(cheapest.values("price__amount_minor")[:1]),
            currency=Subquery(cheapest.values("price__currency")[:1]),
            available_cohorts=Coalesce(Subquery(free.annotate(n=Count("pk")).values("n")), 0),
            next_start=Subquery(mine.annotate(first=Min("start_date")).values("first")),
        )
    )
    if search:
        courses = courses.filter(Q(title__icontains=search) | Q(description__icontains=search) | Q(code__iexact=search))
    return courses.filter(available_cohorts__gt=0) if only_open else courses


def sort_courses(courses: QuerySet[Program], *, by: str, descending: bool = False) -> QuerySet[Program]:
    """Return the catalog in the order of one of SORTS; ties are ordered by title, so that pages never overlap. Courses
    without a value (no price, no cohort) come last either way.
    """
    column = F(SORTS[by])
    order = column.desc(nulls_last=True) if descending else column.asc(nulls_last=True)
    return courses.order_by(order, "title", "pk")


def with_sessions_left(cohorts: QuerySet[Cohort], *, now: dt.datetime) -> QuerySet[Cohort]:
    """Add the answer of `Cohort.has_sessions_left` to the same query."""
    coming = CohortSession.objects.filter(cohort=OuterRef("pk"), class_session__starts_at__gt=now)
    return cohorts.annotate(sessions_left=Exists(coming))


def cohorts_of(course: Program) -> CohortQuerySet:
    """Return a course's cohorts that were opened and have sessions, soonest first."""
    scheduled = Exists(CohortSession.objects.filter(cohort=OuterRef("pk")))
    return (
        Cohort.objects.opened()
        .filter(scheduled, instance__program=course)
        .select_related("instance__price", "instance__program")
        .order_by("start_date", "pk")
    )


def current_cohorts(course: Program, *, now: dt.datetime, first: Collection[int] = ()) -> QuerySet[Cohort]:
    """Return those that are not over, with their sessions. The `first` come first, then those that accept enrollments,
    then the full ones, which have a waiting list; each group soonest first.
    """
    shut = Q(enrollment_deadline__lt=now) | Q(instance__price__isnull=True) | Q(instance__price__active=False)
    order = Case(When(pk__in=first, then=0), When(shut, then=3), When(~HAS_ROOM, then=2), default=1)
    return with_course_page(cohorts_of(course).not_over(now=now)).order_by(order, "start_date", "pk")


def packages_under_way(cohort_id: int) -> StudentPackageQuerySet:
    """Return those with something left to attend: the course is not completed, or a session is booked."""
    booked = StepProgress.objects.filter(package=OuterRef("pk"), status=StepStatus.BOOKED)
    under_way = StudentPackage.objects.live().filter(Q(completed_at=None) | Exists(booked))
    return under_way.filter(cohort=cohort_id)


def with_course_page(cohorts: QuerySet[Cohort]) -> QuerySet[Cohort]:
    """Add everything that their course page shows of them."""
    sessions = CohortSession.objects.select_related("step", "class_session").order_by(
        "step__order", "class_session__starts_at", "pk"
    )
    related = cohorts.select_related("instance__price", "instance__program")
    return related.prefetch_related(Prefetch("sessions", sessions))


def packages_of(user: User) -> QuerySet[StudentPackage]:
    """Return the live packages of the learners a person may act for, with what the dashboard shows."""
    progress = StepProgress.objects.select_related("step", "class_session__group_class").order_by("step__order")
    return (
        StudentPackage.objects.live()
        .filter(learner__in=learners_of(user))
        .select_related("learner", "program", "cohort__instance", "payment", "enrollment")
        .prefetch_related(Prefetch("progress", progress))
        .order_by("-purchased_at", "-pk")
    )


def get_package_for(*, user: User, package_id: int) -> StudentPackage:
    """Return one of those packages. Raises PackageNotFound for anybody else's, a revoked, or an unknown one."""
    package = packages_of(user).filter(pk=package_id).first()
    if package is None:
        raise PackageNotFound("There is no such course among yours.")
    return package


def offered_by_step(*, cohort_id: int, now: dt.datetime) -> dict[int, list[CohortSession]]:
    """Return the cohort's sessions that have not started, by step id, soonest first."""
    rows = CohortSession.objects.filter(cohort=cohort_id, class_session__starts_at__gt=now).select_related(
        "step", "option__group_class", "class_session"
    )
    by_step: dict[int, list[CohortSession]] = {}
    for row in rows.order_by("class_session__starts_at", "pk"):
        by_step.setdefault(row.step_id, []).append(row)
    return by_step


def offered_by_cohort(*, cohort_ids: Collection[int], now: dt.datetime) -> dict[int, dict[int, list[CohortSession]]]:
    """Return the same for several cohorts in one query: sessions by step id by cohort id."""
    rows = CohortSession.objects.filter(cohort__in=cohort_ids, class_session__starts_at__gt=now)
    found: dict[int, dict[int, list[CohortSession]]] = {cohort_id: {} for cohort_id in cohort_ids}
    for row in rows.select_related("class_session").order_by("class_session__starts_at", "pk"):
        found[row.cohort_id].setdefault(row.step_id, []).append(row)
    return found


def unbooked_steps(package: StudentPackage, *, now: dt.datetime) -> list[tuple[CourseStep, list[CohortSession]]]:
    """Return the package's steps without a session, in order, with the sessions to choose from."""
    return bookable_steps(package, offered_by_step(cohort_id=package.cohort_id, now=now))


def bookable_steps(
    package: StudentPackage, offered: dict[int, list[CohortSession]]
) -> list[tuple[CourseStep, list[CohortSession]]]:
    """Return the same, given what its cohort offers."""
    rows = sorted(package.progress.all(), key=lambda row: (row.step.order, row.pk))
    return [
        (row.step, offered[row.step_id])
        for row in rows
        if row.status == StepStatus.UNBOOKED and offered.get(row.step_id)
    ]


def waiting_progress() -> StepProgressQuerySet:
    """Return unbooked steps of live, uncompleted packages."""
    unbooked = StepProgress.objects.of_live_packages().filter(status=StepStatus.UNBOOKED)
    return unbooked.filter(package__completed_at__isnull=True)


def stranded_progress(now: dt.datetime) -> StepProgressQuerySet:
    """Return those whose cohort has no future session for them."""
    coming = CohortSession.objects.filter(
        cohort=OuterRef("package__cohort"), step=OuterRef("step"), class_session__starts_at__gt=now
    )
    return waiting_progress().filter(~Exists(coming))


def steps_without_session(*, cohort: Cohort, now: dt.datetime) -> list[CourseStep]:
    """Return the course's steps that a newcomer to the cohort could no longer book, in order."""
    coming = CohortSession.objects.filter(cohort=cohort, step=OuterRef("pk"), class_session__starts_at__gt=now)
    return list(CourseStep.objects.filter(~Exists(coming), program=cohort.instance.program_id).order_by("order"))


def due_to_complete() -> QuerySet[StudentPackage]:
    """Return live packages that have required steps, all of them done, but are not completed."""
    return _done_but_for(())


def completed_by(progress_ids: Collection[int]) -> QuerySet[StudentPackage]:
    """Return the packages that are completed once these steps are done."""
    return _done_but_for(progress_ids).filter(pk__in=StepProgress.objects.filter(pk__in=progress_ids).values("package"))


def _done_but_for(progress_ids: Collection[int]) -> QuerySet[StudentPackage]:
    required = StepProgress.objects.filter(package=OuterRef("pk"), step__required=True)
    left = required.exclude(status__in=DONE).exclude(pk__in=progress_ids)
    return StudentPackage.objects.live().filter(Exists(required), ~Exists(left), completed_at__isnull=True)


def find_learner_of_place(subject: str) -> int | None:
    """Return the learner for whom a place is paid, by the subject of its checkout."""
    return CohortPlace.objects.filter(pk=key_of(subject)).values_list("learner_id", flat=True).first()


def find_service_of_place(subject: str) -> Service | None:
    """Return what is provided for the price of a place."""
    found = _service.first(key_of(subject))
    return Service(*found) if found else None


@compiled
def _service(place_id: int) -> QuerySet[CohortPlace, tuple[str, str, dt.date, dt.date]]:
    return CohortPlace.objects.filter(pk=place_id).values_list(
        "learner__first_name", "learner__cuid", "cohort__start_date", "cohort__end_date"
    )


def find_prices_of_places(subjects: Collection[str]) -> dict[str, int | None]:
    """Return the current price of each place, by the subject of its checkout."""
    rows = CohortPlace.objects.filter(pk__in=[key_of(subject) for subject in subjects])
    return {str(pk): price_id for pk, price_id in rows.values_list("pk", "cohort__instance__price")}


def find_sales_of_places(enrollment_ids: Collection[int], now: dt.datetime) -> dict[int, Sale]:
    """Return the latest checkout for a place of each of these enrollments."""
    places = (
        CohortPlace.objects.filter(enrollment__in=enrollment_ids, checkout__isnull=False)
        .select_related("checkout", "learner", "cohort__instance__program", "waitlist_entry")
        .prefetch_related("checkout__payments__refunds")
        .order_by("pk")
    )
    open_now = Cohort.objects.taking_enrollments(now=now).filter(instance__program__listed=True)
    on_sale = set(open_now.filter(pk__in={place.cohort_id for place in places}).values_list("pk", flat=True))
    return {
        place.enrollment_id: _sale(place, place.checkout, is_on_sale=place.cohort_id in on_sale)
        for place in places
        if place.enrollment_id and place.checkout
    }


def find_holdings_of_courses(enrollment_ids: Collection[int], now: dt.datetime) -> dict[int, Holding]:
    """Return the course that each of these enrollments bought, while it has it."""
    to_come = Count(
        "progress", filter=Q(progress__status=StepStatus.BOOKED, progress__class_session__starts_at__gt=now)
    )
    live = StudentPackage.objects.live().filter(enrollment__in=enrollment_ids).annotate(to_come=to_come)
    rows = live.values_list("enrollment_id", "cohort__name", "cohort__start_date", "to_come")
    return {pk: Holding(name, starts_on, sessions) for pk, name, starts_on, sessions in rows}


def _sale(place: CohortPlace, checkout: Checkout, *, is_on_sale: bool) -> Sale:
    where = [place.cohort.instance.program.code, place.cohort_id]
    again = f"{reverse('course-enroll', args=where)}?{urlencode({'learner': place.learner.cuid})}"
    return Sale(checkout, reverse("course-leave-payment", args=where), again if is_on_sale else "", place.kept_until)


def describe_place(subject: str) -> tuple[str, str]:
    """Return what staff read where billing refers to a place as the thing paid for: a label and its page."""
    return f"Place {subject} in a cohort", reverse("admin:cohorts_cohortplace_change", args=[subject])


def find_matters_of_places(subjects: Collection[str]) -> dict[str, Matter]:
    """Return what the checkouts for these places are about."""
    rows = CohortPlace.objects.filter(pk__in=map(key_of, subjects))
    return {
        as_subject(place.pk): Matter(
            str(place.learner),
            f"{place.cohort.instance.program.title}, {place.cohort.name}",
            reverse("admin:cohorts_cohortplace_change", args=[place.pk]),
        )
        for place in rows.select_related("learner", "cohort__instance__program")
    }


def find_places_of_learners(learner_ids: Collection[int]) -> list[str]:
    """Return the places of these learners, as their checkouts name them."""
    rows = CohortPlace.objects.filter(learner__in=learner_ids)
    return [as_subject(pk) for pk in rows.values_list("pk", flat=True)]


def find_cohorts_offered(workspace_ids: Collection[int] | None) -> dict[str, Offer]:
    """Return cohorts as offers to which a voucher can be limited."""
    cohorts = Cohort.objects.select_related("instance__program").order_by("-start_date", "pk")
    if workspace_ids is not None:
        cohorts = cohorts.filter(instance__workspace__in=workspace_ids)
    return {
        cohort_offer(each.pk): Offer(each.instance.workspace_id, f"{each.instance.program.title}, {each.name}")
        for each in cohorts
    }


def cohort_offer(cohort_id: int) -> str:
    """Return the name by which a voucher is limited to a cohort."""
    return f"cohort:{cohort_id}"
