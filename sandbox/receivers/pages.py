"""An integrator's program: it receives messages, and shows them on a page, whose buttons curl can press too."""

import datetime as dt
import json
import time
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import render
from standardwebhooks.webhooks import EmptyWebhookSecretError, Webhook, WebhookVerificationError

from sandbox.receivers.models import Arrival, Mode, Receiver

SLOW_SECONDS = 9
KEPT = 500
SHOWN = 50
BODY_LENGTH = 10_000
ANSWERS = {Mode.DOWN: 503, Mode.GONE: 410}


def receive(request: HttpRequest, slug: str) -> HttpResponse:
    """Receive a message. Without a valid signature the response is 401, unless the mode sets another one for all."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    receiver = Receiver.objects.filter(slug=slug).first()
    if receiver is None:
        return HttpResponse(status=404)
    fault = fault_of(receiver, request)
    status = ANSWERS.get(Mode(receiver.mode), 401 if fault else 200)
    text = request.body.decode(errors="replace")[:BODY_LENGTH]
    Arrival.objects.create(
        receiver=receiver,
        message_id=request.headers.get("webhook-id", "")[:200],
        type=_type_of(text),
        body=text,
        fault=fault[:200],
        status=status,
    )
    _forget_old(receiver)
    if receiver.mode == Mode.SLOW:
        time.sleep(SLOW_SECONDS)
    return HttpResponse(status=status)


def show(request: HttpRequest, slug: str) -> HttpResponse:
    receiver = Receiver.objects.filter(slug=slug).first()
    if receiver is None:
        return render(request, "sandbox/message.html", {"message": "There is no such receiver."}, status=404)
    arrivals = receiver.arrivals.order_by("-pk")[:SHOWN]
    context = {
        "receiver": receiver,
        "arrivals": [{"arrival": each, "at": dt.datetime.fromtimestamp(each.at, dt.UTC)} for each in arrivals],
        "modes": [{"value": mode.value, "label": mode.label, "is_set": receiver.mode == mode} for mode in Mode],
        "verified": receiver.arrivals.filter(fault="").count(),
        "refused": receiver.arrivals.exclude(fault="").count(),
    }
    return render(request, "receivers/receiver.html", context)


def change(request: HttpRequest, slug: str) -> HttpResponse:
    """Handle the page's form: how it responds, and the secret after a rotation (empty: unchanged)."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    receiver = Receiver.objects.filter(slug=slug).first()
    if receiver is None:
        return render(request, "sandbox/message.html", {"message": "There is no such receiver."}, status=404)
    mode = request.POST.get("mode", receiver.mode)
    secret = request.POST.get("secret", "").strip()
    if mode not in Mode.values or (secret and not is_secret(secret)):
        told = {"message": "Choose one of the modes, and give a secret as the back office shows it: whsec_ and base64."}
        return render(request, "sandbox/message.html", told, status=400)
    receiver.mode = mode
    receiver.secret = secret or receiver.secret
    receiver.save()
    return HttpResponse(status=303, headers={"Location": f"/receivers/{slug}"})


def fault_of(receiver: Receiver, request: HttpRequest) -> str:
    """Return why the message is not trusted, empty if it is: the library's error, whichever it raises."""
    try:
        Webhook(receiver.secret).verify(request.body, dict(request.headers.items()))
    except WebhookVerificationError as error:
        return str(error) or "The signature does not hold"
    except Exception as error:  # the library raises other errors for malformed headers and bodies
        return f"It can't be verified ({type(error).__name__})"
    return ""


def is_secret(text: str) -> bool:
    try:
        Webhook(text)
    except (EmptyWebhookSecretError, ValueError):
        return False
    return len(text) <= Receiver._meta.get_field("secret").max_length  # type: ignore[operator]


def _type_of(text: str) -> str:
    try:
        said: Any = json.loads(text)
    except (ValueError, RecursionError):
        return ""
    return str(said.get("type", ""))[:200] if isinstance(said, dict) else ""


def _forget_old(receiver: Receiver) -> None:
    too_old = receiver.arrivals.order_by("-pk").values_list("pk", flat=True)[KEPT : KEPT + 1].first()
    if too_old is not None:
        receiver.arrivals.filter(pk__lte=too_old).delete()
