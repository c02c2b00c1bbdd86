"""Money for every app's tests. Use cases reach Stripe's decisions; these factories create what comes before."""

import datetime as dt
from decimal import Decimal
from typing import Any

import factory

from accounts.models import Workspace
from accounts.tests.factories import WorkspaceFactory
from billing.closing import close_month
from billing.gateways.contract import SessionSnapshot
from billing.models import Checkout, MonthClose, Payment, Payout, PayoutLine, Price, Refund, Voucher
from billing.states import PayoutLineKind, PayoutStatus
from core.actors import SYSTEM
from core.clock import utc_now
from core.tests.factories import RowFactory

PURPOSE = "tuition"


class PriceFactory(RowFactory[Price]):
    class Meta:
        model = Price

    workspace = factory.SubFactory(WorkspaceFactory)
    name = "Algebra I"
    amount_minor = 4900
    currency = "usd"


class CheckoutFactory(RowFactory[Checkout]):
    """An intent to charge, as `open_checkout` records it."""

    class Meta:
        model = Checkout

    workspace = factory.SelfAttribute("price.workspace")
    purpose = PURPOSE
    subject = factory.Sequence(str)
    price = factory.SubFactory(PriceFactory)
    description = factory.SelfAttribute("price.name")
    amount_minor = factory.SelfAttribute("price.amount_minor")
    currency = factory.SelfAttribute("price.currency")
    stripe_price_id = factory.SelfAttribute("price.stripe_price_id")
    success_url = "http://testserver/enroll/return?session_id={CHECKOUT_SESSION_ID}"
    cancel_url = "http://testserver/enroll/cancelled"
    expires_at = factory.LazyFunction(lambda: utc_now() + dt.timedelta(hours=2))
    next_check_at = factory.LazyFunction(lambda: utc_now() + dt.timedelta(minutes=1))


class PaymentFactory(RowFactory[Payment]):
    """A payment on its way; `receive` makes it paid."""

    class Meta:
        model = Payment

    workspace = factory.SelfAttribute("checkout.workspace")
    checkout = factory.SubFactory(CheckoutFactory)
    purpose = factory.SelfAttribute("checkout.purpose")
    subject = factory.SelfAttribute("checkout.subject")
    payment_intent_id = factory.Sequence(lambda n: f"pi_{n}")
    amount_minor = factory.SelfAttribute("checkout.amount_minor")
    currency = factory.SelfAttribute("checkout.currency")


def paid(**fields: Any) -> Payment:
    """Return a received payment."""
    payment = PaymentFactory(paid_at=utc_now(), **fields)
    payment.receive()
    payment.save()
    return payment


FEE_MINOR = 172  # Stripe's fee for 49.00 USD in the United States


def paid_out(payment: Payment, *, off_by: int = 0) -> PayoutLine:
    """Return a payout of this payment alone, minus its fee; `off_by` changes the payout's amount."""
    number = Payout.objects.count()
    now = utc_now()
    payout = Payout.objects.create(
        stripe_id=f"po_{number}",
        amount_minor=payment.amount_minor - FEE_MINOR + off_by,
        currency=payment.currency,
        status=PayoutStatus.PAID,
        is_automatic=True,
        made_at=now,
        arrival_date=now.date(),
        lines_read_at=now,
    )
    return PayoutLine.objects.create(
        payout=payout,
        workspace=payment.workspace,
        payment=payment,
        stripe_id=f"txn_{number}",
        kind=PayoutLineKind.PAYMENT,
        source_id=f"ch_{number}",
        payment_intent_id=payment.payment_intent_id or "",
        amount_minor=payment.amount_minor,
        fee_minor=FEE_MINOR,
        currency=payment.currency,
        moved_at=now,
    )


def closed_month(workspace: Workspace) -> MonthClose:
    """Close July 2026, in which one payment came."""
    payment = paid(checkout__price__workspace=workspace)
    Payment.objects.filter(pk=payment.pk).update(paid_at=dt.datetime(2026, 7, 20, 12, tzinfo=dt.UTC))
    now = dt.datetime(2026, 8, 2, 12, tzinfo=dt.UTC)
    return close_month(workspace_id=workspace.pk, month=dt.date(2026, 7, 1), note="No invoice", actor=SYSTEM, now=now)


def statuses(*rows: Checkout | Payment | Refund) -> list[str]:
    """Return each row's state in the database."""
    return [type(row)._default_manager.get(pk=row.pk).status for row in rows]


class VoucherFactory(RowFactory[Voucher]):
    """A quarter off, for anybody, as often as they like."""

    class Meta:
        model = Voucher

    workspace = factory.SubFactory(WorkspaceFactory)
    code = factory.Sequence(lambda n: f"SPRING-{n:04}")
    kind = "percentage"
    percent = factory.LazyAttribute(lambda o: Decimal(25) if o.kind == "percentage" else None)


def session_of(checkout: Checkout, **more: Any) -> SessionSnapshot:
    """Return what Stripe would say about this checkout: by default, that it was paid."""
    told: dict[str, Any] = {
        "id": f"cs_rows_{checkout.pk}",
        "reference": checkout.reference,
        "status": "complete",
        "payment_status": "paid",
        "amount_minor": checkout.amount_minor,
        "currency": checkout.currency,
        "payment_intent_id": f"pi_rows_{checkout.pk}",
        "payment_intent_status": "succeeded",
        "payer_email": "payer@example.test",
        "url": "",
        "expires_at": checkout.expires_at,
        "metadata": {},
    }
    return SessionSnapshot(**told | more)
