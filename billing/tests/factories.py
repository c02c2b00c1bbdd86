"""Money for every app's tests. What Stripe decides is reached through the use cases; these make what comes before."""

import datetime as dt
from typing import Any

import factory

from accounts.tests.factories import WorkspaceFactory
from billing.models import Checkout, Payment, Price, Refund
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
    """A payment that came."""
    payment = PaymentFactory(paid_at=utc_now(), **fields)
    payment.receive()
    payment.save()
    return payment


def statuses(*rows: Checkout | Payment | Refund) -> list[str]:
    """Where each of these rows stands in the database."""
    return [type(row)._default_manager.get(pk=row.pk).status for row in rows]
