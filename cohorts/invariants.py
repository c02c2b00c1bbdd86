"""The invariants of places, packages, and sessions, and of the money that pays for them.

The models define which rows are live or held, as everywhere else; conditions that a guard should already ensure are
spelled out.
"""

import datetime as dt
from collections.abc import Iterator

from django.db.models import CharField, Count, Exists, F, OuterRef, Q
from django.db.models.functions import Cast

from billing.models import Checkout, Payment
from billing.states import LIVE_CHECKOUTS, PaymentStatus
from core.invariants import Breach, Extent, Invariant
from enrollments.invariants import idle_payments, misnoted
from enrollments.models import Enrollment, EnrollmentDecision
from enrollments.states import OFFLINE_PURPOSE, PAID, EligibilityStatus, ParticipationStatus

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
from .queries import due_to_complete
from .states import OCCUPYING, PURPOSE, SEATED, PlaceStatus, StepStatus, WaitStatus

# How long after its end an offer may wait for the sweep.
OFFERS_END_WITHIN = dt.timedelta(minutes=15)


def place_counters_equal_their_holders(extent: Extent) -> Iterator[Breach]:
    """A cohort's counters equal the sums of its places, and never exceed its capacity."""
    rows = (
        extent.of(Cohort.objects.all(), "instance__workspace")
        .annotate(
            held=Count("places", filter=Q(places__status=PlaceStatus.HELD)),
            taken=Count("places", filter=Q(places__status=PlaceStatus.TAKEN)),
        )
        .exclude(held_places=F("held"), current_enrollment=F("taken"), max_enrollment__gte=F("held") + F("taken"))
        .values_list("pk", "current_enrollment", "held_places", "taken", "held", "max_enrollment")
    )
    for pk, counted_taken, counted_held, taken, held, most in rows.iterator():
        fact = f"counts {counted_taken} taken and {counted_held} held of {most}; {taken} and {held} are"
        yield Breach(f"cohort {pk}", fact)


def one_place_per_learner_and_cohort(extent: Extent) -> Iterator[Breach]:
    places = extent.of(CohortPlace.objects.all(), "learner__workspace").filter(status__in=OCCUPYING)
    for found in places.values("cohort", "learner").annotate(count=Count("pk")).filter(count__gt=1).iterator():
        yield Breach(f"cohort {found['cohort']}", f"learner {found['learner']} has {found['count']} places")


def booked_counts_equal_their_holders(extent: Extent) -> Iterator[Breach]:
    """A meeting's count is the number of steps that hold a seat in it, and never exceeds its seats."""
    rows = (
        extent.of(ClassSession.objects.all(), "group_class__workspace")
        .annotate(seated=Count("bookings", filter=Q(bookings__status__in=SEATED)))
        .exclude(booked_count=F("seated"), max_students__gte=F("seated"))
        .values_list("pk", "booked_count", "seated", "max_students")
    )
    for pk, counted, seated, most in rows.iterator():
        yield Breach(f"class session {pk}", f"counts {counted} booked of {most}; {seated} are")


def one_live_package_per_learner_and_program(extent: Extent) -> Iterator[Breach]:
    live = extent.of(StudentPackage.objects.live(), "learner__workspace")
    for found in live.values("learner", "program").annotate(count=Count("pk")).filter(count__gt=1).iterator():
        yield Breach(f"learner {found['learner']}", f"owns program {found['program']} {found['count']} times")


def live_packages_have_their_place(extent: Extent) -> Iterator[Breach]:
    """A live package has a taken place in its cohort and an approved enrollment; a revoked one has neither."""
    packages = extent.of(StudentPackage.objects.all(), "learner__workspace")
    good = Q(place__status=PlaceStatus.TAKEN, place__cohort=F("cohort"), place__learner=F("learner"))
    good &= Q(enrollment__eligibility_status=EligibilityStatus.APPROVED)
    live_packages = extent.of(StudentPackage.objects.live(), "learner__workspace")
    for pk in live_packages.exclude(good).values_list("pk", flat=True).iterator():
        yield Breach(f"package {pk}", "is live without a taken place and an approved enrollment")
    live = StudentPackage.objects.live().filter(place=OuterRef("place"))
    kept = packages.filter(place__status__in=OCCUPYING).exclude(Exists(live))
    for pk in kept.values_list("pk", flat=True).iterator():
        yield Breach(f"package {pk}", "is revoked but keeps its place")


def taken_places_have_their_package(extent: Extent) -> Iterator[Breach]:
    taken = extent.of(CohortPlace.objects.all(), "learner__workspace").filter(status=PlaceStatus.TAKEN)
    live = StudentPackage.objects.live().filter(place=OuterRef("pk"))
    for pk in taken.exclude(Exists(live)).values_list("pk", flat=True).iterator():
        yield Breach(f"place {pk}", "is taken without a live package")


