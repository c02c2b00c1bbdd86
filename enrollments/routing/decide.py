"""Making one routing decision, inside the transaction that `route.py` opens for it."""

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings

from accounts.guardians import find_or_create_guardian, link_guardian
from accounts.learners import find_or_create_learner
from accounts.models import Guardian, Learner
from billing import checkout as billing_checkout
from billing.discounts import Granted, use_up, was_discounted_by
from billing.errors import VoucherTooLate
from billing.models import Price
from billing.purposes import as_subject
from core.errors import DomainError
from core.http.middleware import current_request_id
from core.local_time import local_date
from core.rows import insert_rows
from core.text import fit
from events.event import DomainEvent
from events.publishing import publish

from ..discounts import find_discount_on
from ..eligibility import Verdict
from ..eligibility.facts import Facts
from ..errors import AlreadyEnrolled, Ineligible, NotEvaluated, NotForSale
from ..events import SeatReserved, SeatUsed
from ..funding import cancel_open_checkouts, decision_changed, decision_made
from ..history import Journal
from ..lifecycle import approve_if_automatic, evaluate_and_submit
from ..locks import lock_allocation, lock_decision, lock_enrollment
from ..models import DistrictSeatAllocation, Enrollment, EnrollmentDecision, ProgramInstance, SeatAssignment
from ..queries import current_enrollment, find_instance, find_live_decision
from ..renewal import make_way, must_be_renewed
from ..seats import take_seat
from ..states import (
    GOING_ON,
    PURPOSE,
    UNPAID,
    DecisionReason,
    DecisionStatus,
    EligibilityStatus,
    EnrollmentPaymentStatus,
    IdentificationType,
    ProvisionSource,
    SeatStatus,
)
from .offer import DistrictOffer, find_district_seat
from .request import RoutingRequest
from .result import DISTRICT_MESSAGE, PARENT_MESSAGE, Routed


def decide(request: RoutingRequest, exhausted: set[int]) -> Routed:
    """Decide, and write everything that follows except what only Stripe can do.

    `exhausted` holds allocations whose last seat was taken while this request was being decided. Raises SeatsExhausted
    if that happens now: the caller rolls back and decides again.
    """
    learner, is_new = find_or_create_learner(
        workspace_id=request.workspace_id,
        learner_id=request.profile.learner_id,
        email=request.profile.email,
        first_name=request.profile.first_name,
        last_name=request.profile.last_name,
        grade_level=request.profile.grade_level,
        school=request.profile.school,
    )
    instance = find_instance(
        workspace_id=request.workspace_id, reference=request.context.program_instance, now=request.now
    )
    guardian = _guardian(request, learner)
    current = None if is_new else current_enrollment(learner_id=learner.pk, instance_id=instance.pk)
    if current is not None and (standing := _standing(current)):
        _refuse_other_code(standing.decision, request.context.voucher)
        return standing
    offer = find_district_seat(
        workspace_id=request.workspace_id,
        tenant_id=request.context.tenant_id,
        instance=instance,
        learner_id=None if is_new else learner.pk,
        now=request.now,
        exhausted=exhausted,
    )
    # Nobody can lock a new enrollment, so its seat is counted last; an instance's last place comes after both.
    if offer.allocation is not None and (current is not None or instance.capacity is not None):
        lock_allocation(offer.allocation.pk)
    enrollment = _take_up(request, current) if current else None
    if enrollment is None:
        enrollment = _new_enrollment(request, learner, instance, previous=current)
    return _Deciding(request, enrollment, learner, guardian, offer).decide()


def _guardian(request: RoutingRequest, learner: Learner) -> Guardian | None:
    if request.context.guardian_id is None:
        return None
    guardian = find_or_create_guardian(workspace_id=request.workspace_id, external_id=request.context.guardian_id)
    link_guardian(guardian_id=guardian.pk, learner_id=learner.pk)
    return guardian


