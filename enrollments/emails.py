"""The emails to families: where a request stands, that it was accepted, that it was not and why, or that the learner is
no longer enrolled. Learners on a district's seat are informed by the integrator that made the request; see
docs/decisions/0036. For which mail says what, see docs/notifications.md.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Sequence

from django.db.models import QuerySet

from billing.invoice_links import invoice_url
from billing.models import Payment, Refund
from billing.states import PaymentStatus, RefundStatus
from core.compiled import compiled
from events.publishing import handles
from notifications.letters import Email, register_email
from notifications.models import Notification
from notifications.recipients import addresses_of_families, belongs_to_family, family_addresses
from notifications.sending import Letter, notify, notify_many

from .events import EnrollmentEvent, EnrollmentStatusChanged, ExitPlanned, ExitWithdrawn
from .letters import (
    APPROVED,
    ELIGIBLE,
    ENDED,
    EXIT_PLANNED,
    EXIT_WITHDRAWN,
    INELIGIBLE,
    ON_ACCOUNT,
    PAYMENT_MISSING,
    PAYMENT_RECORDED,
    REJECTED,
    SUBMITTED,
    write_approval,
    write_eligible,
    write_end,
    write_ineligible,
    write_on_account,
    write_payment_missing,
    write_payment_recorded,
    write_planned_exit,
    write_rejection,
    write_submission,
    write_withdrawn_exit,
)
from .models import Enrollment, EnrollmentDecision, EnrollmentTransition, PlannedExit
from .sellers import find_sales
from .states import (
    FUNDED,
    GIVEN_BACK,
    GOING_ON,
    PAID,
    UNPAID,
    DecisionStatus,
    EligibilityStatus,
    EnrollmentPaymentStatus,
    ExitStatus,
    Facet,
    ProvisionSource,
    Settlement,
)

# Each of these is mailed if neither an integrator nor a shop informs the family.
_STEPS = {
    EligibilityStatus.ELIGIBLE: ELIGIBLE,
    EligibilityStatus.INELIGIBLE: INELIGIBLE,
    EligibilityStatus.SUBMITTED: SUBMITTED,
    EligibilityStatus.APPROVED: APPROVED,
}


@handles(EnrollmentStatusChanged)
def tell_family(event: EnrollmentStatusChanged) -> None:
    """Tell the family about a change. Router responses contain the steps, and a seller writes about its purchases, so
    nothing is looked up for either.
    """
    if event.to_status in GIVEN_BACK:
        _tell_of_end(event)
    elif event.is_told_by_seller:
        return
    elif event.to_status in _STEPS and (_is_paid_approval(event) or _is_told_step_by_step(event)):
        enrollment = _enrollment_of(event)
        if hears_of_step(enrollment, EligibilityStatus(event.to_status)):
            _tell(_STEPS[EligibilityStatus(event.to_status)], event, enrollment)
    elif _ends_the_wait_for_money(event):
        enrollment = _enrollment_of(event)
        if hears_of_step(enrollment, EligibilityStatus.APPROVED) and waits_to_hear(enrollment, before=event.number):
            _tell(APPROVED, event, enrollment)


def _ends_the_wait_for_money(event: EnrollmentStatusChanged) -> bool:
    """Return whether an enrollment that was approved while its payment was pending waits for nothing any more."""
    return event.was_approved and event.from_status in UNPAID and event.to_status in FUNDED


def waits_to_hear(enrollment: Enrollment, *, before: int | None = None) -> bool:
    """Return whether the family of an accepted learner is told so only with the money: not if it was enrolled on
    account, or had paid before (before this transition), and that money did not stay.
    """
    paid = enrollment.transitions.filter(facet=Facet.PAYMENT, to_status__in=PAID)
    paid_before = paid if before is None else paid.filter(number__lt=before)
    return enrollment.decisions.exists() and not paid_before.exists()


def _is_paid_approval(event: EnrollmentStatusChanged) -> bool:
    return event.to_status == EligibilityStatus.APPROVED and event.payment_status in PAID


def _is_told_step_by_step(event: EnrollmentStatusChanged) -> bool:
    """Return whether the steps are mailed. Payers follow the purchase pages, and are then mailed the acceptance."""
    return not event.is_answered and event.payment_status == EnrollmentPaymentStatus.NOT_REQUIRED


def hears_of_step(enrollment: Enrollment, status: EligibilityStatus) -> bool:
    """Return whether the enrollment's family is sent a mail when it reaches this status."""
    return bool(find_hearers([enrollment], status))


