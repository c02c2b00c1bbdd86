"""Every row lock of this app, in the one order that all transactions keep.

learner < account < cohort < class session < enrollment < place < checkout < payment < package, within a table by
primary key.
"""

from django.db.models import QuerySet

from accounts.models import Learner, User
from enrollments.locks import lock_enrollment

from .models import ClassSession, Cohort, CohortPlace, CohortSession, StudentPackage, WaitlistEntry
from .states import SEATED


def lock_learner(learner_id: int) -> Learner:
    """Purchases of one learner wait for each other."""
    return Learner.objects.select_for_update(no_key=True).get(pk=learner_id)


def lock_account(user_id: int) -> None:
    """What one account holds is counted by one of its requests at a time."""
    User.objects.select_for_update(no_key=True).only("pk").get(pk=user_id)


def lock_cohort(cohort_id: int) -> Cohort:
    return (
        Cohort.objects.select_for_update(of=("self",), no_key=True)
        .select_related("instance__program")
        .get(pk=cohort_id)
    )


def lock_sessions(session_ids: set[int]) -> dict[int, ClassSession]:
    rows = ClassSession.objects.select_for_update(of=("self",), no_key=True).select_related("group_class")
    return {row.pk: row for row in rows.filter(pk__in=session_ids).order_by("pk")}


def lock_place(place_id: int) -> CohortPlace:
    rows = CohortPlace.objects.select_for_update(of=("self",), no_key=True)
    return rows.select_related("learner", "cohort__instance__program", "enrollment__instance").get(pk=place_id)


def lock_package(package_id: int) -> StudentPackage:
    rows = StudentPackage.objects.select_for_update(of=("self",), no_key=True)
    return rows.select_related("learner", "program", "cohort", "enrollment").get(pk=package_id)


def lock_line(cohort_id: int) -> QuerySet[WaitlistEntry]:
    """The waiting list of a cohort, whose row is locked: that alone keeps two from changing the line at once."""
    return WaitlistEntry.objects.filter(cohort=cohort_id).select_related("learner", "cohort__instance")


def lock_place_subject(subject: str) -> None:
    """What billing calls before it locks a checkout of ours: everything that a payment or its end may touch."""
    place = CohortPlace.objects.values("pk", "cohort_id", "enrollment_id").get(pk=int(subject))
    lock_cohort(place["cohort_id"])
    fixed = CohortSession.objects.filter(cohort=place["cohort_id"]).values_list("class_session_id", flat=True)
    held = ClassSession.objects.filter(bookings__package__place=place["pk"], bookings__status__in=SEATED)
    lock_sessions({*fixed, *held.values_list("pk", flat=True)})
    if place["enrollment_id"] is not None:
        lock_enrollment(place["enrollment_id"])
    lock_place(place["pk"])
