"""The invariants of money, whatever it pays for.

Sets of states come from `states.py`, except `_COUNTED`: which money counts is recalculated here without the product's
own rules (`standing.py`), so that a mistake in one of them does not hide itself.
"""

import datetime as dt
from collections.abc import Iterator

from django.db.models import Case, CharField, Count, Exists, F, Max, OuterRef, Q, QuerySet, Subquery, Sum, Value, When
from django.db.models.functions import Cast, Coalesce, Concat, Left, Substr

from core.invariants import Breach, Extent, Invariant

from .checkout import EXPIRY_SLACK, LATEST_CHECK
from .invoicing import Series, write_number
from .models import (
    Checkout,
    Discount,
    Dispute,
    Invoice,
    InvoiceSeries,
    LedgerLine,
    MonthClose,
    Payment,
    Payout,
    Refund,
    StripeEvent,
    Voucher,
)
from .states import (
    COUNTED_DISCOUNTS,
    FAILED_REFUNDS,
    LIVE_CHECKOUTS,
    NO_MONEY_YET,
    OPEN_REFUNDS,
    UNDECIDED_DISPUTES,
    CheckoutStatus,
    DiscountStatus,
    DisputeStatus,
    InvoiceProvider,
    InvoiceStatus,
    OfflineMeans,
    PaymentMethod,
    PaymentStatus,
    RefundStatus,
)

# Every sweep runs at least each minute; a row that has been due for this long is missed by all of them.
SWEEPS_NOTICE_WITHIN = dt.timedelta(minutes=15)
# Money that counts for what it pays. A refunded payment may have been one that did not match.
_COUNTED = (PaymentStatus.PAID, PaymentStatus.PARTIALLY_REFUNDED, PaymentStatus.DISPUTED)


def payments_are_what_was_asked(extent: Extent) -> Iterator[Breach]:
    """Paid <= asked, in the currency that was asked, and no checkout is paid twice."""
    payments = extent.of(Payment.objects.all()).filter(status__in=_COUNTED, checkout__isnull=False)
    differing = payments.exclude(currency=F("checkout__currency"), amount_minor__lte=F("checkout__amount_minor"))
    for pk, amount, currency in differing.values_list("pk", "amount_minor", "currency").iterator():
        yield Breach(f"payment {pk}", f"{amount} {currency} is not what its checkout asked for")
    counts = payments.values("checkout").annotate(count=Count("id")).filter(count__gt=1)
    for found in counts.iterator():
        yield Breach(f"checkout {found['checkout']}", f"{found['count']} payments count for it")


def refunds_fit_their_payment(extent: Extent) -> Iterator[Breach]:
    """Refunds that are back or on their way do not exceed what was paid."""
    payments = extent.of(Payment.objects.all()).annotate(
        promised=_sum_of(Refund.objects.exclude(status__in=FAILED_REFUNDS))
    )
    excessive = payments.filter(promised__gt=F("amount_minor"))
    for pk, promised, amount in excessive.values_list("pk", "promised", "amount_minor").iterator():
        yield Breach(f"payment {pk}", f"refunds of {promised} were promised, {amount} was paid")


def payments_count_their_refunds(extent: Extent) -> Iterator[Breach]:
    """`refunded_minor` is the sum of succeeded refunds and lost disputes, and the status is what `standing.weigh` makes
    of it; expressed here in SQL, separately from it."""
    payments = extent.of(Payment.objects.all()).annotate(
        returned=_sum_of(Refund.objects.filter(status=RefundStatus.SUCCEEDED))
        + _sum_of(Dispute.objects.filter(status=DisputeStatus.LOST), "withdrawn_minor")
    )
    miscounted = Q(returned__lt=F("amount_minor")) & ~Q(refunded_minor=F("returned"))
    miscounted |= Q(returned__gte=F("amount_minor")) & ~Q(refunded_minor=F("amount_minor"))
    undecided = Dispute.objects.filter(payment=OuterRef("pk"), status__in=UNDECIDED_DISPUTES)
    expected = Case(
        When(refunded_minor=F("amount_minor"), then=Value(PaymentStatus.REFUNDED.value)),
        When(status__in=NO_MONEY_YET, then=F("status")),
        When(Exists(undecided), then=Value(PaymentStatus.DISPUTED.value)),
        When(refunded_minor__gt=0, then=Value(PaymentStatus.PARTIALLY_REFUNDED.value)),
        default=Value(PaymentStatus.PAID.value),
        output_field=CharField(),
    )
    miscalled = ~Q(status=F("expected"))
    payments = payments.annotate(expected=expected).filter(miscounted | miscalled)
    rows = payments.values_list("pk", "status", "refunded_minor", "returned")
    for pk, status, refunded, returned in rows.iterator():
        yield Breach(f"payment {pk}", f"{status} with {refunded} refunded, but {returned} went back")