def find_hearers(enrollments: Collection[Enrollment], status: EligibilityStatus) -> list[Enrollment]:
    """Return the enrollments whose families are sent a mail when they reach this status, from one query. The acceptance
    is mailed to whoever paid, and where a discount left nothing to pay.
    """
    funded: dict[int, str | None] = {}  # what funded each one that was routed; empty if nothing has
    for enrollment_id, source, decision_status in _decisions_of.all([enrollment.pk for enrollment in enrollments]):
        was_funded = decision_status in (DecisionStatus.COMPLETED, DecisionStatus.RELEASED)
        funded[enrollment_id] = source if was_funded else funded.get(enrollment_id, "")

    def hears(enrollment: Enrollment) -> bool:
        is_free = enrollment.payment_status == EnrollmentPaymentStatus.NOT_REQUIRED
        is_discounted = is_free and funded.get(enrollment.pk) == ProvisionSource.PARENT
        is_told_by_integrator = is_free and enrollment.pk in funded and not is_discounted
        if status in GIVEN_BACK:
            return enrollment.deleted_at is None and not is_told_by_integrator
        if status == EligibilityStatus.APPROVED and (is_discounted or enrollment.payment_status in PAID):
            return True
        return enrollment.deleted_at is None and is_free and enrollment.pk not in funded

    return [enrollment for enrollment in enrollments if hears(enrollment)]


def tell_families(changes: Sequence[EnrollmentStatusChanged], *, about: Sequence[Enrollment], behind: int) -> int:
    """Tell the families of many enrollments (with their learner and lead) of one change each, as `tell_family` would,
    in a fixed number of statements; returns how many mails there are. These mails go out after `behind` others.
    """
    enrollments = {enrollment.cuid: enrollment for enrollment in about}
    learners = [enrollment.learner for enrollment in about if enrollment.learner is not None]
    addresses = addresses_of_families(learners)
    routed = set(EnrollmentDecision.objects.filter(enrollment__in=about).values_list("enrollment", flat=True))
    letters: dict[tuple[int, str], list[Letter]] = defaultdict(list)
    for change in changes:
        enrollment = enrollments[change.enrollment_cuid]
        is_ours = change.payment_status == EnrollmentPaymentStatus.NOT_REQUIRED and enrollment.pk not in routed
        if change.to_status not in _STEPS or not is_ours:
            continue
        known = addresses[enrollment.learner_id] if enrollment.learner_id else _addresses_of_lead(enrollment)
        kind = _STEPS[EligibilityStatus(change.to_status)]
        letters[change.workspace_id, kind] += [Letter(one, _subject_of(change), _params_of(change)) for one in known]
    told = 0
    for (workspace_id, kind), found in letters.items():
        now = changes[0].occurred_at
        told += notify_many(workspace_id=workspace_id, kind=kind, letters=found, behind=behind + told, now=now)
    return told


def _tell_of_end(event: EnrollmentStatusChanged) -> None:
    enrollment = _enrollment_of(event)
    if not hears_from_us(enrollment):
        return
    if event.payment_status == EnrollmentPaymentStatus.REFUNDED:  # a request that ends with a refund was not rejected
        _tell(ENDED, event, enrollment, informed=_informed_by_refund(enrollment, event.occurred_at))
    else:
        _tell(REJECTED if event.to_status == EligibilityStatus.REJECTED else ENDED, event, enrollment)


def _enrollment_of(event: EnrollmentEvent) -> Enrollment:
    return _enrollment_told_of.get(event.enrollment_cuid)


@compiled
def _enrollment_told_of(cuid: str) -> QuerySet[Enrollment]:
    return Enrollment.objects.select_related("learner", "lead").filter(cuid=cuid)


@compiled
def _decisions_of(enrollment_ids: list[int]) -> QuerySet[EnrollmentDecision, tuple[int, str | None, str]]:
    decisions = EnrollmentDecision.objects.filter(enrollment__pk__among=enrollment_ids)
    return decisions.order_by("pk").values_list("enrollment", "provision_source", "status")


def addresses_about(enrollment: Enrollment) -> list[str]:
    """Return the recipients: the learner's family, or the lead while there is no learner."""
    if enrollment.learner is not None:
        return family_addresses(enrollment.learner)
    return _addresses_of_lead(enrollment)


def _addresses_of_lead(enrollment: Enrollment) -> list[str]:
    return [email for email in [enrollment.person.email] if email]


def _tell(kind: str, event: EnrollmentStatusChanged, enrollment: Enrollment, *, informed: Collection[str] = ()) -> None:
    for address in addresses_about(enrollment):
        if address in informed:
            continue
        notify(
            workspace_id=event.workspace_id,
            kind=kind,
            recipient=address,
            subject_key=_subject_of(event),
            params=_params_of(event),
            now=event.occurred_at,
        )


def _subject_of(event: EnrollmentStatusChanged) -> str:
    """Identify the transition, so that each address gets one mail per change, however often it is retried."""
    return f"enrollment:{event.enrollment_cuid}/{event.number}"


def _params_of(event: EnrollmentStatusChanged) -> dict[str, int | str]:
    return {"enrollment": event.enrollment_cuid, "number": event.number}


