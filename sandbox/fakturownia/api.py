"""Fakturownia's API (https://github.com/fakturownia/API): issue, look up, print, and cancel documents.

It rejects what the real one rejects: a wrong token, a repeated `oid` that must be unique, a document without positions,
a Polish tax id with a wrong check digit, and a correction of nothing.
"""

import datetime as dt
import hmac
import json
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Max
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse

from sandbox.fakturownia.models import Account, Document
from sandbox.fakturownia.paper import print_document
from sandbox.knobs import clock
from sandbox.knobs.weather import strike_after, strike_before

Body = dict[str, Any]
KINDS = ("vat", "correction", "proforma", "bill", "receipt")
CENT = Decimal("0.01")
# Tax values that are no rate: exempt, not subject, not shown.
UNTAXED = ("zw", "np", "disabled")
_NIP_WEIGHTS = (6, 5, 7, 2, 3, 4, 5, 6, 7)


class Refusal(Exception):
    """A rejected request: the status, and the message as Fakturownia words it."""

    def __init__(self, status: int, message: str | dict[str, list[str]], **headers: str) -> None:
        super().__init__(str(message))
        self.status = status
        self.message = message
        self.headers = headers


Operation = Callable[..., HttpResponseBase]


def endpoint(**operations: Operation) -> Callable[..., HttpResponseBase]:
    """Return the view of a path; `operations` are keyed by lower-case method."""

    def view(request: HttpRequest, slug: str, **ids: Any) -> HttpResponseBase:
        try:
            run = operations.get(str(request.method).lower())
            if run is None:
                raise Refusal(405, "No such method here.")
            body = _read(request)
            account, _ = Account.objects.get_or_create(slug=slug)
            _check_token(account, str(body.get("api_token") or request.GET.get("api_token") or ""))
            if blow := strike_before(request):
                raise Refusal(blow.status, blow.message, **blow.headers)
            with transaction.atomic():
                answer = run(account, request, body, **ids)
        except Refusal as refusal:
            return _error(refusal.status, refusal.message, **refusal.headers)
        return strike_after(request, answer, lambda message: _error(500, message))

    return view


def create(account: Account, request: HttpRequest, body: Body) -> HttpResponseBase:
    asked = body.get("invoice")
    if not isinstance(asked, dict):
        raise Refusal(422, "invoice is missing")
    kind = asked.get("kind") or "vat"
    oid = str(asked.get("oid") or "")
    faults = _faults(account, asked, kind, oid)
    if faults:
        raise Refusal(422, faults)
    issued = str(asked.get("issue_date") or dt.datetime.fromtimestamp(clock.now(), dt.UTC).date())
    counted = Document.objects.filter(account=account, kind=kind, month=issued[:7]).aggregate(last=Max("position"))
    document = Document.objects.create(
        account=account,
        kind=kind,
        month=issued[:7],
        position=(counted["last"] or 0) + 1,
        oid=oid,
        body=asked | {"issue_date": issued},
        gov_status="processing" if account.reports else "",
    )
    return JsonResponse(render(document), status=201)


def list_documents(account: Account, request: HttpRequest, body: Body) -> HttpResponseBase:
    rows = Document.objects.filter(account=account).order_by("-pk")
    if "oid" in request.GET:
        rows = rows.filter(oid=request.GET["oid"])
    return JsonResponse([render(row) for row in rows[:100]], safe=False)


def retrieve(account: Account, request: HttpRequest, body: Body, ref: int) -> HttpResponseBase:
    return JsonResponse(render(_find(account, ref)))


def pdf(account: Account, request: HttpRequest, body: Body, ref: int) -> HttpResponseBase:
    return HttpResponse(print_document(_find(account, ref)), content_type="application/pdf")


def cancel(account: Account, request: HttpRequest, body: Body) -> HttpResponseBase:
    document = _find(account, body.get("cancel_invoice_id"))
    document.cancelled = True
    document.cancel_reason = str(body.get("cancel_reason") or "")
    document.save()
    return JsonResponse({"code": "success", "message": "ok"})


