"""The invariants of seats, decisions, and enrollments, and of the money that pays for them.

Sets of states come from `states.py`, as everywhere else; conditions that a guard should already ensure are spelled out.
"""

import datetime as dt
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any, cast

from django.db.models import (
    Case,
    CharField,
    Count,
    Exists,
    F,
    IntegerField,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    Value,
    When,
    Window,
)
from django.db.models.fields.json import KT
from django.db.models.functions import Cast, Coalesce, Concat, Lag
from django_fsm import FSMField

from accounts.models import StaffTask
from billing.models import Checkout, Discount, Payment, Refund
from billing.states import FAILED_REFUNDS, LIVE_CHECKOUTS, DiscountStatus, PaymentStatus
from core.invariants import Breach, Extent, Invariant
from events.models import OutboxEvent
from events.retention import KEPT_FOR as EVENTS_KEPT_FOR

from .eligibility.invariants import INVARIANTS as ELIGIBILITY
from .events import EnrollmentStatusChanged
from .history import FACET_OF_FIELD
from .labels import LABELED
from .models import (
    DistrictSeatAllocation,
    Enrollment,
    EnrollmentDecision,
    EnrollmentLabel,
    EnrollmentTransition,
    PlannedExit,
    SeatAssignment,
)
from .overdue import INVARIANTS as OVERDUE
from .states import (
    ENDED_PARTICIPATION,
    GOING_ON,
    HELD_SEATS,
    LIVE_DECISIONS,
    OFFLINE_PURPOSE,
    PAID,
    PURPOSE,
    DecisionStatus,
    EligibilityStatus,
    EnrollmentPaymentStatus,
    ExitStatus,
    ProvisionSource,
    SeatStatus,
)

# The longest time between Stripe's confirmation of a payment and the enrollment.
MONEY_SETTLES_WITHIN = dt.timedelta(minutes=5)
# The sweep of ended enrollments runs every ten minutes, and may have a million of them to complete.
EXPIRY_NOTICES_WITHIN = dt.timedelta(hours=6)
_FACET_FIELDS = {facet: field for field, facet in FACET_OF_FIELD.items()}

# --- Seats ------------------------------------------------------------------------------------------------------------


def seat_counters_equal_their_holders(extent: Extent) -> Iterator[Breach]:
    """An allocation's counters equal the sums of its SeatAssignment rows."""
    rows = (
        extent.of(DistrictSeatAllocation.objects.all(), "district__workspace")
        .annotate(
            reserved_rows=Count("seats", filter=Q(seats__status=SeatStatus.RESERVED)),
            used_rows=Count("seats", filter=Q(seats__status=SeatStatus.USED)),
        )
        .exclude(reserved_seats=F("reserved_rows"), used_seats=F("used_rows"))
        .values_list("pk", "reserved_seats", "used_seats", "reserved_rows", "used_rows")
    )
    for pk, reserved, used, reserved_rows, used_rows in rows.iterator():
        fact = f"counts {reserved} reserved and {used} used seats; {reserved_rows} and {used_rows} are held"
        yield Breach(f"seat allocation {pk}", fact)


def no_allocation_is_oversold(extent: Extent) -> Iterator[Breach]:
    """Held seats <= total, by the rows as well as by the counters."""
    rows = (
        extent.of(DistrictSeatAllocation.objects.all(), "district__workspace")
        .annotate(held=Count("seats", filter=Q(seats__status__in=HELD_SEATS)))
        .filter(Q(total_seats__lt=F("held")) | Q(total_seats__lt=F("reserved_seats") + F("used_seats")))
        .values_list("pk", "held", "total_seats")
    )
    for pk, held, total in rows.iterator():
        yield Breach(f"seat allocation {pk}", f"{held} seats of {total} are held")


def one_held_seat_per_learner_and_allocation(extent: Extent) -> Iterator[Breach]:
    held = extent.of(SeatAssignment.objects.all(), "allocation__district__workspace").filter(status__in=HELD_SEATS)
    for found in held.values("allocation", "learner").annotate(count=Count("id")).filter(count__gt=1).iterator():
        yield Breach(
            f"seat allocation {found['allocation']}", f"learner {found['learner']} holds {found['count']} seats"
        )


