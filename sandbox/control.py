"""The control API of the sandbox as a whole: health, faults, clock, reset, and the page that shows everything."""

from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from sandbox.control_api import Unprocessable, control
from sandbox.knobs import clock, faults
from sandbox.receivers.models import Receiver
from sandbox.stripe import checkout, webhooks
from sandbox.stripe.models import CheckoutSession, Delivery
from sandbox.stripe.money import format_amount

FARTHEST_SECONDS = 10 * 365 * 24 * 60 * 60
Body = dict[str, Any]


@control("GET")
def health(request: HttpRequest, body: Body) -> Body:
    return {"status": "healthy", "service": "sandbox", "now": clock.now()}


@control("GET", "POST", "DELETE")
def faults_in_force(request: HttpRequest, body: Body) -> Body:
    """POST sets the knobs named in the body; DELETE turns all of them off."""
    if request.method == "DELETE":
        faults.clear_faults()
    try:
        in_force = faults.set_faults(wanted=body if request.method == "POST" else {})
    except faults.InvalidKnob as error:
        raise Unprocessable(str(error)) from error
    return {"faults": in_force}


@control("POST")
def advance_clock(request: HttpRequest, body: Body) -> Body:
    """`{"seconds": 1800}`; sessions that are due have expired when this responds."""
    seconds = body.get("seconds")
    if not isinstance(seconds, int) or isinstance(seconds, bool) or not 0 <= seconds <= FARTHEST_SECONDS:
        raise Unprocessable(f"seconds must be a whole number between 0 and {FARTHEST_SECONDS}.")
    now = clock.advance(seconds=seconds)
    checkout.expire_due_sessions()
    return {"now": now, "offset_seconds": clock.offset_seconds()}


@control("POST")
@transaction.atomic
def reset(request: HttpRequest, body: Body) -> Body:
    """Delete everything: objects, events, deliveries, keys, faults, the clock's offset, and a changed endpoint."""
    # Raw statements instead of QuerySet.delete(), which would look up dependent rows: everything is deleted anyway.
    # Foreign keys are checked at the end, so any order works.
    with connection.cursor() as cursor:
        for model in apps.get_models():
            table = connection.ops.quote_name(model._meta.db_table)
            cursor.execute(f"DELETE FROM {table}")  # noqa: S608  a table name of our own
    return {"status": "empty"}


def show_home(request: HttpRequest) -> HttpResponse:
    endpoint = webhooks.get_endpoint()
    sessions = CheckoutSession.objects.order_by("-pk")[:30]
    context = {
        "sessions": [
            {"session": session, "amount": format_amount(session.amount_total, session.currency)}
            for session in sessions
        ],
        "deliveries": Delivery.objects.select_related("event").order_by("-pk")[:50],
        "faults": faults.list_faults(),
        "knobs": faults.KNOBS,
        "receivers": Receiver.objects.order_by("slug"),
        "endpoint": endpoint.url if endpoint else "",
        "offset_seconds": clock.offset_seconds(),
        "public_url": settings.PUBLIC_URL,
    }
    return render(request, "sandbox/home.html", context)