def one_progress_per_package_and_step(extent: Extent) -> Iterator[Breach]:
    """A package has exactly one row for each step."""
    rows = extent.of(StepProgress.objects.all(), "package__learner__workspace").values("package", "step")
    for found in rows.annotate(count=Count("pk")).filter(count__gt=1).iterator():
        yield Breach(f"package {found['package']}", f"has {found['count']} rows about step {found['step']}")


def steps_hold_a_session_while_they_are_seated(extent: Extent) -> Iterator[Breach]:
    """A step that is booked, attended, or missed has a class session; any other step has none."""
    rows = extent.of(StepProgress.objects.all(), "package__learner__workspace")
    nowhere = rows.filter(status__in=SEATED, class_session__isnull=True)
    kept = rows.filter(class_session__isnull=False).exclude(status__in=SEATED)
    for pk, status, session in (nowhere | kept).values_list("pk", "status", "class_session").iterator():
        yield Breach(f"booking {pk}", f"{status}, with {f'session {session}' if session else 'no session'}")


def steps_hold_a_session_of_their_own(extent: Extent) -> Iterator[Breach]:
    """A booked step has a seat in a session of its cohort, step, and option; attended ones may outlive a move."""
    rows = extent.of(StepProgress.objects.all(), "package__learner__workspace")
    rows = rows.filter(status=StepStatus.BOOKED)
    offered = CohortSession.objects.filter(
        cohort=OuterRef("package__cohort"),
        step=OuterRef("step"),
        option=OuterRef("option"),
        class_session=OuterRef("class_session"),
    )
    for pk in rows.exclude(Exists(offered)).values_list("pk", flat=True).iterator():
        yield Breach(f"booking {pk}", "is booked in a session that its cohort does not offer for that step")


def packages_have_every_step(extent: Extent) -> Iterator[Breach]:
    """A live package has a row for each step of its course, whenever that was added, and none of another program."""
    rows = extent.of(StepProgress.objects.all(), "package__learner__workspace")
    foreign = rows.exclude(step__program=F("package__program"))
    for pk in foreign.values_list("pk", flat=True).iterator():
        yield Breach(f"booking {pk}", "is about a step of another program")
    known = StepProgress.objects.filter(package=OuterRef(OuterRef("pk")), step=OuterRef("pk"))
    unknown = CourseStep.objects.filter(program=OuterRef("program")).exclude(Exists(known))
    live = extent.of(StudentPackage.objects.live(), "learner__workspace")
    for pk in live.filter(Exists(unknown)).values_list("pk", flat=True).iterator():
        yield Breach(f"package {pk}", "lacks a step of its course")


def completion_follows_the_steps(extent: Extent) -> Iterator[Breach]:
    """A live package with every required step done is completed, and its participation ends with it and never alone."""
    due = extent.of(due_to_complete(), "learner__workspace")
    for pk in due.values_list("pk", flat=True).iterator():
        yield Breach(f"package {pk}", "has every required step done but is not completed")
    packages = extent.of(StudentPackage.objects.all(), "learner__workspace")
    live = extent.of(StudentPackage.objects.live(), "learner__workspace")
    ended = Q(enrollment__participation_status=ParticipationStatus.COMPLETED)
    for pk in packages.filter(completed_at__isnull=False).exclude(ended).values_list("pk", flat=True).iterator():
        yield Breach(f"package {pk}", "is completed, but its participation is not")
    alone = live.filter(ended, completed_at__isnull=True)
    for pk in alone.values_list("pk", flat=True).iterator():
        yield Breach(f"package {pk}", "is not completed, but its participation is")


def holds_end(extent: Extent) -> Iterator[Breach]:
    """A held place has a live checkout, or an offer that has not expired."""
    held = extent.of(CohortPlace.objects.all(), "learner__workspace").filter(status=PlaceStatus.HELD)
    by_checkout = Q(checkout__status__in=LIVE_CHECKOUTS)
    by_offer = Q(checkout__isnull=True, held_until__gt=extent.now - OFFERS_END_WITHIN)
    for pk in held.exclude(by_checkout | by_offer).values_list("pk", flat=True).iterator():
        yield Breach(f"place {pk}", "is held by nothing that will end")


def offers_hold_a_place(extent: Extent) -> Iterator[Breach]:
    offered = extent.of(WaitlistEntry.objects.all(), "learner__workspace").filter(status=WaitStatus.OFFERED)
    for pk in offered.exclude(place__status=PlaceStatus.HELD).values_list("pk", flat=True).iterator():
        yield Breach(f"waitlist entry {pk}", "was offered a place that is not held")