def held_seats_agree_with_their_enrollment(extent: Extent) -> Iterator[Breach]:
    """A seat is reserved until its enrollment is approved, used from then on, and released at the enrollment's end."""
    agreeing = Q(status=SeatStatus.RESERVED, enrollment__eligibility_status=EligibilityStatus.SUBMITTED)
    agreeing |= Q(status=SeatStatus.USED, enrollment__eligibility_status=EligibilityStatus.APPROVED)
    held = extent.of(SeatAssignment.objects.all(), "allocation__district__workspace").filter(status__in=HELD_SEATS)
    wrong = held.exclude(agreeing & Q(learner=F("enrollment__learner")))
    for pk, status, enrollment in wrong.values_list("pk", "status", "enrollment").iterator():
        yield Breach(f"seat holder {pk}", f"{status}, which does not agree with its enrollment {enrollment}")


# --- Decisions --------------------------------------------------------------------------------------------------------


def one_live_decision_per_enrollment(extent: Extent) -> Iterator[Breach]:
    live = extent.of(EnrollmentDecision.objects.all()).filter(status__in=LIVE_DECISIONS)
    for found in live.values("enrollment").annotate(count=Count("id")).filter(count__gt=1).iterator():
        yield Breach(f"enrollment {found['enrollment']}", f"{found['count']} decisions about it are live")


def completed_decisions_are_funded(extent: Extent) -> Iterator[Breach]:
    """A completed decision is funded by its enrollment's seat, by a payment, or by a discount that covers it all."""
    by_seat = Q(provision_source=ProvisionSource.DISTRICT, seat__status__in=HELD_SEATS)
    by_seat &= Q(seat__enrollment=F("enrollment"))
    by_money = Q(provision_source=ProvisionSource.PARENT, payment__paid_at__isnull=False)
    used = Discount.objects.filter(purpose=PURPOSE, status=DiscountStatus.USED, checkout=None)
    free = Exists(used.filter(subject=Cast(OuterRef("pk"), CharField())))
    completed = extent.of(EnrollmentDecision.objects.all()).filter(status=DecisionStatus.COMPLETED)
    for pk in completed.exclude(by_seat | by_money).exclude(free).values_list("pk", flat=True).iterator():
        yield Breach(f"decision {pk}", "completed, with neither a held seat nor a payment nor a discount of all")


def waiting_decisions_can_be_paid(extent: Extent) -> Iterator[Breach]:
    """A decision that requires a checkout has a live one."""
    waiting = extent.of(EnrollmentDecision.objects.all()).filter(status=DecisionStatus.CHECKOUT_REQUIRED)
    for pk in waiting.exclude(checkout__status__in=LIVE_CHECKOUTS).values_list("pk", flat=True).iterator():
        yield Breach(f"decision {pk}", "waits for a payment that can't come")


def live_checkouts_are_wanted(extent: Extent) -> Iterator[Breach]:
    """Money is requested only while a decision waits for it, or may be resumed; other live checkouts should end."""
    others = EnrollmentDecision.objects.filter(enrollment=OuterRef("enrollment"), status__in=LIVE_DECISIONS)
    wanting = EnrollmentDecision.objects.filter(
        Q(status=DecisionStatus.CHECKOUT_REQUIRED) | Q(status=DecisionStatus.FAILED) & ~Exists(others),
        checkout=OuterRef("pk"),
        enrollment__eligibility_status__in=GOING_ON,
        enrollment__deleted_at__isnull=True,
    )
    live = extent.of(Checkout.objects.all()).filter(
        purpose=PURPOSE, status__in=LIVE_CHECKOUTS, cancel_requested_at__isnull=True
    )
    for pk in live.exclude(Exists(wanting)).values_list("pk", flat=True).iterator():
        yield Breach(f"checkout {pk}", "can be paid, and no decision waits for it")


def payments_have_a_purpose(extent: Extent) -> Iterator[Breach]:
    """A payment for a decision funds a live enrollment, or is accounted for in another way (`idle_payments`)."""
    funded = EnrollmentDecision.objects.filter(
        payment=OuterRef("pk"),
        status=DecisionStatus.COMPLETED,
        enrollment__eligibility_status__in=GOING_ON,
    )
    idle = idle_payments(extent, purpose=PURPOSE, at_work=funded)
    for pk, status in idle.values_list("pk", "status").iterator():
        yield Breach(f"payment {pk}", f"{status}, funds no live enrollment, and nothing is done about it")