def checkouts_agree_with_their_payments(extent: Extent) -> Iterator[Breach]:
    """A checkout is paid exactly if it brought money that counts."""
    checkouts = extent.of(Checkout.objects.all())
    received = Q(payments__paid_at__isnull=False) & ~Q(payments__status=PaymentStatus.PENDING)
    unfounded = checkouts.filter(status=CheckoutStatus.PAID).annotate(received=Count("payments", filter=received))
    for pk in unfounded.filter(received=0).values_list("pk", flat=True).iterator():
        yield Breach(f"checkout {pk}", "paid without a payment")
    unnoticed = checkouts.exclude(status=CheckoutStatus.PAID).filter(payments__status__in=_COUNTED)
    for pk, status in unnoticed.values_list("pk", "status").distinct().iterator():
        yield Breach(f"checkout {pk}", f"{status}, though its payment counts")


def invoices_add_up_to_payments(extent: Extent) -> Iterator[Breach]:
    """The invoice of a payment that counts, together with its corrections, equals what is left of it after refunds, in
    its currency. A canceled one counts for nothing."""
    payments = extent.of(Payment.objects.all()).filter(status__in=(*_COUNTED, PaymentStatus.REFUNDED))
    counts = Q(invoices__currency=F("currency")) & ~Q(invoices__status=InvoiceStatus.CANCELLED)
    invoiced = Coalesce(Sum("invoices__amount_minor", filter=counts), 0)
    differing = payments.annotate(invoiced=invoiced).exclude(invoiced=F("amount_minor") - F("refunded_minor"))
    rows = differing.values_list("pk", "invoiced", "amount_minor", "refunded_minor")
    for pk, total, amount, refunded in rows.iterator():
        yield Breach(f"payment {pk}", f"{total} is invoiced, but {amount - refunded} is left of it")


def invoice_numbers_have_no_gaps(extent: Extent) -> Iterator[Breach]:
    """A workspace's own invoices of a year, and separately its corrections, count 1, 2, 3 … up to where their series
    is. Corrections from before 2026-12 were counted among the invoices."""
    ours = Invoice.objects.filter(provider=InvoiceProvider.LOCAL)
    for kind, counter in ((Series.INVOICES, "last_number"), (Series.CORRECTIONS, "last_correction")):
        beginning = Concat(Value(kind.value), Cast(OuterRef("year"), CharField()), Value("-"), output_field=CharField())
        issued = ours.filter(workspace=OuterRef("workspace"), number__startswith=beginning)
        counted = issued.values("workspace").annotate(count=Count("id"), last=Max("number"))
        series = extent.of(InvoiceSeries.objects.all()).annotate(
            count=Coalesce(Subquery(counted.values("count")), 0), last=Subquery(counted.values("last"))
        )
        for pk, year, given, count, last in series.values_list("pk", "year", counter, "count", "last").iterator():
            if (count, last) != (given, write_number(kind, year, given) if given else None):
                yield Breach(f"invoice series {pk}", f"{given} numbers were given, {count} invoices go up to {last}")
    known = InvoiceSeries.objects.filter(workspace=OuterRef("workspace")).annotate(
        beginning=Concat(Cast("year", CharField()), Value("-"), output_field=CharField())
    )
    after_code = len(Series.CORRECTIONS) + 1
    of_its_year = Q(beginning=Left(OuterRef("number"), 5)) | Q(beginning=Substr(OuterRef("number"), after_code, 5))
    uncounted = extent.of(ours).exclude(Exists(known.filter(of_its_year)))
    for pk in uncounted.values_list("pk", flat=True).iterator():
        yield Breach(f"invoice {pk}", "its workspace has no series that counts it")


