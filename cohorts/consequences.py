"""The consequences, for staff to read beforehand, of giving up, adding, or taking a place or a seat in a session: the
one place for every button that does so.
"""

import datetime as dt
from collections import Counter
from collections.abc import Collection, Sequence

from django.db.models import Exists, OuterRef

from accounts.models import Learner
from backoffice.previews import tell_number
from billing.purposes import Stake
from enrollments.consequences import tell_mail_about_end
from notifications.recipients import addresses_of_families

from .models import (
    ClassSession,
    Cohort,
    CohortPlace,
    CohortSession,
    CourseStep,
    StepProgress,
    StudentPackage,
    WaitlistEntry,
)
from .queries import completed_by
from .sale.waitlist import find_served
from .states import StepStatus

TOLD_BY_NAME = 5


def tell_end_of_holding(enrollment_ids: Collection[int], now: dt.datetime) -> list[str]:
    """Return what the end of enrollments frees in this app: the courses they bought, and those being paid for."""
    live = StudentPackage.objects.live().filter(enrollment__in=enrollment_ids)
    packages = list(live.select_related("cohort__instance__program").order_by("pk"))
    told = []
    for cohort, number in Counter(package.cohort for package in packages).items():
        told += tell_freed_place(cohort, now, freed=number)
    told += tell_end_of_sessions(packages)
    in_checkout = CohortPlace.objects.in_checkout().filter(enrollment__in=enrollment_ids)
    unpaid = list(in_checkout.select_related("cohort", "checkout").order_by("pk"))
    for place in unpaid[:TOLD_BY_NAME]:
        asked = f" over {place.checkout.money}" if place.checkout else ""
        told.append(f"The payment page{asked} for a place in {place.cohort} ends, and the place is free then.")
    more = len(unpaid) - TOLD_BY_NAME
    return [*told, *tell_number("Other payment pages for places that end", max(more, 0))]


def tell_end_of_package(package: StudentPackage, now: dt.datetime) -> list[str]:
    """Say who gets the place, and how many sessions are given back."""
    return [*tell_freed_place(package.cohort, now), *tell_end_of_sessions([package])]


def tell_end_of_sessions(packages: Collection[StudentPackage]) -> list[str]:
    """Say how many booked sessions are given back along with the places."""
    booked = StepProgress.objects.filter(package__in=packages, status=StepStatus.BOOKED).count()
    return [f"Booked sessions that are given back: {booked}."] if booked else []


def find_stake_of_payment(payment_id: int, now: dt.datetime) -> Stake | None:
    """Return the course that a payment pays for, for staff who consider refunding it."""
    live = StudentPackage.objects.live().filter(payment=payment_id)
    package = live.select_related("learner", "program", "cohort__instance__program", "enrollment__learner").first()
    if package is None:
        return None
    what = f"the place in {package.cohort.name} and the course {package.program.title}"
    freed = [*tell_end_of_package(package, now), *tell_mail_about_end(package.enrollment, payment_id)]
    return Stake(str(package.learner), what, tuple(freed))


def tell_freed_place(cohort: Cohort, now: dt.datetime, *, freed: int = 1) -> list[str]:
    """Say who gets the places that are given up, and which mails are sent about it."""
    is_one = freed == 1
    told = f"The place in {cohort} is free again" if is_one else f"{freed:,} places in {cohort} are free again"
    served = [entry.learner for entry in find_served(cohort, freed=freed, now=now)]
    if served:
        of_many = f"{told}. Offered at once: {len(served):,}, to {_names(served)}."
        told = f"{told}, and is offered to {served[0]}, who is next in line." if is_one else of_many
        addresses = addresses_of_families(served)
        reached = [learner for learner in served if addresses.get(learner.pk)]
        return [told, *([f"A mail about it goes to the family of {_names(reached)}."] if reached else [])]
    if WaitlistEntry.objects.waiting().filter(cohort=cohort).exists():
        return [f"{told}, and as things stand {'it is' if is_one else 'they are'} offered to nobody."]
    return [f"{told}; nobody waits for {'it' if is_one else 'them'}."]


def _names(learners: Sequence[Learner]) -> str:
    more = len(learners) - TOLD_BY_NAME
    named = ", ".join(str(learner) for learner in learners[:TOLD_BY_NAME])
    return f"{named} and {more:,} more" if more > 0 else named


def tell_offers(cohort: Cohort, now: dt.datetime, *, places: int) -> list[str]:
    """Say who in the line would be offered one of `places` more places, and how many would be left."""
    served = find_served(cohort, freed=places, now=now)
    told = [f"Offered a place at once: {', '.join(str(entry.learner) for entry in served)}."] if served else []
    return [*told, f"Places left then: {cohort.places_left + places - len(served):,}."]


def tell_completions(progress_ids: Collection[int]) -> list[str]:
    """Say whose courses are completed once these steps are done."""
    packages = completed_by(progress_ids).select_related("learner", "program").order_by("pk")
    if len(packages) > TOLD_BY_NAME:
        return [f"Courses that are completed by it: {len(packages):,}."]
    return [f"{each.learner} completes {each.program.title} by it." for each in packages]


def tell_seat_given_back(session: ClassSession) -> str:
    """Say how many free seats a session has afterwards."""
    left = f"{session.seats_left + 1:,} of {session.max_students:,} are left then"
    return f"A seat in {session} is free again: {left}."


def tell_seat_taken(session: ClassSession) -> str:
    """Say how many seats a session has left afterwards."""
    return f"A seat in {session} is taken: {session.seats_left - 1:,} of {session.max_students:,} are left then."


def tell_new_seats(session: ClassSession, seats: int) -> list[str]:
    """Say how many seats there are afterwards, and how many are left."""
    if seats == session.max_students:
        return []
    return [f"Seats: {seats:,} instead of {session.max_students:,}; {seats - session.booked_count:,} are left then."]


def tell_removed_step(step: CourseStep) -> list[str]:
    """Say what is removed with a step, who no longer has to do it, and who completes the course because of that."""
    sessions = step.cohort_sessions.values("class_session").distinct().count()
    waiting = list(step.progress.values_list("pk", flat=True))
    present = CohortSession.objects.filter(cohort=OuterRef("pk")).exclude(step=step)
    emptied = Cohort.objects.filter(~Exists(present), instance__program=step.program_id, is_active=True)
    told = [
        f"Classes in which it is offered: {step.options.count():,}. Sessions for it: {sessions:,}.",
        f"Learners who no longer have to book it: {len(waiting):,}.",
        *(f"{cohort} is left without sessions, and closes." for cohort in emptied.order_by("pk")),
    ]
    return [*told, *tell_completions(waiting)]
