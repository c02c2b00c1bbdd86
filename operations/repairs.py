"""The breaches that a use case can repair, and which one does. All others need judgment: see docs/doctor.md."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

from django.db import models

from billing.checkout import settle_checkout
from billing.inbox import handle_event
from billing.models import Checkout, StripeEvent
from cohorts.learning.completion import complete_courses
from cohorts.learning.steps import recount_bookings
from cohorts.models import ClassSession, Cohort, CohortPlace, StudentPackage
from cohorts.sale.places import recount_places
from cohorts.sale.waitlist import end_overdue_hold
from core.actors import Actor
from core.errors import DomainError
from core.resealing import reseal_secrets
from enrollments.exit import withdraw_exit
from enrollments.models import DistrictSeatAllocation, Enrollment, PlannedExit
from enrollments.seats import recount_seats
from partners.certificates import follow_completion
from partners.models import Certificate, EnrollmentStep
from partners.progression import advance_to_next_step, withdraw_open_steps

from .subjects import find_subject

REASON = "Found by the doctor"


class NoRepair(DomainError):
    code = "no_repair"
    title = "No use case repairs this"


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """What repairs one row. `carry_out` may raise the refusals of its use case; repeating it changes nothing."""

    does: str
    model: type[models.Model] | None  # None: it needs no particular row
    carry_out: Callable[[int, Actor, dt.datetime], object]
    mails: str = "No mail is sent."


def repair_of(*, invariant: str, row: str) -> Repair | None:
    """Return the repair that fits the row, if there is one."""
    subject = find_subject(row)
    fitting = [
        repair
        for repair in REPAIRS.get(invariant, ())
        if repair.model is None or (subject is not None and subject[0] is repair.model)
    ]
    return fitting[0] if fitting else None


def repair(*, invariant: str, row: str, actor: Actor, now: dt.datetime) -> None:
    """Carry the repair out. Raises NoRepair if there is none, and the refusals of its use case."""
    found = repair_of(invariant=invariant, row=row)
    subject = find_subject(row)
    if found is None:
        raise NoRepair
    found.carry_out(subject[1] if subject else 0, actor, now)


def _handle(pk: int, actor: Actor, now: dt.datetime) -> None:
    handle_event(event_id=StripeEvent.objects.values_list("event_id", flat=True).get(pk=pk), now=now)


def _withdraw_step(pk: int, actor: Actor, now: dt.datetime) -> None:
    enrollment_id = EnrollmentStep.objects.values_list("enrollment_id", flat=True).get(pk=pk)
    withdraw_open_steps(enrollment_id=enrollment_id, reason=REASON, now=now)


def _follow_certificate(pk: int, actor: Actor, now: dt.datetime) -> None:
    follow_completion(enrollment_id=Certificate.objects.values_list("enrollment_id", flat=True).get(pk=pk), now=now)


_ASK_STRIPE = Repair(
    does="Asks Stripe about the checkout and records what became of it, as the sweep would.",
    model=Checkout,
    carry_out=lambda pk, actor, now: settle_checkout(checkout_id=pk, now=now),
    mails="Mails are sent if the answer is new: as if Stripe had told us.",
)

REPAIRS: dict[str, tuple[Repair, ...]] = {
    "core.secrets_are_sealed_with_the_newest_key": (
        Repair(
            does="Seals every secret that an older key has sealed with the newest one.",
            model=None,
            carry_out=lambda pk, actor, now: reseal_secrets(),
        ),
    ),
    "billing.live_checkouts_are_asked_about": (_ASK_STRIPE,),
    "billing.the_inbox_is_handled": (
        Repair(
            does="Asks Stripe what became of the object that the event is about, and records the answer.",
            model=StripeEvent,
            carry_out=_handle,
            mails="Mails are sent if the answer is new: as if Stripe had told us.",
        ),
    ),
    "enrollments.seat_counters_equal_their_holders": (
        Repair(
            does="Sets the allocation's two counters to the seats that are held.",
            model=DistrictSeatAllocation,
            carry_out=lambda pk, actor, now: recount_seats(allocation_id=pk, now=now),
        ),
    ),
    "enrollments.planned_exits_are_of_the_enrolled": (
        Repair(
            does="Withdraws the planned exit.",
            mails="The family is told.",
            model=PlannedExit,
            carry_out=lambda pk, actor, now: withdraw_exit(planned_exit_id=pk, actor=actor, now=now),
        ),
    ),
    "cohorts.place_counters_equal_their_holders": (
        Repair(
            does="Sets the cohort's two counters to the places that are held and taken.",
            model=Cohort,
            carry_out=lambda pk, actor, now: recount_places(cohort_id=pk),
        ),
    ),
    "cohorts.booked_counts_equal_their_holders": (
        Repair(
            does="Sets the session's count to the learners who hold a seat in it.",
            model=ClassSession,
            carry_out=lambda pk, actor, now: recount_bookings(session_id=pk),
        ),
    ),
    "cohorts.completion_follows_the_steps": (
        Repair(
            does="Completes the package if every required step of it is done.",
            model=StudentPackage,
            carry_out=lambda pk, actor, now: complete_courses(
                packages=StudentPackage.objects.filter(pk=pk), actor=actor, reason=REASON, now=now
            ),
        ),
    ),
    "cohorts.holds_end": (
        Repair(
            does="Releases the place, whose offer is over or whose checkout ended unpaid, for the next in line.",
            mails="The family whose offer it was is told, and the next.",
            model=CohortPlace,
            carry_out=lambda pk, actor, now: end_overdue_hold(place_id=pk, now=now),
        ),
    ),
    "partners.active_learners_have_something_to_do": (
        Repair(
            does="Queues the partner step whose turn it is, or ends the participation if none is left to do.",
            model=Enrollment,
            carry_out=lambda pk, actor, now: advance_to_next_step(enrollment_id=pk, actor=actor, now=now),
        ),
    ),
    "partners.open_steps_belong_to_active_learners": (
        Repair(
            does="Withdraws what the learner still had to do at partners, and has the partners told.",
            model=EnrollmentStep,
            carry_out=_withdraw_step,
        ),
    ),
    "partners.certificates_iff_complete": (
        Repair(
            does="Issues the certificate that was earned.",
            mails="The learner is told.",
            model=Enrollment,
            carry_out=lambda pk, actor, now: follow_completion(enrollment_id=pk, now=now),
        ),
        Repair(
            does="Revokes the certificate, which is no longer earned.",
            model=Certificate,
            carry_out=_follow_certificate,
        ),
    ),
}