@handles(ExitPlanned)
def tell_of_planned_exit(event: ExitPlanned) -> None:
    """Mail the family when the exit is planned, so nobody is surprised; the mail about the end follows on the day."""
    _tell_of_exit(EXIT_PLANNED, event)


@handles(ExitWithdrawn)
def tell_of_withdrawn_exit(event: ExitWithdrawn) -> None:
    _tell_of_exit(EXIT_WITHDRAWN, event)


def _tell_of_exit(kind: str, event: ExitPlanned | ExitWithdrawn) -> None:
    enrollment = _enrollment_of(event)
    if not hears_from_us(enrollment):
        return
    for address in addresses_about(enrollment):
        notify(
            workspace_id=event.workspace_id,
            kind=kind,
            recipient=address,
            subject_key=f"enrollment:{event.enrollment_cuid}/exit/{event.planned_exit_id}",
            params={"exit": event.planned_exit_id},
            now=event.occurred_at,
        )


def tell_of_reclaimed_seat(*, enrollment_id: int, now: dt.datetime) -> None:
    """Send the mail about the end, even to a family that an integrator informs: it was we who asked whether it was
    still coming. A family that already has this mail gets no second one. Part of the caller's transaction.
    """
    enrollment = Enrollment.objects.select_related("learner", "lead").get(pk=enrollment_id)
    ends = enrollment.transitions.filter(facet=Facet.ELIGIBILITY, to_status__in=GIVEN_BACK)
    number = ends.order_by("-number").values_list("number", flat=True)[0]
    for address in addresses_about(enrollment):
        notify(
            workspace_id=enrollment.workspace_id,
            kind=ENDED,
            recipient=address,
            subject_key=f"enrollment:{enrollment.cuid}/{number}",
            params={"enrollment": enrollment.cuid, "number": number},
            now=now,
        )


def tell_of_enrollment_on_account(*, enrollment: Enrollment, now: dt.datetime) -> None:
    """Confirm that the learner takes part, and say what is left to pay. Part of the caller's transaction."""
    for address in addresses_about(enrollment):
        notify(
            workspace_id=enrollment.workspace_id,
            kind=ON_ACCOUNT,
            recipient=address,
            subject_key=f"enrollment:{enrollment.cuid}/on_account",
            params={"enrollment": enrollment.cuid},
            now=now,
        )


def tell_of_offline_payment(*, enrollment: Enrollment, payment_id: int, now: dt.datetime) -> None:
    """Confirm that the money has arrived, with the invoice's URL. Part of the caller's transaction."""
    _tell_of_payment(PAYMENT_RECORDED, enrollment, payment_id, now)


def tell_of_missing_payment(*, enrollment: Enrollment, payment_id: int, now: dt.datetime) -> None:
    """Say that recorded money never came, so that it is owed again. Part of the caller's transaction."""
    _tell_of_payment(PAYMENT_MISSING, enrollment, payment_id, now)


def _tell_of_payment(kind: str, enrollment: Enrollment, payment_id: int, now: dt.datetime) -> None:
    for address in addresses_about(enrollment):
        notify(
            workspace_id=enrollment.workspace_id,
            kind=kind,
            recipient=address,
            subject_key=f"payment:{payment_id}",
            params={"enrollment": enrollment.cuid, "payment": payment_id},
            now=now,
        )


def hears_from_us(enrollment: Enrollment) -> bool:
    """Return whether we write to the family about an end: not if an integrator routed the learner to a district's seat,
    and not about a deleted enrollment.
    """
    return hears_of_step(enrollment, EligibilityStatus.REJECTED)


def _informed_by_refund(enrollment: Enrollment, now: dt.datetime) -> set[str]:
    """Return the addresses that learn of the end from the mail about a refund made now; a bank's reversal has no such
    mail, even if a part was refunded before.
    """
    checkouts = list(enrollment.decisions.exclude(checkout=None).values_list("checkout", flat=True))
    checkouts += [sale.checkout.pk for sale in find_sales([enrollment.pk], now).values()]
    refunds = Refund.objects.filter(payment__checkout__in=checkouts, status=RefundStatus.SUCCEEDED, settled_at=now)
    return set(refunds.values_list("payment__checkout__payer_email", flat=True))


def render_eligible(notification: Notification) -> Email | None:
    enrollment = _find(notification, EligibilityStatus.ELIGIBLE)
    return write_eligible(enrollment) if enrollment else None


def render_ineligible(notification: Notification) -> Email | None:
    enrollment = _find(notification, EligibilityStatus.INELIGIBLE)
    return write_ineligible(enrollment, reason=enrollment.eligibility_reason) if enrollment else None


def render_submission(notification: Notification) -> Email | None:
    enrollment = _find(notification, EligibilityStatus.SUBMITTED)
    return write_submission(enrollment) if enrollment else None