def offline_payments_are_at_work(extent: Extent) -> Iterator[Breach]:
    """Money that came outside of Stripe pays for a current enrollment, or is accounted for in another way."""
    paid = Enrollment.objects.kept().annotate(subject=Cast("pk", CharField()))
    paid = paid.filter(subject=OuterRef("subject"), eligibility_status__in=GOING_ON, payment_status__in=PAID)
    idle = idle_payments(extent, purpose=OFFLINE_PURPOSE, at_work=paid)
    for pk, status in idle.values_list("pk", "status").iterator():
        yield Breach(f"payment {pk}", f"{status}, pays for no enrollment, and nothing is done about it")


def decisions_agree_with_their_money(extent: Extent) -> Iterator[Breach]:
    """What a decision granted lasts until all of its money is refunded, and its enrollment shows how much has been."""
    completed = extent.of(EnrollmentDecision.objects.all()).filter(status=DecisionStatus.COMPLETED)
    for pk in completed.filter(payment__status=PaymentStatus.REFUNDED).values_list("pk", flat=True).iterator():
        yield Breach(f"decision {pk}", "completed, though all of its money is back")
    for pk, status in misnoted(completed).values_list("enrollment", "enrollment__payment_status").iterator():
        yield Breach(f"enrollment {pk}", f"{status}, which its payment is not")


def idle_payments(extent: Extent, *, purpose: str, at_work: QuerySet[Any]) -> QuerySet[Payment]:
    """Return payments for this purpose that arrived over five minutes ago and have no effect: they led to none of the
    rows `at_work` (which refer to them by `OuterRef`), are not refunded or being refunded in full, and are not the
    subject of a staff task, open or closed (a closed one means that a person has decided).
    """
    idle: QuerySet[Payment] = (
        extent.of(Payment.objects.all())
        .filter(purpose=purpose, paid_at__lt=extent.now - MONEY_SETTLES_WITHIN)
        .exclude(status=PaymentStatus.REFUNDED)
        .exclude(Exists(at_work))
        .annotate(going_back=_going_back())
        .filter(going_back__lt=F("amount_minor"))
        .exclude(Exists(_tasks_about("payment")))
        .exclude(Exists(Refund.objects.filter(Exists(_tasks_about("refund")), payment=OuterRef("pk"))))
    )
    return idle


def misnoted(rows: QuerySet[Any]) -> QuerySet[Any]:
    """Return the rows, among those with an enrollment and its payment, that disagree about what was refunded."""
    is_back = Q(payment__refunded_minor__gt=0)
    paid = EnrollmentPaymentStatus.PAID
    says_less = Q(enrollment__payment_status=paid) & is_back
    says_more = Q(enrollment__payment_status=EnrollmentPaymentStatus.PARTIALLY_REFUNDED) & ~is_back
    return rows.filter(says_less | says_more).exclude(payment__status=PaymentStatus.REFUNDED)


def _going_back() -> Coalesce:
    """Return how much of a payment was refunded or is being refunded."""
    refunds = Refund.objects.filter(payment=OuterRef("pk"))
    refunds = refunds.exclude(status__in=FAILED_REFUNDS)
    return Coalesce(Subquery(refunds.values("payment").annotate(total=Sum("amount_minor")).values("total")), 0)


def _tasks_about(kind: str) -> QuerySet[StaffTask]:
    return StaffTask.objects.filter(subject=_named(kind, OuterRef("pk")))


# --- Enrollments ------------------------------------------------------------------------------------------------------


def facets_equal_their_last_transition(extent: Extent) -> Iterator[Breach]:
    for facet, field in _FACET_FIELDS.items():
        last = EnrollmentTransition.objects.filter(enrollment=OuterRef("pk"), facet=facet).order_by("-number")
        rows = (
            extent.of(Enrollment.objects.all())
            .annotate(last=Coalesce(Subquery(last.values("to_status")[:1]), Value(_initial(field))))
            .exclude(**{field: F("last")})
            .values_list("pk", field, "last")
        )
        for pk, status, last_status in rows.iterator():
            yield Breach(f"enrollment {pk}", f"its {facet} is {status}; its last transition made it {last_status}")


def ended_enrollments_are_completed(extent: Extent) -> Iterator[Breach]:
    """Nobody takes part in something that ended a while ago."""
    overdue = extent.of(Enrollment.objects.due_to_expire(now=extent.now - EXPIRY_NOTICES_WITHIN))
    for pk in overdue.values_list("pk", flat=True).iterator():
        yield Breach(f"enrollment {pk}", "is active past its end, and no sweep has completed it")


