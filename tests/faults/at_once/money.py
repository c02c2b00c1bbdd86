"""What Stripe, staff, families, and sweeps do at once with money."""

from collections.abc import Iterator

from billing.checkout import cancel_checkout, check_due_checkouts, settle_checkout, submit_checkout
from billing.checkout.outcome import record_nothing_sent, record_refusal, record_session_unknown
from billing.errors import PaymentRejected
from billing.gateways.contract import EventSnapshot
from billing.inbox import HANDLED_TYPES, handle_due_events, handle_event, store_event
from billing.models import Payment
from billing.reconciliation import reconcile_stripe
from billing.refunds import settle_refunds, submit_due_refunds, submit_refund
from billing.states import EventSource

from ..any_order import CHECKOUTS, DISPUTABLE, PAID_BY_STRIPE, REFUNDS, pick
from .acting import Acting, Step
from .vendors import DISPUTE, INTENT, SESSION, event_about


def money(act: Acting) -> Iterator[Step]:
    choose = act.chance.choice
    yield lambda: act.hear_of_a_checkout(act.nth(), choose(["expired", "failed", "processing"]))
    yield lambda: act.ask_for_a_refund(act.nth(), choose([None, 100, 4900]))
    yield lambda: act.hear_of_a_refund(act.nth(), choose(["succeeded", "pending", "failed"]))
    yield lambda: act.hear_of_a_dispute(act.nth(), choose(["needs_response", "won", "lost"]))
    yield lambda: act.pay_in_cash(act.nth())
    yield lambda: act.reverse_cash(act.nth(), is_returned=act.yes())


def checkouts(act: Acting) -> Iterator[Step]:
    live = CHECKOUTS.live()
    yield lambda: act.on(live.filter(stripe_session_id=None), submit_checkout, "checkout_id")
    yield lambda: act.on(live, settle_checkout, "checkout_id")
    yield lambda: act.on(live, cancel_checkout, "checkout_id")
    yield lambda: act.attempt(check_due_checkouts)
    yield lambda: act.on(live.filter(stripe_session_id=None), record_nothing_sent, "checkout_id")
    yield lambda: act.on(live.exclude(stripe_session_id=None), record_session_unknown, "checkout_id")
    yield lambda: act.on(
        live.filter(stripe_session_id=None), record_refusal, "checkout_id", error=PaymentRejected("No such amount")
    )
    yield lambda: act.on(REFUNDS, submit_refund, "refund_id")
    yield lambda: act.attempt(submit_due_refunds)
    yield lambda: act.on(PAID_BY_STRIPE, settle_refunds, "payment_id")


def notices(act: Acting) -> Iterator[Step]:
    """Yield what Stripe tells us about learners and about cohorts: stored once, and handled whenever."""
    yield lambda: _hear(act, _about_a_checkout(act))
    yield lambda: _hear(act, _about_a_checkout(act))
    yield lambda: _hear(act, _about_a_refund(act))
    yield lambda: _hear(act, _about_a_dispute(act))
    yield lambda: act.attempt(handle_due_events)
    yield lambda: act.attempt(reconcile_stripe)


def _about_a_checkout(act: Acting) -> EventSnapshot:
    checkout = pick(CHECKOUTS, act.nth())
    types = [each for each in HANDLED_TYPES if each.startswith("checkout.")]
    return event_about(act.chance.choice(types), f"{SESSION}{checkout.pk}", f"{INTENT}{checkout.pk}")


def _about_a_refund(act: Acting) -> EventSnapshot:
    payment = pick(Payment.objects.exclude(payment_intent_id=None), act.nth())
    types = [each for each in HANDLED_TYPES if "refund" in each]
    return event_about(act.chance.choice(types), f"re_of_{payment.pk}", str(payment.payment_intent_id))


def _about_a_dispute(act: Acting) -> EventSnapshot:
    payment = pick(DISPUTABLE, act.nth())
    types = [each for each in HANDLED_TYPES if "dispute" in each]
    return event_about(act.chance.choice(types), f"{DISPUTE}{payment.pk}", str(payment.payment_intent_id))


def _hear(act: Acting, event: EventSnapshot) -> None:
    act.attempt(store_event, snapshot=event, source=EventSource.WEBHOOK)
    act.attempt(handle_event, event_id=event.id)
