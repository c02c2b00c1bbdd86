"""The control API of partners' systems: set one up, and read its books."""

from django.http import HttpRequest, HttpResponse
from standardwebhooks.webhooks import EmptyWebhookSecretError, Webhook

from sandbox.control_api import Body, Unprocessable, control
from sandbox.lms import history, webhooks
from sandbox.lms.api import render
from sandbox.lms.dialects import DIALECTS
from sandbox.lms.models import LmsEnrollment, LmsMessage, Partner

_KINDS = {"api_key": str, "honors_keys": bool, "webhook_url": str, "secret": str, "dialect": str}
_COLUMNS = {"secret": "webhook_secret"}


def partner(request: HttpRequest, slug: str) -> HttpResponse:
    """POST sets the values in the body; GET returns everybody ever enrolled there."""
    return control("GET", "POST")(lambda _, body: _set_up(slug, body))(request)


def _set_up(slug: str, body: Body) -> Body:
    row, _ = Partner.objects.get_or_create(slug=slug)
    for name, value in body.items():
        if name not in _KINDS or not isinstance(value, _KINDS[name]):
            raise Unprocessable("Give api_key, webhook_url, secret, dialect (texts) or honors_keys (true or false).")
        setattr(row, _COLUMNS.get(name, name), value)
    if row.dialect not in DIALECTS:
        raise Unprocessable(f"dialect is one of {', '.join(DIALECTS)}.")
    if row.webhook_url and not _is_secret(row.webhook_secret):
        raise Unprocessable("With webhook_url, give secret: base64, after whsec_ or bare.")
    row.save()
    enrollments = LmsEnrollment.objects.filter(partner=row).select_related("partner").order_by("pk")
    messages = LmsMessage.objects.filter(partner=row).order_by("pk")
    return {
        "slug": slug,
        "enrollments": [render(each) for each in enrollments],
        "messages": [
            {"id": each.ref, "event": each.body["event"], "state": each.state, "answer": each.answer_status}
            for each in messages
        ],
    }


def remember(request: HttpRequest, slug: str) -> HttpResponse:
    """`{"enrollments": [...]}`: learners the partner taught before; nobody is notified of them."""
    return control("POST")(lambda _, body: _remember(slug, body))(request)


def _remember(slug: str, body: Body) -> Body:
    told = body.get("enrollments")
    if not isinstance(told, list) or not all(isinstance(each, dict) for each in told):
        raise Unprocessable("enrollments must be a list of objects.")
    try:
        return {"enrollments": history.remember_enrollments(slug=slug, told=told)}
    except history.InvalidHistory as error:
        raise Unprocessable(str(error)) from error


@control("POST")
def flush(request: HttpRequest, body: Body) -> Body:
    """Send, for every partner, the messages that the `webhooks` knob has held back."""
    return {"released": webhooks.release()}


def _is_secret(text: str) -> bool:
    try:
        Webhook(text)
    except (EmptyWebhookSecretError, ValueError):
        return False
    return True
