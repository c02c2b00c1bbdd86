"""The control API of Fakturownia's accounts: set one up, read its books, and make the tax office respond."""

from django.http import HttpRequest, HttpResponse

from sandbox.control_api import Body, Unprocessable, control
from sandbox.fakturownia.api import render
from sandbox.fakturownia.models import Account, Document

_KINDS = {"api_token": str, "reports": bool}
_ANSWERS = ("ok", "send_error")


def account(request: HttpRequest, slug: str) -> HttpResponse:
    """POST sets the values in the body; GET returns every document ever issued there."""
    return control("GET", "POST")(lambda _, body: _set_up(slug, body))(request)


def tax_office(request: HttpRequest, slug: str) -> HttpResponse:
    """POST `{"answer": "ok"}` sets the outcome of all e-invoices that are in progress."""
    return control("POST")(lambda _, body: _answer(slug, body))(request)


def _set_up(slug: str, body: Body) -> Body:
    row, _ = Account.objects.get_or_create(slug=slug)
    for name, value in body.items():
        if name not in _KINDS or not isinstance(value, _KINDS[name]):
            raise Unprocessable("Give api_token (a text) or reports (true or false).")
        setattr(row, name, value)
    row.save()
    return {"slug": slug, "documents": [render(each) for each in row.documents.order_by("pk")]}


def _answer(slug: str, body: Body) -> Body:
    answer = body.get("answer")
    if answer not in _ANSWERS:
        raise Unprocessable(f"answer must be one of {', '.join(_ANSWERS)}.")
    under_way = Document.objects.filter(account__slug=slug, gov_status="processing")
    return {"answered": under_way.update(gov_status=answer)}
