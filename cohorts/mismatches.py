"""Mismatches that only this app can see: money that brought no place, and a course whose money was refunded."""

import datetime as dt
from collections.abc import Iterator

from django.db import transaction
from django.db.models import Exists, OuterRef

from billing.locks import lock_payment_with_subject
from billing.mismatches import Found, MismatchKind, register_mismatch_kind
from billing.mismatches.kinds import Repair
from billing.mismatches.of_money import foresee_full_refund, of_payments
from billing.models import Mismatch, Payment, Refund
from billing.refunds import request_refund
from billing.states import FAILED_REFUNDS, REFUNDABLE, PaymentStatus, RefundReason
from core.errors import require

from .models import StudentPackage
from .sale.fulfilment import refund_place
from .states import PURPOSE


def _paid_without_place(workspace_id: int, now: dt.datetime) -> Iterator[Found]:
    """Find payments that never bought anything and are not being refunded."""
    paid = Payment.objects.filter(workspace=workspace_id, purpose=PURPOSE, status__in=REFUNDABLE)
    bought = StudentPackage.objects.filter(payment=OuterRef("pk"))
    goes_back = Refund.objects.filter(payment=OuterRef("pk")).exclude(status__in=FAILED_REFUNDS)
    return of_payments(paid.exclude(Exists(bought)).exclude(Exists(goes_back)))


def _send_back(repair: Repair) -> None:
    request_refund(
        payment_id=repair.mismatch.subject_id,
        amount_minor=None,
        reason=RefundReason.PLACE_LOST,
        actor=repair.actor,
        user=repair.user,
        note=repair.note,
        now=repair.now,
    )


def _packages_without_money(workspace_id: int, now: dt.datetime) -> Iterator[Found]:
    live = StudentPackage.objects.live().filter(learner__workspace=workspace_id, payment__status=PaymentStatus.REFUNDED)
    for pk, minor, currency, at in live.values_list("pk", "payment__amount_minor", "payment__currency", "purchased_at"):
        yield Found(f"package:{pk}", minor, currency, at)


@transaction.atomic
def _take_back(repair: Repair) -> None:
    package = StudentPackage.objects.get(pk=repair.mismatch.subject_id)
    payment_id = require(package.payment_id, "a package whose money was refunded has a payment")
    lock_payment_with_subject(payment_id)
    refund_place(payment_id=payment_id, fully=True, now=repair.now)


def _foresee_taking_back(mismatch: Mismatch) -> str:
    package = StudentPackage.objects.select_related("learner").filter(pk=mismatch.subject_id).first()
    who = f"{package.learner} loses {package.name}" if package else "The learner loses the package"
    return f"{who}: its sessions and its place are free, and whoever waits is offered the place."


register_mismatch_kind(
    MismatchKind(
        name="paid_without_place",
        label="Paid without a place",
        meaning="A course was paid for, and the money brought no place and does not go back.",
        find=_paid_without_place,
        repair=_send_back,
        foresee=foresee_full_refund,
    )
)
register_mismatch_kind(
    MismatchKind(
        name="package_without_payment",
        label="Package without its payment",
        meaning="All of the money for this course is back with the payer, and the learner still has it.",
        find=_packages_without_money,
        repair=_take_back,
        foresee=_foresee_taking_back,
    )
)