def render(document: Document) -> Body:
    """Return a document as Fakturownia shows it."""
    body = document.body
    gross = sum((_gross(each) for each in body["positions"]), Decimal(0))
    tax = sum((_tax(each) for each in body["positions"]), Decimal(0))
    shown = {
        name: body.get(name)
        for name in (
            "sell_date",
            "issue_date",
            "payment_to",
            "seller_name",
            "seller_tax_no",
            "buyer_name",
            "buyer_tax_no",
            "buyer_email",
            "buyer_street",
            "currency",
            "invoice_id",
            "from_invoice_id",
            "correction_reason",
        )
    }
    return {
        "id": document.pk,
        "kind": document.kind,
        "number": document.number,
        "oid": document.oid or None,
        "status": body.get("status") or "issued",
        "price_gross": str(gross),
        "price_tax": str(tax),
        "price_net": str(gross - tax),
        "token": document.token,
        "view_url": f"{settings.PUBLIC_URL}/fakturownia/{document.account.slug}/invoice/{document.token}",
        "cancelled": document.cancelled,
        "gov_status": document.gov_status or None,
        "positions": body["positions"],
        **shown,
    }


def _faults(account: Account, asked: Body, kind: str, oid: str) -> dict[str, list[str]]:
    faults: dict[str, list[str]] = {}
    positions = asked.get("positions")
    if kind not in KINDS:
        faults["kind"] = ["- is unknown"]
    if not isinstance(positions, list) or not positions:
        faults["positions"] = ["- can't be blank"]
    elif not all(isinstance(each, dict) and _is_position(each) for each in positions):
        faults["positions"] = ["- each needs a name, a quantity, total_price_gross and a tax rate"]
    if not str(asked.get("buyer_name") or "").strip():
        faults["buyer_name"] = ["- can't be blank"]
    if oid and asked.get("oid_unique") == "yes" and Document.objects.filter(account=account, oid=oid).exists():
        faults["oid"] = ["- has already been taken"]
    for side in ("seller", "buyer"):
        number = str(asked.get(f"{side}_tax_no") or "")
        if number and not asked.get("disable_tax_no_validation") and not _is_tax_number(number):
            faults[f"{side}_tax_no"] = ["- is not valid"]
    if kind == "correction" and not _corrected(account, asked).exists():
        faults["invoice_id"] = ["- is not an invoice of this account"]
    return faults


def _corrected(account: Account, asked: Body) -> Any:
    ref = str(asked.get("invoice_id") or "")
    return Document.objects.filter(account=account, pk=int(ref) if ref.isascii() and ref.isdigit() else 0)


def _is_position(position: Body) -> bool:
    try:
        _tax(position)
    except (InvalidOperation, KeyError, TypeError, ValueError):
        return False
    return bool(str(position.get("name") or "").strip()) and "quantity" in position


def _gross(position: Body) -> Decimal:
    return Decimal(str(position["total_price_gross"]).replace(",", "."))


def _tax(position: Body) -> Decimal:
    gross = _gross(position)
    rate = str(position["tax"])
    if rate in UNTAXED:
        return Decimal(0)
    percent = Decimal(rate)
    return (gross * percent / (100 + percent)).quantize(CENT, rounding=ROUND_HALF_UP)


def _is_tax_number(number: str) -> bool:
    """Return whether the tax id is valid. Polish ones (ten digits, with or without PL) have a check digit; those of
    other countries are accepted.
    """
    digits = number.removeprefix("PL").replace("-", "").replace(" ", "")
    if not digits.isascii() or not digits.isdigit():
        return digits.isascii() and digits.isalnum()
    if len(digits) != len(_NIP_WEIGHTS) + 1:
        return not number.startswith("PL")
    weighed = sum(weight * int(digit) for weight, digit in zip(_NIP_WEIGHTS, digits, strict=False))
    return weighed % 11 == int(digits[-1])


def _find(account: Account, ref: Any) -> Document:
    text = str(ref)
    found = Document.objects.filter(account=account, pk=int(text) if text.isascii() and text.isdigit() else 0).first()
    if found is None:
        raise Refusal(404, "Not found")
    return found


def _read(request: HttpRequest) -> Body:
    if request.method != "POST":
        return {}
    try:
        body = json.loads(request.body)
    except ValueError as error:
        raise Refusal(400, "The body must be JSON.") from error
    if not isinstance(body, dict):
        raise Refusal(400, "The body must be an object.")
    return body


def _check_token(account: Account, given: str) -> None:
    if account.api_token and not hmac.compare_digest(given.encode(), account.api_token.encode()):
        raise Refusal(401, "You need to sign in or sign up before continuing.")


def _error(status: int, message: str | dict[str, list[str]], **headers: str) -> HttpResponseBase:
    return JsonResponse({"code": "error", "message": message}, status=status, headers=headers)
