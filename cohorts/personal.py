"""The personal data that this app stores, and what erasing a person does to it (`core.personal`)."""

from core.personal import Fate, Kind, Person, Personal, kept, words

from .models import CalendarFeed, CohortPlace, GroupClass, StepProgress, StudentPackage, WaitlistEntry
from .states import IN_LINE, PlaceStatus

PERSONAL = (
    Personal(
        CalendarFeed,
        {"token": Kind.ACCOUNT},
        Fate.DELETED,
        lambda person: CalendarFeed.objects.filter(user__in=person.users),
    ),
    words(CohortPlace, lambda person: CohortPlace.objects.filter(learner__in=person.learners), "release_reason"),
    words(WaitlistEntry, lambda person: WaitlistEntry.objects.filter(learner__in=person.learners), "note"),
    words(StudentPackage, lambda person: StudentPackage.objects.filter(learner__in=person.learners), "revoke_reason"),
    words(StepProgress, lambda person: StepProgress.objects.filter(package__learner__in=person.learners), "excuse"),
    kept(GroupClass, "of the workspace", teacher=Kind.STAFF),
)


def obstacles(person: Person) -> list[str]:
    """Return what the learner holds of a cohort: what each is, and what to do first."""
    held = CohortPlace.objects.filter(learner__in=person.learners, status=PlaceStatus.HELD).select_related("cohort")
    waiting = WaitlistEntry.objects.filter(learner__in=person.learners, status__in=IN_LINE).select_related("cohort")
    return [
        *(f"A place in {row.cohort} is held for them: release it." for row in held.order_by("pk")),
        *(f"{row}: take them out." for row in waiting.order_by("pk")),
    ]
