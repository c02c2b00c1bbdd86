"""What parents do, for tests: ask, and pay on the hosted page."""

from typing import Any

from django.db import transaction

from billing.checkout import settle_checkout
from billing.events import PaymentSucceeded
from billing.models import Checkout, Payment
from billing.payments import payment_facts
from billing.purposes import lock_subject
from core.clock import utc_now
from enrollments.models import EnrollmentDecision
from enrollments.tests.factories import route
from events.publishing import publish
from sandbox.testing import SandboxProcess


def ask_parent(instance: Any, **asked: Any) -> EnrollmentDecision:
    return route(instance.workspace, tenant_id=None, guardian_id="guardian_456", **asked).decision


def pay(stripe: SandboxProcess, decision: EnrollmentDecision, **form: str) -> EnrollmentDecision:
    """Pay on the hosted page, then process the payment as the webhook's handler would."""
    checkout = Checkout.objects.get(pk=decision.checkout_id)
    stripe.pay(checkout.url, **form)
    settle_checkout(checkout_id=checkout.pk, now=utc_now())
    return fresh(decision)


def fresh(decision: EnrollmentDecision) -> EnrollmentDecision:
    return EnrollmentDecision.objects.select_related("enrollment", "checkout").get(pk=decision.pk)


def die(**_: Any) -> None:
    raise KeyboardInterrupt  # the process has died: not even an except clause runs


def stripe_sessions(stripe: SandboxProcess) -> int:
    return len(stripe.ledger()["sessions"])


def stripe_url(stripe: SandboxProcess, decision: EnrollmentDecision) -> str:
    return f"{stripe.url}/c/pay/{decision.checkout.stripe_session_id}"


def from_handlers(payment: Payment, checkout: Checkout) -> None:
    """Notify the handlers of money that arrived although its checkout had ended."""
    with transaction.atomic():
        lock_subject(checkout.purpose, checkout.subject)
        payment.receive()
        payment.save()
        publish(PaymentSucceeded(**payment_facts(payment, utc_now())))