def _take_up(request: RoutingRequest, current: Enrollment) -> Enrollment | None:
    """Return the current enrollment, locked; None if it takes a new one to be evaluated by the changed criteria."""
    enrollment = lock_enrollment(current.pk)
    if must_be_renewed(enrollment) and enrollment.instance.criteria_version > enrollment.criteria_version:
        make_way(enrollment=enrollment, actor=request.actor, now=request.now)
        return None
    return enrollment


def _new_enrollment(
    request: RoutingRequest, learner: Learner, instance: ProgramInstance, *, previous: Enrollment | None
) -> Enrollment:
    return Enrollment(
        workspace_id=request.workspace_id,
        learner=learner,
        instance=instance,
        previous=previous,
        identification_type=IdentificationType.CUSTOMER_INFO,
        metadata=request.profile.additional_info,
        end_date=instance.end_date,
        created_at=request.now,
    )


def _standing(enrollment: Enrollment) -> Routed | None:
    """Return an enrollment's live decision as it stands: asking again takes no second seat and no second checkout."""
    decision = find_live_decision(enrollment_id=enrollment.pk)
    if decision is None:
        return None
    available = decision.seat.allocation.available_seats if decision.seat else None
    return Routed(decision, seats_available=available)


def _refuse_other_code(decision: EnrollmentDecision, voucher: str) -> None:
    """Raise VoucherTooLate if the decision waits for a payment that was requested without this code."""
    checkout = decision.checkout
    if voucher and checkout is not None and checkout.is_live and not was_discounted_by(checkout, voucher):
        raise VoucherTooLate("A payment page without this code is open. Cancel the decision, then ask with the code.")


