"""The only place that talks to Fakturownia (https://github.com/fakturownia/API): its JSON API with `api_token`.

Our reference is sent as `oid` with `oid_unique`, so Fakturownia itself refuses a second document with it. After a lost
answer, the caller first looks for the document there.
"""

import datetime as dt
import json
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

from core.breaker import Breaker
from core.money import Money
from core.outbound import Answer
from core.vendors import Vendor, VendorDown, VendorRefuses

from ..errors import InvoiceRefused, InvoicingDown
from ..models import Seller
from .invoices import DocumentRequest, InvoiceGateway, IssuedDocument, Party, Position

T = TypeVar("T")

SECONDS = 20.0
FAILURES_IN_A_ROW = 5
LEFT_ALONE_SECONDS = 60.0
LONGEST_REASON = 250
# Used when a position states no tax.
NO_TAX = "disabled"


def get_invoice_gateway(seller: Seller) -> InvoiceGateway:
    """Return the gateway to a workspace's own account."""
    return FakturowniaGateway(seller)


@cache
def _breaker_of(seller_id: int) -> Breaker:
    """Return the breaker, one per account and process."""
    return Breaker(failures=FAILURES_IN_A_ROW, seconds=LEFT_ALONE_SECONDS)


class FakturowniaGateway:
    """Implements InvoiceGateway."""

    def __init__(self, seller: Seller) -> None:
        self._base = seller.base_url.rstrip("/")
        self._token = seller.api_token
        self._vendor = Vendor("Fakturownia", label="fakturownia", breaker=_breaker_of(seller.pk), seconds=SECONDS)

    def issue(self, request: DocumentRequest) -> IssuedDocument:
        return self._post(
            "invoices.json", _document, invoice=_correction(request) if request.corrects else _vat(request)
        )

    def find(self, reference: str) -> IssuedDocument | None:
        return self._get("invoices.json", lambda answer: _first(answer, reference), oid=reference, period="all")

    def retrieve(self, document_id: str) -> IssuedDocument:
        return self._get(f"invoices/{document_id}.json", _document)

    def cancel(self, document_id: str, *, reason: str) -> None:
        self._post(
            "invoices/cancel.json",
            lambda answer: None,
            cancel_invoice_id=document_id,
            cancel_reason=reason[:LONGEST_REASON],
        )

    def fetch_pdf(self, document_id: str) -> bytes:
        return self._get(f"invoices/{document_id}.pdf", _pdf, accept="application/pdf")

    def _get(self, path: str, read: Callable[[Answer], T], *, accept: str = "application/json", **params: str) -> T:
        return self._ask("GET", path, read, accept=accept, params={**params, "api_token": self._token})

    def _post(self, path: str, read: Callable[[Answer], T], **body: Any) -> T:
        return self._ask("POST", path, read, accept="application/json", body={"api_token": self._token, **body})

    def _ask(self, method: str, path: str, read: Callable[[Answer], T], *, accept: str, **more: Any) -> T:
        if not self._base or not self._token:
            raise InvoicingDown("The workspace's account at Fakturownia is not set up.", was_asked=False)
        try:
            return self._vendor.ask(method, f"{self._base}/{path}", read, headers={"Accept": accept}, **more)
        except VendorDown as error:
            raise InvoicingDown(error.detail, wait_seconds=error.wait_seconds, was_asked=error.was_asked) from error
        except VendorRefuses as error:
            raise InvoiceRefused(_said(error.answer)) from error


def _vat(request: DocumentRequest) -> dict[str, Any]:
    return {
        "kind": "vat",
        **_common(request),
        "payment_to": request.date.isoformat(),
        "status": "paid",
        "paid_date": request.date.isoformat(),
        "positions": [_position(each) for each in request.positions],
    }


def _correction(request: DocumentRequest) -> dict[str, Any]:
    """Return a correction's fields: it states its one position before and after, and the difference."""
    (position,) = request.positions
    parts = {}
    if request.before and request.after:
        parts = {
            "correction_before_attributes": {**_position(request.before), "kind": "correction_before"},
            "correction_after_attributes": {**_position(request.after), "kind": "correction_after"},
        }
    return {
        "kind": "correction",
        **_common(request),
        "correction_reason": request.reason,
        "invoice_id": request.corrects,
        "from_invoice_id": request.corrects,
        "positions": [{**_position(position), "kind": "correction", **parts}],
    }


def _common(request: DocumentRequest) -> dict[str, Any]:
    return {
        "number": None,
        "oid": request.reference,
        "oid_unique": "yes",
        "sell_date": request.date.isoformat(),
        "issue_date": request.date.isoformat(),
        "currency": request.currency.upper(),
        **_party("seller", request.seller),
        **_party("buyer", request.buyer),
        **({"buyer_company": "1"} if request.buyer.tax_id else {}),
    }


def _party(side: str, party: Party) -> dict[str, str]:
    told = {"name": party.name, "tax_no": party.tax_id, "street": party.address, "email": party.email}
    return {f"{side}_{name}": value.replace("\n", ", ") for name, value in told.items() if value}


def _position(position: Position) -> dict[str, Any]:
    return {
        "name": position.name,
        "quantity": position.quantity,
        "total_price_gross": _amount(position.amount),
        "tax": position.tax_rate or NO_TAX,
        **({"description": position.details} if position.details else {}),
    }


def _amount(money: Money) -> str:
    return f"{money.units:.{money.decimals}f}"


def _document(answer: Answer) -> IssuedDocument:
    return _read_document(answer.json())


def _read_document(body: Any) -> IssuedDocument:
    number = body["number"]
    if isinstance(body["id"], bool) or not isinstance(body["id"], int | str) or not isinstance(number, str):
        raise ValueError("no document")
    if not 0 < len(number.strip()) <= 40 or not number.isprintable() or len(str(body["id"])) > 64:
        raise ValueError("a number that is none")
    state = body.get("gov_status") or ""
    return IssuedDocument(
        id=str(body["id"]),
        number=number.strip(),
        date=dt.date.fromisoformat(body["issue_date"]),
        e_invoice_state=str(state)[:30],
    )


def _first(answer: Answer, reference: str) -> IssuedDocument | None:
    rows = answer.json()
    if not isinstance(rows, list):
        raise TypeError("no list")
    ours = [row for row in rows if row["oid"] == reference]
    return _read_document(ours[0]) if ours else None


def _pdf(answer: Answer) -> bytes:
    if not answer.body.startswith(b"%PDF"):
        raise ValueError("no PDF")
    return answer.body


def _said(answer: Answer) -> str:
    """Return a refusal in Fakturownia's words, for staff: `{"code": "error", "message": text or {field: [texts]}}`."""
    try:
        message = answer.json()["message"]
    except (LookupError, TypeError, ValueError):
        return f"Fakturownia answered {answer.status}."
    told = message if isinstance(message, str) else json.dumps(message, ensure_ascii=False)
    return f"Fakturownia answered {answer.status}: {told}"[:300]