def requested_invoices_are_pursued(extent: Extent) -> Iterator[Breach]:
    """The first document that waits for a workspace's vendor is requested when it is due; the others wait for it."""
    waiting = Invoice.objects.to_issue()
    before = waiting.filter(workspace=OuterRef("workspace"), id__lt=OuterRef("id"))
    first = extent.of(waiting).exclude(Exists(before)).exclude(corrects__status=InvoiceStatus.FAILED)
    overdue = first.filter(next_attempt_at__lt=extent.now - SWEEPS_NOTICE_WITHIN)
    for pk, attempts in overdue.values_list("pk", "attempts").iterator():
        yield Breach(f"invoice {pk}", f"requested, asked for {attempts} times, and no sweep goes on")


def offline_payments_are_vouched_for(extent: Extent) -> Iterator[Breach]:
    """Money that came outside of Stripe has a person who vouches for it, a means, and a moment, and Stripe has no part
    in it. `invoices_add_up_to_payments` checks that it is invoiced."""
    sound = Q(means__in=OfflineMeans.values, paid_at__isnull=False, checkout=None, payment_intent_id=None)
    offline = extent.of(Payment.objects.all()).filter(method=PaymentMethod.OFFLINE)
    for pk in offline.exclude(sound & ~Q(recorded_by="")).values_list("pk", flat=True).iterator():
        yield Breach(f"payment {pk}", "came outside of Stripe, and nobody says how, when or on whose word")


def vouchers_count_their_uses(extent: Extent) -> Iterator[Breach]:
    """A voucher's `uses` is how many of its discounts are reserved or used."""
    counted = Count("discounts", filter=Q(discounts__status__in=COUNTED_DISCOUNTS))
    vouchers = extent.of(Voucher.objects.all()).annotate(counted=counted)
    for pk, uses, found in vouchers.exclude(uses=F("counted")).values_list("pk", "uses", "counted").iterator():
        yield Breach(f"voucher {pk}", f"{uses} uses are counted, and {found} discounts take one up")


def checkouts_charge_the_list_price_less_the_discount(extent: Extent) -> Iterator[Breach]:
    """A checkout with a discount charges the list price minus the discount, in the currency of both; it is open while
    its discount is reserved, and paid if that is used or honored. A checkout whose discount moved on has ended."""
    discounts = extent.of(Discount.objects.all()).filter(checkout__isnull=False)
    agrees = Q(
        discount_minor=F("checkout__discount_minor"),
        list_minor=F("checkout__amount_minor") + F("discount_minor"),
        currency=F("checkout__currency"),
    )
    for pk in discounts.exclude(agrees).values_list("pk", flat=True).iterator():
        yield Breach(f"discount {pk}", "is not what its checkout takes off the list price")
    paid = Q(checkout__status=CheckoutStatus.PAID)
    settled = (
        Q(status=DiscountStatus.RESERVED, checkout__status__in=LIVE_CHECKOUTS)
        | (Q(status__in=(DiscountStatus.USED, DiscountStatus.HONORED)) & paid)
        | (Q(status=DiscountStatus.RELEASED) & ~Q(checkout__status__in=LIVE_CHECKOUTS))
    )
    for pk, status, checkout in discounts.exclude(settled).values_list("pk", "status", "checkout__status").iterator():
        yield Breach(f"discount {pk}", f"{status}, and its checkout is {checkout}")
    missing = extent.of(Checkout.objects.all()).filter(discount_minor__gt=0, discounts=None)
    lasting = missing.filter(status__in=(*LIVE_CHECKOUTS, CheckoutStatus.PAID))
    for pk in lasting.values_list("pk", flat=True).iterator():
        yield Breach(f"checkout {pk}", "asks for less than the list price, and no discount says why")


def one_live_checkout_per_subject(extent: Extent) -> Iterator[Breach]:
    """Nobody can be asked to pay twice for one thing at a time."""
    live = extent.of(Checkout.objects.all()).filter(status__in=LIVE_CHECKOUTS)
    subjects = live.values("purpose", "subject").annotate(count=Count("id"), last=Max("id"))
    for found in subjects.filter(count__gt=1).iterator():
        yield Breach(f"checkout {found['last']}", f"is live, as are {found['count'] - 1} more for the same thing")