def render_approval(notification: Notification) -> Email | None:
    enrollment = _find(notification, EligibilityStatus.APPROVED)
    return write_approval(enrollment) if enrollment else None


def render_on_account(notification: Notification) -> Email | None:
    enrollment = _find(notification, EligibilityStatus.APPROVED)
    return write_on_account(enrollment) if enrollment else None


def render_payment_recorded(notification: Notification) -> Email | None:
    """Return None if it was reversed in the meantime."""
    payment = Payment.objects.get(pk=notification.params["payment"])
    enrollment = _find(notification, *EligibilityStatus)
    if enrollment is None or payment.status != PaymentStatus.PAID:
        return None
    return write_payment_recorded(enrollment, amount=payment.money, invoice=invoice_url(payment))


def render_payment_missing(notification: Notification) -> Email | None:
    """Return None if it was paid, or ended, in the meantime."""
    payment = Payment.objects.get(pk=notification.params["payment"])
    enrollment = _find(notification, *GOING_ON)
    if enrollment is None or enrollment.payment_status not in UNPAID:
        return None
    return write_payment_missing(enrollment, amount=payment.money)


def render_rejection(notification: Notification) -> Email | None:
    enrollment = _find(notification, EligibilityStatus.REJECTED)
    if enrollment is None:
        return None
    was_paid = enrollment.payment_status in (*PAID, EnrollmentPaymentStatus.REFUNDED)
    return write_rejection(enrollment, reason=enrollment.eligibility_reason, was_paid=was_paid)


def render_end(notification: Notification) -> Email | None:
    enrollment = _find(notification, *GIVEN_BACK)
    if enrollment is None:
        return None
    end = EnrollmentTransition.objects.get(enrollment=enrollment, number=notification.params["number"])
    confirmed = enrollment.quoted_exits.filter(quote__confirmed_at__isnull=False, settlement=Settlement.BY_RULE)
    line = confirmed.order_by("-pk").first()
    return write_end(enrollment, reason=end.reason, quoted=line.returned if line else None)


def render_planned_exit(notification: Notification) -> Email | None:
    """Return None once the plan was withdrawn, replaced, or carried out: other mails cover that."""
    plan = _find_exit(notification)
    if plan.status != ExitStatus.PLANNED or not may_read(plan.enrollment, notification):
        return None
    before = plan.enrollment.planned_exits.filter(pk__lt=plan.pk, status=ExitStatus.REPLACED)
    return write_planned_exit(
        plan.enrollment, effective_date=plan.effective_date, reason=plan.reason, is_another_plan=before.exists()
    )


def render_withdrawn_exit(notification: Notification) -> Email | None:
    plan = _find_exit(notification)
    enrollment = plan.enrollment
    goes_on = enrollment.eligibility_status == EligibilityStatus.APPROVED and enrollment.deleted_at is None
    is_planned_anew = plan.enrollment.planned_exits.filter(status=ExitStatus.PLANNED).exists()
    if not goes_on or is_planned_anew or not may_read(enrollment, notification):
        return None
    return write_withdrawn_exit(plan.enrollment, effective_date=plan.effective_date)


def _find_exit(notification: Notification) -> PlannedExit:
    plans = PlannedExit.objects.select_related(
        "enrollment__learner", "enrollment__lead", "enrollment__instance__program"
    )
    return plans.select_related("enrollment__workspace").get(pk=notification.params["exit"])


def _find(notification: Notification, *statuses: EligibilityStatus) -> Enrollment | None:
    """Return None if it was decided differently in the meantime, or deleted, or no longer concerns the recipient."""
    found = Enrollment.objects.kept().select_related(
        "learner", "lead", "instance__program", "instance__price", "workspace"
    )
    enrollment = found.filter(cuid=notification.params["enrollment"]).first()
    if enrollment is None or enrollment.eligibility_status not in statuses:
        return None
    return enrollment if may_read(enrollment, notification) else None


def may_read(enrollment: Enrollment, notification: Notification) -> bool:
    """Return whether the recipient still belongs to the enrollment's family, or is its lead."""
    if enrollment.learner is None:
        return bool(notification.recipient == enrollment.person.email)
    return belongs_to_family(notification.recipient, enrollment.learner)


register_email(ELIGIBLE, render_eligible)
register_email(INELIGIBLE, render_ineligible)
register_email(SUBMITTED, render_submission)
register_email(APPROVED, render_approval)
register_email(ON_ACCOUNT, render_on_account)
register_email(PAYMENT_RECORDED, render_payment_recorded)
register_email(PAYMENT_MISSING, render_payment_missing)
register_email(REJECTED, render_rejection)
register_email(ENDED, render_end)
register_email(EXIT_PLANNED, render_planned_exit)
register_email(EXIT_WITHDRAWN, render_withdrawn_exit)
