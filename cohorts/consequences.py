"""What giving up a place brings, told beforehand to staff: the one place for every button that frees or adds some."""

import datetime as dt

from billing.purposes import Stake
from enrollments.consequences import tell_mail_about_end
from notifications.recipients import family_addresses

from .models import Cohort, CohortPlace, StepProgress, StudentPackage, WaitlistEntry
from .sale.waitlist import find_served
from .states import StepStatus


def tell_end_of_holding(enrollment_id: int, now: dt.datetime) -> list[str]:
    """What the end of an enrollment frees here: the course that it bought, and what is being paid for."""
    package = (
        StudentPackage.objects.live()
        .filter(enrollment=enrollment_id)
        .select_related("cohort__instance__program")
        .first()
    )
    told = tell_end_of_package(package, now) if package else []
    unpaid = CohortPlace.objects.in_checkout().filter(enrollment=enrollment_id).select_related("cohort", "checkout")
    for place in unpaid.order_by("pk"):
        asked = f" over {place.checkout.money}" if place.checkout else ""
        told.append(f"The payment page{asked} for a place in {place.cohort} ends, and the place is free then.")
    return told


def tell_end_of_package(package: StudentPackage, now: dt.datetime) -> list[str]:
    """Who gets the place, and how many sessions are given back."""
    return [*tell_freed_place(package.cohort, now), *tell_end_of_sessions(package)]


def tell_end_of_sessions(package: StudentPackage) -> list[str]:
    """How many booked sessions are given back when the place goes."""
    booked = StepProgress.objects.filter(package=package, status=StepStatus.BOOKED).count()
    return [f"Booked sessions that are given back: {booked}."] if booked else []


def find_stake_of_payment(payment_id: int, now: dt.datetime) -> Stake | None:
    """The course that a payment holds, for staff who think of sending it back."""
    live = StudentPackage.objects.live().filter(payment=payment_id)
    package = live.select_related("learner", "program", "cohort__instance__program", "enrollment__learner").first()
    if package is None:
        return None
    what = f"the place in {package.cohort.name} and the course {package.program.title}"
    freed = [*tell_end_of_package(package, now), *tell_mail_about_end(package.enrollment, payment_id)]
    return Stake(str(package.learner), what, tuple(freed))


def tell_freed_place(cohort: Cohort, now: dt.datetime) -> list[str]:
    """Who gets a place that is given up, and the mail about it."""
    freed = f"The place in {cohort} is free again"
    served = find_served(cohort, freed=1, now=now)
    if served:
        learner = served[0].learner
        told = f"{freed}, and is offered to {learner}, who is next in line."
        return [told, *([f"A mail about it goes to the family of {learner}."] if family_addresses(learner) else [])]
    if WaitlistEntry.objects.waiting().filter(cohort=cohort).exists():
        return [f"{freed}, and as things stand it is offered to nobody."]
    return [f"{freed}; nobody waits for it."]


def tell_offers(cohort: Cohort, now: dt.datetime, *, places: int) -> list[str]:
    """Who of the line is offered one if there are `places` more of them, and how many are left."""
    served = find_served(cohort, freed=places, now=now)
    told = [f"Offered a place at once: {', '.join(str(entry.learner) for entry in served)}."] if served else []
    return [*told, f"Places left then: {cohort.places_left + places - len(served):,}."]