@dataclass(slots=True)
class _Deciding:
    """One decision being made, inside its transaction, with the rows it needs locked or not yet visible to others."""

    request: RoutingRequest
    enrollment: Enrollment
    learner: Learner
    guardian: Guardian | None
    offer: DistrictOffer
    _transitions_before: int = 0
    _has_learned: bool = False
    _discount: list[dict[str, Any]] = field(default_factory=list)  # for the decision's trace

    def __post_init__(self) -> None:
        self._transitions_before = self.enrollment.transition_count

    def decide(self) -> Routed:
        journal = Journal(self.enrollment, self.request.actor, self.request.now, is_answered=True)
        self._learn(journal)
        facts = Facts(self.enrollment, now=self.request.now, received=self.request.profile.facts)
        verdict = evaluate_and_submit(journal=journal, facts=facts)
        if not verdict.is_decided:
            return self._refuse(journal, verdict, DecisionReason.NOT_EVALUATED, NotEvaluated(verdict.reason))
        if not verdict.is_eligible:
            return self._refuse(journal, verdict, DecisionReason.INELIGIBLE, Ineligible(verdict.reason))
        if self._is_funded_already():
            refusal = AlreadyEnrolled(AlreadyEnrolled.title)  # in English: it is kept with the decision
            return self._refuse(journal, verdict, DecisionReason.ALREADY_ENROLLED, refusal)
        if self.offer.allocation is not None:
            return self._take_district_seat(journal, verdict, self.offer.allocation)
        return self._ask_parent(journal, verdict)

    def _learn(self, journal: Journal) -> None:
        """Store what else the request says, as input to the criteria now and later."""
        enrollment = self.enrollment
        told = {**enrollment.metadata, **self.request.profile.additional_info}
        if told != enrollment.metadata and enrollment.eligibility_status not in GOING_ON:
            journal.set(metadata=told)
            self._has_learned = True

    def _is_funded_already(self) -> bool:
        """Return whether staff or an integrator already enrolled the learner, leaving the router nothing to fund."""
        if self.enrollment.payment_status == EnrollmentPaymentStatus.NOT_REQUIRED:
            return self.enrollment.eligibility_status == EligibilityStatus.APPROVED
        return self.enrollment.payment_status not in UNPAID

    def _refuse(self, journal: Journal, verdict: Verdict, reason: DecisionReason, refusal: DomainError) -> Routed:
        decision = self._refused_before(reason, refusal.detail)
        if decision is None:
            events: list[DomainEvent] = [*journal.write()]
            decision = self._decision(verdict, DecisionStatus.FAILED, reason, refusal.detail)
            insert_rows([decision])
            publish(*events, decision_made(decision, self.request.now))
        refusal.extra["decision_id"] = decision.pk
        return Routed(decision, refusal=refusal)

    def _refused_before(self, reason: DecisionReason, message: str) -> EnrollmentDecision | None:
        """Return the same refusal of the same enrollment, if nothing has changed since."""
        has_moved = self.enrollment.transition_count != self._transitions_before
        if self.enrollment.pk is None or has_moved or self._has_learned:
            return None
        latest = EnrollmentDecision.objects.filter(enrollment=self.enrollment).order_by("-id").first()
        if latest is None or latest.status != DecisionStatus.FAILED or latest.reason != reason:
            return None
        is_same = reason != DecisionReason.NOT_EVALUATED or latest.message == fit(
            EnrollmentDecision, "message", message
        )
        return latest if is_same else None

    def _take_district_seat(self, journal: Journal, verdict: Verdict, allocation: DistrictSeatAllocation) -> Routed:
        """Write everything else first and count the seat last, so that the hot row is locked for the shortest time."""
        now = self.request.now
        enrollment = self.enrollment
        if enrollment.payment_status in UNPAID:
            journal.change("waive_payment", reason="A district seat was free")
            cancel_open_checkouts(enrollment_id=enrollment.pk, now=now)
        approve_if_automatic(journal=journal, seat=None)
        approved = enrollment.eligibility_status == EligibilityStatus.APPROVED
        status = SeatStatus.USED if approved else SeatStatus.RESERVED
        seat = SeatAssignment(
            allocation=allocation,
            learner=self.learner,
            enrollment=enrollment,
            status=status,
            reserved_at=now,
            used_at=now if approved else None,
        )
        decision = self._decision(
            verdict, DecisionStatus.COMPLETED, DecisionReason.DISTRICT_SEAT_RESERVED, DISTRICT_MESSAGE
        )
        decision.provision_source = ProvisionSource.DISTRICT
        decision.seat = seat
        journal.attach(seat, decision)
        events: list[DomainEvent] = [*journal.write()]
        events += seat_events(seat, enrollment, now)
        publish(*events, decision_made(decision, now))
        today = local_date(now, allocation.zone)
        counts = take_seat(allocation_id=allocation.pk, as_status=status, today=today, now=now)
        return Routed(decision, seats_available=counts.available)

    def _ask_parent(self, journal: Journal, verdict: Verdict) -> Routed:
        now = self.request.now
        instance = self.enrollment.instance
        if instance.price is None or not instance.price.active:
            raise NotForSale(f"{instance.name} has no price; set one, or give the district seats for it.")
        interrupted = self._interrupted()
        granted = None if interrupted else self._find_discount(instance, instance.price)
        if self.enrollment.payment_status != EnrollmentPaymentStatus.PENDING:
            journal.change("await_payment", reason=self.offer.reason.label)
        if granted is not None and granted.is_free:
            return self._waive_payment(journal, verdict, granted)
        events: list[DomainEvent] = [*journal.write()]
        decision, made = self._parent_decision(verdict, interrupted)
        if granted is not None:
            lock_decision(decision.pk)  # the lock order is decisions before vouchers
        decision.checkout = billing_checkout.open_checkout(
            workspace_id=self.request.workspace_id,
            purpose=PURPOSE,
            subject=as_subject(decision.pk),
            price=instance.price,
            description=instance.name,
            success_url=f"{settings.PUBLIC_URL}/enroll/return?session_id={{CHECKOUT_SESSION_ID}}",
            cancel_url=f"{settings.PUBLIC_URL}/enroll/cancelled?enrollment={self.enrollment.cuid}",
            expires_at=now + dt.timedelta(minutes=settings.CHECKOUT_MINUTES),
            granted=granted,
            now=now,
        )
        changed = decision_changed(decision, now)
        publish(*events, decision_made(decision, now) if made else changed)
        return Routed(decision)

    def _find_discount(self, instance: ProgramInstance, price: Price) -> Granted | None:
        granted = find_discount_on(
            instance=instance,
            price=price,
            learner=self.learner,
            voucher=self.request.context.voucher,
            now=self.request.now,
        )
        if granted is not None:
            self._discount = [
                {
                    "rule": "discount.granted",
                    "discount": granted.label,
                    "list_minor": granted.price.minor,
                    "discount_minor": granted.minor,
                    "currency": granted.price.currency,
                    "answer": True,
                }
            ]
        return granted

    def _waive_payment(self, journal: Journal, verdict: Verdict, granted: Granted) -> Routed:
        """Complete a decision that a discount made free: the enrollment proceeds as if it had been paid, and the family
        is mailed the acceptance as if it had paid.
        """
        now = self.request.now
        journal.is_answered = False
        journal.change("waive_payment", reason=granted.label)
        approve_if_automatic(journal=journal, seat=None)
        events: list[DomainEvent] = [*journal.write()]
        cancel_open_checkouts(enrollment_id=self.enrollment.pk, now=now)
        message = f"Successfully enrolled: nothing is left to pay ({granted.label})"
        decision = self._decision(verdict, DecisionStatus.COMPLETED, self.offer.reason, message)
        decision.provision_source = ProvisionSource.PARENT
        insert_rows([decision])
        use_up(
            granted=granted,
            workspace_id=self.request.workspace_id,
            purpose=PURPOSE,
            subject=as_subject(decision.pk),
            now=now,
        )
        publish(*events, decision_made(decision, now))
        return Routed(decision)

    def _parent_decision(self, verdict: Verdict, failed: EnrollmentDecision | None) -> tuple[EnrollmentDecision, bool]:
        """Resume the decision that failed while the payment provider was down, or create a new one."""
        if failed is not None:
            _refuse_other_code(failed, self.request.context.voucher)
            failed.retry()
            failed.message = PARENT_MESSAGE
            return failed, False
        decision = self._decision(verdict, DecisionStatus.CHECKOUT_REQUIRED, self.offer.reason, PARENT_MESSAGE)
        decision.provision_source = ProvisionSource.PARENT
        insert_rows([decision])
        return decision, True

    def _interrupted(self) -> EnrollmentDecision | None:
        if self.enrollment.pk is None:
            return None
        latest = (
            EnrollmentDecision.objects.filter(enrollment=self.enrollment)
            .select_related("checkout")
            .order_by("-id")
            .first()
        )
        if latest is None or latest.status != DecisionStatus.FAILED or latest.checkout is None:
            return None
        return lock_decision(latest.pk) if latest.checkout.is_live else None

    def _decision(
        self, verdict: Verdict, status: DecisionStatus, reason: DecisionReason, message: str
    ) -> EnrollmentDecision:
        request = self.request
        return EnrollmentDecision(
            workspace_id=request.workspace_id,
            learner=self.learner,
            enrollment=self.enrollment,
            instance=self.enrollment.instance,
            guardian=self.guardian,
            district_id=self.offer.district_id,
            tenant_id=request.context.tenant_id,
            learner_email=self.learner.email,
            learner_profile=request.profile.received,
            context=request.context.received,
            status=status,
            reason=reason,
            trace=[*verdict.trace, *self.offer.trace, *self._discount],
            message=fit(EnrollmentDecision, "message", message),
            actor=str(request.actor),
            request_id=current_request_id(),
            created_at=request.now,
            updated_at=request.now,
        )


def seat_events(seat: SeatAssignment, enrollment: Enrollment, now: dt.datetime) -> list[DomainEvent]:
    """Return the events of a seat that was just taken."""
    facts: dict[str, Any] = {
        "workspace_id": enrollment.workspace_id,
        "occurred_at": now,
        "seat_id": seat.pk,
        "allocation_id": seat.allocation_id,
        "enrollment_cuid": enrollment.cuid,
    }
    events: list[DomainEvent] = [SeatReserved(**facts)]
    if seat.status == SeatStatus.USED:
        events.append(SeatUsed(**facts))
    return events