def live_checkouts_are_asked_about(extent: Extent) -> Iterator[Breach]:
    """A checkout that may still bring money has a time when the sweep asks Stripe, soon after its end, and the sweep
    keeps to it."""
    live = extent.of(Checkout.objects.all()).filter(status__in=LIVE_CHECKOUTS)
    ended = live.filter(
        expires_at__lt=extent.now - EXPIRY_SLACK, next_check_at__gt=extent.now + LATEST_CHECK + EXPIRY_SLACK
    )
    for pk in ended.values_list("pk", flat=True).iterator():
        yield Breach(f"checkout {pk}", "past its time, with no sweep due")
    overdue = live.filter(next_check_at__lt=extent.now - SWEEPS_NOTICE_WITHIN)
    for pk in overdue.values_list("pk", flat=True).iterator():
        yield Breach(f"checkout {pk}", "due to be asked about, and no sweep does it")


def open_refunds_are_pursued(extent: Extent) -> Iterator[Breach]:
    """An unsettled refund is submitted, or checked, when it is due."""
    refunds = extent.of(Refund.objects.all(), "payment__workspace").filter(status__in=OPEN_REFUNDS)
    overdue = refunds.filter(next_attempt_at__lt=extent.now - SWEEPS_NOTICE_WITHIN)
    for pk, status in overdue.values_list("pk", "status").iterator():
        yield Breach(f"refund {pk}", f"{status}, and no sweep does anything about it")


def the_inbox_is_handled(extent: Extent) -> Iterator[Breach]:
    """No Stripe event stays unhandled for 15 minutes. The inbox belongs to the installation, not to a workspace."""
    if extent.workspace_id is not None:
        return
    unhandled = StripeEvent.objects.filter(handled_at__isnull=True, received_at__lt=extent.now - SWEEPS_NOTICE_WITHIN)
    for pk, attempts in unhandled.values_list("pk", "attempts").iterator():
        yield Breach(f"Stripe event {pk}", f"unhandled after {attempts} attempts")


def payouts_are_their_lines(extent: Extent) -> Iterator[Breach]:
    """A payout whose lines have all been read equals their total after fees. Payouts belong to the installation."""
    if extent.workspace_id is not None:
        return
    for payout in Payout.objects.differing().iterator():
        yield Breach(f"payout {payout.pk}", f"{payout.amount_minor} went to the bank, its lines come to {payout.net}")


def closed_months_are_their_lines(extent: Extent) -> Iterator[Breach]:
    """A closed month's frozen totals equal the totals of its lines."""
    standing = extent.of(MonthClose.objects.filter(reopened_at=None))
    lines = extent.of(LedgerLine.objects.all()).values_list("workspace", "month")
    summed = lines.annotate(total=Sum(F("gross_minor") - F("fee_minor")))
    net = {(workspace, month): total for workspace, month, total in summed}
    for close in standing.iterator():
        frozen = sum(total["gross"] - total["fee"] for total in close.totals)
        found = net.get((close.workspace_id, close.month), 0)
        if frozen != found:
            yield Breach(f"closed month {close.pk}", f"{frozen} was frozen, its lines come to {found}")


def _sum_of(rows: QuerySet[Refund] | QuerySet[Dispute], minor: str = "amount_minor") -> Coalesce:
    """Return the sum of the payment's rows of this kind."""
    of_payment = rows.filter(payment=OuterRef("pk")).values("payment")
    return Coalesce(Subquery(of_payment.annotate(total=Sum(minor)).values("total")), 0)


INVARIANTS: tuple[Invariant, ...] = (
    payments_are_what_was_asked,
    refunds_fit_their_payment,
    payments_count_their_refunds,
    checkouts_agree_with_their_payments,
    invoices_add_up_to_payments,
    invoice_numbers_have_no_gaps,
    requested_invoices_are_pursued,
    offline_payments_are_vouched_for,
    vouchers_count_their_uses,
    checkouts_charge_the_list_price_less_the_discount,
    one_live_checkout_per_subject,
    live_checkouts_are_asked_about,
    open_refunds_are_pursued,
    the_inbox_is_handled,
    payouts_are_their_lines,
    closed_months_are_their_lines,
)
