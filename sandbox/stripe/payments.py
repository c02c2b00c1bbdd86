"""Money: the effects of the hosted page's buttons, and the payment intents and charges they create."""

from typing import Any, Literal

from django.db import transaction

from sandbox.knobs import clock
from sandbox.stripe import events
from sandbox.stripe.api import operation
from sandbox.stripe.checkout import expire_due_sessions, find_session
from sandbox.stripe.errors import no_such
from sandbox.stripe.listing import PAGING, list_page
from sandbox.stripe.models import Charge, CheckoutSession, PaymentIntent
from sandbox.stripe.parameters import Text
from sandbox.stripe.rendering import Body, render

Card = Literal["ok", "declined", "async"]
Outcome = Literal["paid", "declined", "processing"]
CARDS: tuple[Card, ...] = ("ok", "declined", "async")


class NotPayable(Exception):
    """The session is complete or expired, or has no payment to settle. Nothing was charged."""


@operation()
def retrieve_payment_intent(params: dict[str, Any], *, ref: str) -> Body:
    intent = PaymentIntent.objects.filter(ref=ref).first()
    if intent is None:
        raise no_such("payment_intent", ref, param="intent")
    return render(intent)


@operation(**PAGING)
def list_payment_intents(params: dict[str, Any]) -> Body:
    return list_page(PaymentIntent.objects.all(), params, url="/v1/payment_intents")


@operation()
def retrieve_charge(params: dict[str, Any], *, ref: str) -> Body:
    return render(find_charge(ref))


@operation(**PAGING, payment_intent=Text())
def list_charges(params: dict[str, Any]) -> Body:
    chosen = {"payment_intent__ref": params["payment_intent"]} if "payment_intent" in params else {}
    return list_page(Charge.objects.select_related("payment_intent").filter(**chosen), params, url="/v1/charges")


def find_charge(ref: str) -> Charge:
    charge = Charge.objects.select_related("payment_intent").filter(ref=ref).first()
    if charge is None:
        raise no_such("charge", ref, param="charge")
    return charge


def pay_session(*, ref: str, email: str, card: Card, company: tuple[str, str] = ("", "")) -> Outcome:
    """Try to pay an open session once with the given card; `async` is a bank debit that is settled later. A `company`
    supplies its name and its tax id.

    Raises NotPayable if the session is no longer open, StripeError if there is no such session.
    """
    expire_due_sessions()
    with transaction.atomic():
        if card == "declined":
            _decline(_open_session(ref), email)
            return "declined"
        session = _complete(ref, email, company, paid=card == "ok")
        if session.amount_total == 0:
            events.publish("checkout.session.completed", about=session)
            return "paid"
        if card == "ok":
            _take_money(session)
        else:
            _begin_debit(session)
        events.publish("checkout.session.completed", about=session)
        return "paid" if card == "ok" else "processing"


@transaction.atomic
def settle_session(*, ref: str, succeeded: bool) -> CheckoutSession:
    """Settle the bank debit of a completed session, as succeeded or failed.

    Raises NotPayable unless a debit is in progress, StripeError if there is no such session.
    """
    session = find_session(ref)
    intent = session.payment_intent
    status = "succeeded" if succeeded else "requires_payment_method"
    if intent is None or not PaymentIntent.objects.filter(pk=intent.pk, status="processing").update(status=status):
        raise NotPayable("This session has no bank debit under way.")
    intent.refresh_from_db()
    charge = intent.latest_charge
    if charge is None:
        raise NotPayable("This session has no charge.")
    if succeeded:
        charge.status = "succeeded"
        session.payment_status = "paid"
    else:
        charge.status = "failed"
        charge.failure_code = "payment_intent_payment_attempt_failed"
        charge.failure_message = "The bank refused the debit."
    charge.save()
    session.save()
    events.publish("payment_intent.succeeded" if succeeded else "payment_intent.payment_failed", about=intent)
    events.publish("charge.succeeded" if succeeded else "charge.failed", about=charge)
    events.publish(f"checkout.session.async_payment_{'succeeded' if succeeded else 'failed'}", about=session)
    return session


def _open_session(ref: str) -> CheckoutSession:
    session = find_session(ref)
    if session.status != "open":
        raise NotPayable(f"This session is {session.status}.")
    return session


def _complete(ref: str, email: str, company: tuple[str, str], *, paid: bool) -> CheckoutSession:
    session = _open_session(ref)
    status = session.payment_status if session.amount_total == 0 or not paid else "paid"
    # The conditions decide against a concurrent expiry or second payment.
    still_open = CheckoutSession.objects.filter(pk=session.pk, status="open", expires_at__gt=clock.now())
    name, tax_id = company
    if not still_open.update(
        status="complete",
        payment_status=status,
        payer_email=session.customer_email or email,
        payer_name=name,
        payer_tax_id=tax_id,
    ):
        raise NotPayable("This session is no longer open.")
    return find_session(ref)


def _take_money(session: CheckoutSession) -> None:
    intent, is_new = _intent(session, status="succeeded", method="card")
    charge = _attempt(session, intent, status="succeeded")
    if is_new:
        events.publish("payment_intent.created", about=intent)
    events.publish("payment_intent.succeeded", about=intent)
    events.publish("charge.succeeded", about=charge)


def _begin_debit(session: CheckoutSession) -> None:
    method = "sepa_debit" if session.currency == "eur" else "us_bank_account"
    intent, is_new = _intent(session, status="processing", method=method)
    charge = _attempt(session, intent, status="pending")
    if is_new:
        events.publish("payment_intent.created", about=intent)
    events.publish("payment_intent.processing", about=intent)
    events.publish("charge.pending", about=charge)


def _decline(session: CheckoutSession, email: str) -> None:
    session.payer_email = session.customer_email or email
    intent, is_new = _intent(session, status="requires_payment_method", method="card")
    charge = _attempt(session, intent, status="failed")
    if is_new:
        events.publish("payment_intent.created", about=intent)
    events.publish("payment_intent.payment_failed", about=intent)
    events.publish("charge.failed", about=charge)


def _intent(session: CheckoutSession, *, status: str, method: str) -> tuple[PaymentIntent, bool]:
    """Return the session's one payment intent in its new status, and whether this attempt is its first."""
    data = session.payment_intent_data
    intent = session.payment_intent
    is_new = session.payment_intent is None
    if intent is None:
        intent = PaymentIntent(
            amount=session.amount_total,
            currency=session.currency,
            description=data.get("description"),
            receipt_email=data.get("receipt_email"),
            metadata=data.get("metadata", {}),
        )
    intent.status = status
    intent.payment_method_type = method
    intent.save()
    session.payment_intent = intent
    session.save()
    return intent, is_new


def _attempt(session: CheckoutSession, intent: PaymentIntent, *, status: str) -> Charge:
    failed = status == "failed"
    return Charge.objects.create(
        payment_intent=intent,
        amount=intent.amount,
        currency=intent.currency,
        status=status,
        email=session.payer_email or session.customer_email,
        failure_code="card_declined" if failed else None,
        failure_message="Your card was declined." if failed else None,
        metadata=intent.metadata,
    )