def live_checkouts_hold_a_place(extent: Extent) -> Iterator[Breach]:
    """Nobody can pay for a place that is gone."""
    live = extent.of(Checkout.objects.all()).filter(purpose=PURPOSE, status__in=LIVE_CHECKOUTS)
    holding = CohortPlace.objects.filter(checkout=OuterRef("pk"), status=PlaceStatus.HELD)
    for pk in live.exclude(Exists(holding)).values_list("pk", flat=True).iterator():
        yield Breach(f"checkout {pk}", "can be paid, but its place is not held")


def settled_payments_bought_something(extent: Extent) -> Iterator[Breach]:
    """A payment for a place bought a package, or is accounted for in another way (`idle_payments`)."""
    bought = StudentPackage.objects.live().filter(payment=OuterRef("pk"))
    idle = idle_payments(extent, purpose=PURPOSE, at_work=bought)
    for pk, status in idle.values_list("pk", "status").iterator():
        yield Breach(f"payment {pk}", f"{status}, bought nothing, and nothing is done about it")


def open_cohorts_have_sessions(extent: Extent) -> Iterator[Breach]:
    """A cohort that can't be attended is not open."""
    opened = extent.of(Cohort.objects.all(), "instance__workspace").filter(is_active=True)
    scheduled = CohortSession.objects.filter(cohort=OuterRef("pk"))
    for pk in opened.exclude(Exists(scheduled)).values_list("pk", flat=True).iterator():
        yield Breach(f"cohort {pk}", "is open, but has no session")


def packages_agree_with_their_money(extent: Extent) -> Iterator[Breach]:
    """A live package has money behind it that was not fully refunded, and its enrollment shows how much was."""
    live = extent.of(StudentPackage.objects.live(), "learner__workspace")
    for pk in live.filter(payment__status=PaymentStatus.REFUNDED).values_list("pk", flat=True).iterator():
        yield Breach(f"package {pk}", "is live, though all of its money is back")
    for pk, status in misnoted(live).values_list("enrollment", "enrollment__payment_status").iterator():
        yield Breach(f"enrollment {pk}", f"{status}, which its payment is not")


def paid_enrollments_have_money_behind_them(extent: Extent) -> Iterator[Breach]:
    """An enrollment that counts as paid has a payment that arrived: for a decision, for a course, or outside of Stripe.
    It is checked here, where all three can be seen. The invariants of decisions and packages check that the first two
    were not refunded.
    """
    decided = EnrollmentDecision.objects.filter(enrollment=OuterRef("pk"), payment__paid_at__isnull=False)
    bought = StudentPackage.objects.filter(enrollment=OuterRef("pk"), payment__paid_at__isnull=False)
    offline = Payment.objects.filter(purpose=OFFLINE_PURPOSE, subject=OuterRef("subject"), paid_at__isnull=False)
    offline = offline.exclude(status=PaymentStatus.REFUNDED)
    paid = extent.of(Enrollment.objects.all()).filter(payment_status__in=PAID)
    unfounded = paid.annotate(subject=Cast("pk", CharField()))
    unfounded = unfounded.exclude(Exists(decided)).exclude(Exists(bought)).exclude(Exists(offline))
    for pk, status in unfounded.values_list("pk", "payment_status").iterator():
        yield Breach(f"enrollment {pk}", f"{status}, and no payment for it is here")


def cohorts_stay_inside_their_workspace(extent: Extent) -> Iterator[Breach]:
    places = extent.of(CohortPlace.objects.all(), "learner__workspace")
    foreign = places.exclude(learner__workspace=F("cohort__instance__workspace"))
    for pk in foreign.values_list("pk", flat=True).iterator():
        yield Breach(f"place {pk}", "its learner and its cohort belong to different workspaces")
    sessions = extent.of(CohortSession.objects.all(), "cohort__instance__workspace")
    wrong = sessions.exclude(
        option__group_class__workspace=F("cohort__instance__workspace"),
        step__program=F("cohort__instance__program"),
        option__step=F("step"),
        class_session__group_class=F("option__group_class"),
    )
    for pk in wrong.values_list("pk", flat=True).iterator():
        yield Breach(f"cohort session {pk}", "its option, step, meeting and cohort do not belong together")


INVARIANTS: tuple[Invariant, ...] = (
    place_counters_equal_their_holders,
    one_place_per_learner_and_cohort,
    booked_counts_equal_their_holders,
    one_live_package_per_learner_and_program,
    live_packages_have_their_place,
    taken_places_have_their_package,
    one_progress_per_package_and_step,
    steps_hold_a_session_while_they_are_seated,
    steps_hold_a_session_of_their_own,
    packages_have_every_step,
    completion_follows_the_steps,
    holds_end,
    offers_hold_a_place,
    live_checkouts_hold_a_place,
    settled_payments_bought_something,
    open_cohorts_have_sessions,
    packages_agree_with_their_money,
    paid_enrollments_have_money_behind_them,
    cohorts_stay_inside_their_workspace,
)
