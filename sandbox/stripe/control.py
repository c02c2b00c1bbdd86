"""The control API of the Stripe stand-in: webhooks, refunds, disputes, ledger, history."""

from typing import Any

from django.http import HttpRequest

from sandbox.control_api import Unprocessable, control
from sandbox.stripe import disputes, history, payouts, refunds, webhooks
from sandbox.stripe.ledger import read_ledger
from sandbox.stripe.models import Delivery, Event
from sandbox.stripe.parameters import decode
from sandbox.stripe.rendering import Body, render


@control("GET")
def ledger(request: HttpRequest, body: Body) -> Body:
    """`?metadata[key]=value` filters it."""
    metadata = decode(request.META["QUERY_STRING"].encode()).get("metadata", {})
    if not isinstance(metadata, dict):
        raise Unprocessable("Filter by ?metadata[key]=value.")
    return read_ledger(metadata=metadata)


@control("POST")
def remember(request: HttpRequest, body: Body) -> Body:
    """`{"sessions": [...]}`: earlier sales; no events are published for them."""
    told = body.get("sessions")
    if not isinstance(told, list) or not all(isinstance(session, dict) for session in told):
        raise Unprocessable("sessions must be a list of objects.")
    try:
        return {"sessions": history.remember_sessions(told=told)}
    except history.InvalidHistory as error:
        raise Unprocessable(str(error)) from error


@control("GET")
def deliveries(request: HttpRequest, body: Body) -> Body:
    newest = Delivery.objects.select_related("event").order_by("-pk")[:500]
    return {"deliveries": [_delivery(delivery) for delivery in newest]}


@control("GET", "POST")
def endpoint(request: HttpRequest, body: Body) -> Body:
    """`{"url": ..., "secret": ...}` redirects webhooks from now on; an empty url sends none."""
    if request.method == "POST":
        url = _text(body, "url", default=None)
        secret = _text(body, "secret", default="")
        if url and not url.startswith(("http://", "https://")):
            raise Unprocessable("url must begin with http:// or https://, or be empty.")
        webhooks.set_endpoint(url=url, secret=secret or None)
    current = webhooks.get_endpoint()
    return {"url": current.url if current else ""}


@control("POST")
def flush(request: HttpRequest, body: Body) -> Body:
    """Send all held webhooks now: `{"order": ["evt_...", ...]}` or `{"reverse": true}`."""
    order = body.get("order", [])
    if not isinstance(order, list) or not all(isinstance(ref, str) for ref in order):
        raise Unprocessable("order must be a list of event ids.")
    sent = webhooks.flush(order=order, reverse=body.get("reverse") is True)
    return {"deliveries": [_delivery(delivery) for delivery in sent]}


@control("POST")
def redeliver(request: HttpRequest, body: Body) -> Body:
    ref = _text(body, "event_id", default=None)
    event = Event.objects.filter(ref=ref).first()
    if event is None:
        raise Unprocessable(f"There is no event {ref!r}.")
    return _delivery(webhooks.redeliver(event))


@control("POST")
def settle_refund(request: HttpRequest, body: Body) -> Body:
    """`{"refund": "re_...", "outcome": "succeeded" | "failed", "failure_reason": ...}`."""
    outcome = _choice(body, "outcome", ("succeeded", "failed"))
    reason = _choice(body, "failure_reason", refunds.FAILURES, default=refunds.DEFAULT_FAILURE)
    ref = _text(body, "refund", default=None)
    try:
        return render(refunds.settle_refund(ref=ref, succeeded=outcome == "succeeded", failure_reason=reason))
    except refunds.NotSettleable as error:
        raise Unprocessable(str(error), status=409) from error


@control("POST")
def open_dispute(request: HttpRequest, body: Body) -> Body:
    """`{"payment_intent": "pi_...", "reason": "fraudulent", "amount": 900, "status": "warning_needs_response"}`: the
    last three have defaults. The amount is in minor units; the status is one in which disputes begin.
    """
    intent = _text(body, "payment_intent", default=None)
    reason = _text(body, "reason", default="fraudulent")
    status = _choice(body, "status", (*disputes.UNDECIDED, "prevented"), default="needs_response")
    amount = _amount(body, "amount")
    try:
        return render(disputes.open_dispute(payment_intent=intent, reason=reason[:40], amount=amount, status=status))
    except disputes.NotDisputable as error:
        raise Unprocessable(str(error), status=409) from error


@control("POST")
def close_dispute(request: HttpRequest, body: Body) -> Body:
    """`{"dispute": "du_...", "outcome": ..., "given_back": 900}`: the outcome is any of Stripe's statuses; if the
    dispute is lost, part of it may be given back.
    """
    outcome = _choice(body, "outcome", tuple(disputes.MOVES))
    ref = _text(body, "dispute", default=None)
    try:
        return render(disputes.move_dispute(ref=ref, status=outcome, given_back=_amount(body, "given_back") or 0))
    except disputes.NotDisputable as error:
        raise Unprocessable(str(error), status=409) from error


@control("POST")
def make_payouts(request: HttpRequest, body: Body) -> Body:
    """`{"until": ..., "arrives": ..., "off_by": 500}`: pay out what moved up to a second; by default, everything."""
    until, arrives = (_amount(body, name) for name in ("until", "arrives"))
    made = payouts.make_payouts(until=until, arrives=arrives, off_by=_amount(body, "off_by") or 0)
    return {"payouts": [render(payout) for payout in made]}


def _delivery(delivery: Delivery) -> Body:
    return {
        "id": delivery.pk,
        "event": delivery.event.ref,
        "type": delivery.event.type,
        "state": delivery.state,
        "attempts": delivery.attempts,
        "status": delivery.answer_status,
        "answer": delivery.answer,
    }


def _text(body: Body, name: str, *, default: str | None) -> str:
    """Return the text under this name; a `default` of None makes it required."""
    value: Any = body.get(name, default)
    if not isinstance(value, str) or not value.isprintable():
        raise Unprocessable(f"{name} must be given as text.")
    return value


def _amount(body: Body, name: str) -> int | None:
    value = body.get(name)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
        raise Unprocessable(f"{name} must be a whole number of minor units, at least 1.")
    return value


def _choice(body: Body, name: str, of: tuple[str, ...], *, default: str | None = None) -> str:
    value = _text(body, name, default=default)
    if value not in of:
        raise Unprocessable(f"{name} must be one of {', '.join(of)}.")
    return value
