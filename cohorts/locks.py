"""Every row lock of this app, in the one order that all transactions keep.

learner < account < household < allocation < cohort < class < class session < enrollment < place < checkout <
payment < package < booking, within a table by primary key.
"""

from collections.abc import Collection, Iterable

from django.db import connection
from django.db.models import QuerySet

from accounts.learners import LearnerMerged, lock_live_learner, lock_owner_in
from accounts.models import Learner, User
from billing.purposes import key_of
from core.compiled import compiled
from core.rows import lock_rows
from enrollments.locks import lock_allocation_of
from enrollments.models import Enrollment

from .models import (
    ClassSession,
    Cohort,
    CohortPlace,
    CohortSession,
    GroupClass,
    StepProgress,
    StudentPackage,
    StudentPackageQuerySet,
    WaitlistEntry,
)
from .states import PlaceStatus, StepStatus


def lock_learner(learner_id: int) -> Learner:
    """Lock the learner: purchases for one learner wait for each other, and for a merge. Raises LearnerMerged."""
    return lock_live_learner(learner_id)


def lock_account(user_id: int) -> None:
    """Lock the account, so that one request at a time counts what it holds."""
    User.objects.select_for_update(no_key=True).only("pk").get(pk=user_id)


def lock_household(guardian_ids: Iterable[int]) -> None:
    """Lock the family, so that one request at a time counts what it has, whichever guardian asks. Not by its rows:
    payments lock those last. SQLite needs nothing, because a transaction that writes has the database to itself.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            for guardian_id in sorted(guardian_ids):
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [guardian_id])


def lock_learner_of_package(package_id: int) -> StudentPackage | None:
    """Return the package as it is once its learner is locked; None if there is none. Raises LearnerMerged."""
    learner = _learner_of_package.first(package_id)
    if learner is None:
        return None
    package = _package.get(package_id)
    if package.learner_id != learner.pk:
        raise LearnerMerged
    package.learner = learner
    return package


@compiled
def _learner_of_package(package_id: int) -> QuerySet[Learner]:
    return Learner.objects.select_for_update(of=("self",), no_key=True).filter(packages=package_id)


@compiled
def _package(package_id: int) -> QuerySet[StudentPackage]:
    return StudentPackage.objects.filter(pk=package_id)


def lock_cohort(cohort_id: int) -> Cohort:
    return (
        Cohort.objects.select_for_update(of=("self",), no_key=True)
        .select_related("instance__program")
        .get(pk=cohort_id)
    )


def lock_cohorts_where_learner_waits(keep_id: int, drop_id: int) -> None:
    """Lock the cohorts whose lines the dropped learner waits in; each may offer either one a place. Both are locked."""
    lines = WaitlistEntry.objects.in_line().filter(learner=drop_id)
    lock_rows(Cohort, *lines.values_list("cohort_id", flat=True))


def lock_cohorts_of(program_id: int) -> None:
    """Lock all cohorts of a course, for changes of the course itself."""
    cohorts = Cohort.objects.select_for_update(of=("self",), no_key=True).filter(instance__program=program_id)
    list(cohorts.order_by("pk").values_list("pk"))


def lock_classes(class_ids: Iterable[int]) -> None:
    """Lock classes, for whoever says when they meet: schedules a session, moves one, or changes the time zone."""
    lock_rows(GroupClass, *set(class_ids))


def lock_sessions(session_ids: set[int]) -> dict[int, ClassSession]:
    rows = ClassSession.objects.select_for_update(of=("self",), no_key=True).select_related("group_class")
    return {row.pk: row for row in rows.filter(pk__in=session_ids).order_by("pk")}


def lock_owner_of_place(place_id: int) -> None:
    """Lock the learner, before the cohort, for a caller that ends a hold."""
    lock_owner_in(lock=lambda: _owner_to_lock.all(place_id), find=lambda: _owner_of_place.all(place_id))


def lock_place(place_id: int) -> CohortPlace:
    return _place_to_change.get(place_id)


@compiled
def _owner_to_lock(place_id: int) -> QuerySet[Learner, int]:
    owners = Learner.objects.select_for_update(of=("self",), no_key=True)
    return owners.filter(places=place_id).values_list("pk", flat=True)


@compiled
def _owner_of_place(place_id: int) -> QuerySet[CohortPlace, tuple[int]]:
    return CohortPlace.objects.filter(pk=place_id).values_list("learner_id")


@compiled
def _place_to_change(place_id: int) -> QuerySet[CohortPlace]:
    rows = CohortPlace.objects.select_for_update(of=("self",), no_key=True)
    joined = rows.select_related("learner", "cohort__instance__program", "enrollment__instance__workspace", "checkout")
    return joined.filter(pk=place_id)


def lock_enrollment_row(enrollment_id: int) -> None:
    """Lock the enrollment, before its place and package, for a caller that does not read it."""
    lock_rows(Enrollment, enrollment_id)


def lock_package(package_id: int) -> StudentPackage:
    return StudentPackage.objects.select_for_update(no_key=True).get(pk=package_id)


def lock_package_row(package_id: int) -> None:
    """Lock the package, for callers that have already read it."""
    lock_rows(StudentPackage, package_id)


def lock_unfinished(packages: StudentPackageQuerySet) -> list[int]:
    """Lock the enrollments of those of these packages that are not completed, then the packages; returns their ids."""
    unfinished = packages.live().filter(completed_at__isnull=True)
    rows = list(unfinished.order_by("enrollment_id").values_list("pk", "enrollment_id"))
    lock_rows(Enrollment, *[enrollment for _, enrollment in rows])
    lock_rows(StudentPackage, *sorted(package for package, _ in rows))
    return [package for package, _ in rows]


def lock_packages_in_session(session_id: int) -> None:
    """Lock the enrollments of everybody who has a seat in a session, then their packages."""
    seated = StepProgress.objects.seated().filter(class_session=session_id)
    rows = list(seated.values_list("package_id", "package__enrollment_id"))
    lock_rows(Enrollment, *[enrollment for _, enrollment in rows])
    lock_rows(StudentPackage, *[package for package, _ in rows])


def lock_held_for_enrollments(enrollment_ids: Collection[int]) -> None:
    """Lock the cohorts of the places, and the booked sessions, of enrollments that end; the enrollments app calls this
    before it locks them.

    The learners are locked, so any move of theirs is over, and the cohorts that are locked are those they moved to.
    """
    places = CohortPlace.objects.occupying().filter(enrollment__in=enrollment_ids)
    lock_rows(Cohort, *places.values_list("cohort_id", flat=True))
    booked = StepProgress.objects.filter(package__enrollment__in=enrollment_ids, status=StepStatus.BOOKED)
    lock_rows(ClassSession, *booked.values_list("class_session_id", flat=True))


def lock_place_subject(subject: str) -> None:
    """Lock everything that a payment or its end may change, including where the learner was moved since; billing calls
    this before it locks one of our checkouts.

    Everything except the cohort and the sessions of a held place: taking it or giving it up needs no room, so the
    cohort is counted late, and others do not wait while the rest is written. A caller that ends a hold has locked its
    learner.
    """
    place_id = key_of(subject)
    # This waits for their bookings elsewhere: sessions booked with the place must not overlap with those.
    rows = lock_owner_in(lock=lambda: _owner_to_lock.all(place_id), find=lambda: _place_with_packages.all(place_id))
    _, status, cohort_id, enrollment_id, _ = rows[0]
    if enrollment_id is not None:
        lock_allocation_of(enrollment_id)
    if status != PlaceStatus.HELD:
        moved_to = {other_id for *_, other_id in rows if other_id is not None}
        lock_rows(Cohort, *sorted({cohort_id} | moved_to))
        _lock_sessions(cohort_id, enrollment_id)
    if enrollment_id is not None:
        lock_rows(Enrollment, enrollment_id)
    lock_rows(CohortPlace, place_id)


def lock_sessions_of_purchase(*, cohort_id: int) -> None:
    """Lock the sessions that a purchase in this cohort may take, once the cohort is locked."""
    _lock_sessions(cohort_id, None)


def _lock_sessions(cohort_id: int, enrollment_id: int | None) -> None:
    """Lock the sessions that a purchase may take in the cohort, and those that it may give back anywhere."""
    _sessions_concerned.all(cohort_id, enrollment_id)


@compiled
def _sessions_concerned(cohort_id: int, enrollment_id: int) -> QuerySet[ClassSession, int]:
    offered = CohortSession.objects.filter(cohort=cohort_id).values("class_session")
    held = StepProgress.objects.seated().filter(package__enrollment=enrollment_id).values("class_session")
    either = ClassSession.objects.filter(pk__in=offered.union(held)).order_by("pk")
    return either.select_for_update(no_key=True).values_list("pk", flat=True)


@compiled
def _place_with_packages(place_id: int) -> QuerySet[CohortPlace, tuple[int, str, int, int | None, int | None]]:
    columns = ("learner_id", "status", "cohort_id", "enrollment_id", "enrollment__packages__cohort_id")
    return CohortPlace.objects.filter(pk=place_id).values_list(*columns)
