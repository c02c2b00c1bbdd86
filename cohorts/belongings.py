"""What learners have here, for when two of them turn out to be one: it moves, unless both hold the same."""

from django.db.models import QuerySet

from accounts.belongings import Belonging, register_belonging
from billing.models import Voucher

from .locks import lock_cohorts_where_learner_waits
from .models import CohortPlace, StudentPackage, WaitlistEntry


def _find_double_courses(keep_id: int, drop_id: int) -> list[str]:
    """A course may be bought, or be about to be, once; a paid second one could only be sent back."""
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
    """Somebody waits once, and not for a cohort in which they have a place."""
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
# Billing's, which can't know that vouchers are locked after places and before packages.
register_belonging(Belonging(Voucher, "learner", "vouchers"))
register_belonging(Belonging(StudentPackage, "learner", "courses"))