def transitions_have_no_gaps(extent: Extent) -> Iterator[Breach]:
    """An enrollment's transitions count 1, 2, 3 … up to its `transition_count`."""
    counted = Q(transitions__number__gte=1, transitions__number__lte=F("transition_count"))
    rows = (
        extent.of(Enrollment.objects.all())
        .annotate(
            rows=Count("transitions"),
            numbers=Count("transitions__number", filter=counted, distinct=True),
        )
        .exclude(rows=F("transition_count"), numbers=F("transition_count"))
        .values_list("pk", "transition_count", "rows", "numbers")
    )
    for pk, count, found, numbers in rows.iterator():
        yield Breach(f"enrollment {pk}", f"counts {count} transitions; {found} rows have {numbers} of these numbers")


def transitions_form_a_chain(extent: Extent) -> Iterator[Breach]:
    """Within a facet each transition starts where the previous one ended, the first from the facet's initial state."""
    beginning = Case(
        *(When(facet=facet, then=Value(_initial(field))) for facet, field in _FACET_FIELDS.items()),
        output_field=CharField(),
    )
    before = Window(Lag("to_status"), partition_by=["enrollment", "facet"], order_by=["number", "id"])
    rows = (
        extent.of(EnrollmentTransition.objects.all(), "enrollment__workspace")
        .annotate(before=Coalesce(before, beginning))
        .values_list("pk", "enrollment", "from_status", "before")
    )
    for pk, enrollment, from_status, expected in rows.iterator():
        if from_status != expected:
            fact = f"starts from {from_status} where enrollment {enrollment} was {expected}"
            yield Breach(f"enrollment transition {pk}", fact)


def transitions_follow_the_machine(extent: Extent) -> Iterator[Breach]:
    """Every transition is an edge of the state machine."""
    allowed = Q()
    for facet, field in _FACET_FIELDS.items():
        for edge in _state_field(field).get_all_transitions(Enrollment):
            allowed |= Q(facet=facet, from_status=edge.source, to_status=edge.target)
    wrong = extent.of(EnrollmentTransition.objects.all(), "enrollment__workspace").exclude(allowed)
    for pk, from_status, to_status in wrong.values_list("pk", "from_status", "to_status").iterator():
        yield Breach(f"enrollment transition {pk}", f"from {from_status} to {to_status}, which is not possible")


def deleted_enrollments_hold_nothing(extent: Extent) -> Iterator[Breach]:
    """A deleted enrollment is not active, and neither a seat nor a decision depends on it."""
    over = Q(participation_status__in=ENDED_PARTICIPATION) & ~Q(eligibility_status=EligibilityStatus.APPROVED)
    seats = SeatAssignment.objects.filter(enrollment=OuterRef("pk"), status__in=HELD_SEATS)
    funded = EnrollmentDecision.objects.filter(enrollment=OuterRef("pk"), status=DecisionStatus.COMPLETED)
    deleted = extent.of(Enrollment.objects.all()).filter(deleted_at__isnull=False)
    for pk in deleted.exclude(over & ~Exists(seats) & ~Exists(funded)).values_list("pk", flat=True).iterator():
        yield Breach(f"enrollment {pk}", "was deleted, and takes part or holds something all the same")


def labels_are_what_their_enrollment_names(extent: Extent) -> Iterator[Breach]:
    """A list by tag or manufacturer finds exactly the enrollments whose fields name it, in their place in the order."""
    labeled = ~Q(tags=[]) | ~Q(manufacturer_slugs=[]) | Q(labels__isnull=False)
    rows = extent.of(Enrollment.objects.all()).filter(labeled).order_by("pk")
    found = rows.values_list("pk", *LABELED, "labels__kind", "labels__value").iterator()
    for (pk, *named), labels in groupby(found, key=itemgetter(0, 1, 2)):
        wanted = {(kind, value) for kind, values in zip(LABELED.values(), named, strict=True) for value in values}
        kept = {(kind, value) for *_, kind, value in labels if kind is not None}
        if wanted != kept:
            fact = f"names {len(wanted)} labels; {len(kept - wanted)} others are kept, {len(wanted - kept)} are missing"
            yield Breach(f"enrollment {pk}", fact)
    strayed = extent.of(EnrollmentLabel.objects.all(), "enrollment__workspace").exclude(
        instance=F("enrollment__instance"), created_at=F("enrollment__created_at")
    )
    for pk, enrollment in strayed.values_list("pk", "enrollment").iterator():
        yield Breach(f"enrollment label {pk}", f"is listed where its enrollment {enrollment} is not")


