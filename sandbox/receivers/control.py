"""The control API of receivers: set one up, and read what arrived."""

from django.http import HttpRequest, HttpResponse

from sandbox.control_api import Body, Unprocessable, control
from sandbox.receivers.models import Mode, Receiver
from sandbox.receivers.pages import is_secret


def receiver(request: HttpRequest, slug: str) -> HttpResponse:
    """POST sets the values in the body; GET returns what arrived."""
    return control("GET", "POST")(lambda _, body: _set_up(slug, body))(request)


def _set_up(slug: str, body: Body) -> Body:
    row, _ = Receiver.objects.get_or_create(slug=slug)
    if unknown := set(body) - {"secret", "mode"}:
        raise Unprocessable(f"Give secret and mode, and not {', '.join(sorted(unknown))}.")
    secret = body.get("secret", row.secret)
    mode = body.get("mode", row.mode)
    if secret and not (isinstance(secret, str) and is_secret(secret)):
        raise Unprocessable("secret must be base64, after whsec_ or bare.")
    if mode not in Mode.values:
        raise Unprocessable(f"mode must be one of {', '.join(Mode.values)}.")
    row.secret = secret
    row.mode = mode
    row.save()
    arrivals = row.arrivals.order_by("pk")
    return {
        "slug": slug,
        "mode": row.mode,
        "arrivals": [
            {
                "id": each.message_id,
                "type": each.type,
                "verified": not each.fault,
                "fault": each.fault,
                "answer": each.status,
            }
            for each in arrivals
        ],
    }
