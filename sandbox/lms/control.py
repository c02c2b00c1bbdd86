"""The control surface of partners' systems: set one up, and read its books."""

from django.http import HttpRequest, HttpResponse

from sandbox.control_api import Body, Unprocessable, control
from sandbox.lms.api import render
from sandbox.lms.models import LmsEnrollment, Partner

_KINDS = {"api_key": str, "honors_keys": bool}


def partner(request: HttpRequest, slug: str) -> HttpResponse:
    """POST sets what the body names; GET shows all that was ever enrolled there."""
    return control("GET", "POST")(lambda _, body: _set_up(slug, body))(request)


def _set_up(slug: str, body: Body) -> Body:
    row, _ = Partner.objects.get_or_create(slug=slug)
    for name, value in body.items():
        if name not in _KINDS or not isinstance(value, _KINDS[name]):
            raise Unprocessable("Give api_key (a text) or honors_keys (true or false).")
        setattr(row, name, value)
    row.save()
    enrollments = LmsEnrollment.objects.filter(partner=row).select_related("partner").order_by("pk")
    return {"slug": slug, "enrollments": [render(each) for each in enrollments]}