# --- Exits ------------------------------------------------------------------------------------------------------------


def planned_exits_are_of_the_enrolled(extent: Extent) -> Iterator[Breach]:
    """An exit waits for its day only while the enrollment it will end is current and approved."""
    waiting = extent.of(PlannedExit.objects.all(), "enrollment__workspace").filter(status=ExitStatus.PLANNED)
    wrong = waiting.exclude(
        Q(enrollment__eligibility_status=EligibilityStatus.APPROVED, enrollment__deleted_at__isnull=True)
        & ~Q(enrollment__participation_status__in=ENDED_PARTICIPATION)
    )
    for pk, enrollment in wrong.values_list("pk", "enrollment").iterator():
        yield Breach(f"planned exit {pk}", f"waits for its day, though enrollment {enrollment} has ended")


# --- What was published -----------------------------------------------------------------------------------------------


def transitions_have_their_event(extent: Extent) -> Iterator[Breach]:
    """Every transition has its event, for as long as events are kept."""
    told = OutboxEvent.objects.annotate(number=Cast(KT("payload__number"), IntegerField())).filter(
        type=EnrollmentStatusChanged.type,
        aggregate=Concat(Value("enrollment:"), OuterRef("enrollment__cuid")),
        number=OuterRef("number"),
    )
    recent = EnrollmentTransition.objects.filter(created_at__gte=extent.now - EVENTS_KEPT_FOR)
    untold = extent.of(recent, "enrollment__workspace").exclude(Exists(told))
    for pk, enrollment in untold.values_list("pk", "enrollment").iterator():
        yield Breach(f"enrollment transition {pk}", f"no event told that enrollment {enrollment} changed")


def decisions_are_published_as_they_are(extent: Extent) -> Iterator[Breach]:
    """The last event about a decision has the decision's status."""
    last = OutboxEvent.objects.filter(aggregate=_named("decision", OuterRef("pk"))).order_by("-sequence")
    told = Subquery(last.annotate(status=KT("payload__status")).values("status")[:1], output_field=CharField())
    rows = extent.of(EnrollmentDecision.objects.all()).annotate(told=Coalesce(told, Value("nothing")))
    for pk, status, said in rows.exclude(status=F("told")).values_list("pk", "status", "told").iterator():
        yield Breach(f"decision {pk}", f"is {status}; its last event says {said}")


def seats_are_published_as_they_are(extent: Extent) -> Iterator[Breach]:
    """The last event about a seat is the one for its status."""
    last = OutboxEvent.objects.filter(aggregate=_named("seat", OuterRef("pk"))).order_by("-sequence")
    rows = extent.of(SeatAssignment.objects.all(), "allocation__district__workspace").annotate(
        told=Coalesce(Subquery(last.values("type")[:1]), Value("nothing"))
    )
    wrong = rows.exclude(told=Concat(Value("seat."), F("status")))
    for pk, status, told in wrong.values_list("pk", "status", "told").iterator():
        yield Breach(f"seat holder {pk}", f"is {status}; its last event says {told}")


def _named(kind: str, pk: OuterRef) -> Concat:
    """Build the name by which outbox aggregates and staff tasks refer to a row: "decision:12"."""
    return Concat(Value(f"{kind}:"), Cast(pk, CharField()), output_field=CharField())


def _initial(field: str) -> str:
    return str(_state_field(field).get_default())


def _state_field(name: str) -> FSMField:
    return cast(FSMField, Enrollment._meta.get_field(name))


INVARIANTS: tuple[Invariant, ...] = (
    seat_counters_equal_their_holders,
    no_allocation_is_oversold,
    one_held_seat_per_learner_and_allocation,
    held_seats_agree_with_their_enrollment,
    one_live_decision_per_enrollment,
    completed_decisions_are_funded,
    waiting_decisions_can_be_paid,
    live_checkouts_are_wanted,
    payments_have_a_purpose,
    offline_payments_are_at_work,
    decisions_agree_with_their_money,
    facets_equal_their_last_transition,
    ended_enrollments_are_completed,
    transitions_have_no_gaps,
    transitions_form_a_chain,
    transitions_follow_the_machine,
    deleted_enrollments_hold_nothing,
    labels_are_what_their_enrollment_names,
    *ELIGIBILITY,
    planned_exits_are_of_the_enrolled,
    *OVERDUE,
    transitions_have_their_event,
    decisions_are_published_as_they_are,
    seats_are_published_as_they_are,
)
