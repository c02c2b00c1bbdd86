"""What learners own in this app, for merging two who are the same person: rows move unless both hold the same thing."""

from django.db.models import QuerySet

from accounts.belongings import Belonging, register_belonging
from billing.models import Voucher

from .locks import lock_cohorts_where_learner_waits
from .models import CohortPlace, StudentPackage, WaitlistEntry


def _find_double_courses(keep_id: int, drop_id: int) -> list[str]:
    """Find courses that both have bought, or are about to buy: a paid second one could only be refunded."""
    theirs = _courses_of(drop_id)
    return [
        f"Both have the course {title} or are about to pay for it: end one of the two, or let its time to pay run out."
        for course_id, title in sorted(_courses_of(keep_id).items())
        if course_id in theirs
    ]


def _courses_of(learner_id: int) -> dict[int, str]:
    places = CohortPlace.objects.occupying().filter(learner=learner_id)
    packages = StudentPackage.objects.live().filter(learner=learner_id)
    return {
        **dict(places.values_list("cohort__instance__program_id", "cohort__instance__program__title")),
        **dict(packages.values_list("program_id", "program__title")),
    }


def _find_double_lines(keep_id: int, drop_id: int) -> list[str]:
    """Find lines in which both wait, and cohorts in which one waits while the other has a place."""
    return [
        *(
            f"Both wait for {entry.cohort}: take one of the two off its waiting list first."
            for entry in _waiting(keep_id).filter(cohort__in=_waiting(drop_id).values("cohort"))
        ),
        *_find_needless_lines(keep_id, drop_id),
        *_find_needless_lines(drop_id, keep_id),
    ]


def _find_needless_lines(waits_id: int, has_id: int) -> list[str]:
    places = CohortPlace.objects.occupying().filter(learner=has_id)
    return [
        f"Learner {has_id} has a place in {entry.cohort}, for which learner {waits_id} waits: take the latter off its "
        "waiting list first."
        for entry in _waiting(waits_id).filter(cohort__in=places.values("cohort"))
    ]


def _waiting(learner_id: int) -> QuerySet[WaitlistEntry]:
    lines = WaitlistEntry.objects.in_line().filter(learner=learner_id)
    return lines.select_related("cohort").order_by("cohort")


register_belonging(
    Belonging(
        CohortPlace,
        "learner",
        "places in cohorts",
        lock=lock_cohorts_where_learner_waits,
        find_clashes=_find_double_courses,
    )
)
register_belonging(Belonging(WaitlistEntry, "learner", "places in line", find_clashes=_find_double_lines))
# Billing's lock can't know that vouchers are locked after places and before packages.
register_belonging(Belonging(Voucher, "learner", "vouchers"))
register_belonging(Belonging(StudentPackage, "learner", "courses"))
