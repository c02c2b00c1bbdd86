"""What we need from a vendor that issues invoices for a workspace, in our words."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from core.money import Money

# The states of a document at the tax office.
E_INVOICE_UNDER_WAY = "processing"


@dataclass(frozen=True, slots=True)
class Position:
    """One line of a document: what, how much of it, the amount including tax, and the rate in percent ("23"), or none.
    `details` are printed below: the list price and the discount."""

    name: str
    quantity: int
    amount: Money
    tax_rate: str
    details: str = ""


@dataclass(frozen=True, slots=True)
class Party:
    name: str
    tax_id: str = ""
    address: str = ""
    email: str = ""


@dataclass(frozen=True, slots=True)
class DocumentRequest:
    """A document to issue. `reference` is our row: only one document ever exists for a reference.

    A correction names the vendor's id of the invoice that it `corrects`, the reason, and for its one position the
    amounts `before` and after.
    """

    reference: str
    seller: Party
    buyer: Party
    date: dt.date
    positions: Sequence[Position]
    currency: str
    corrects: str = ""
    before: Position | None = None
    after: Position | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class IssuedDocument:
    """A document as the vendor has it. `e_invoice_state` is empty if nothing is sent to a tax office."""

    id: str
    number: str
    date: dt.date
    e_invoice_state: str = ""


class InvoiceGateway(Protocol):
    """Every method is a network call, and raises InvoicingDown or InvoiceRefused."""

    def issue(self, request: DocumentRequest) -> IssuedDocument:
        """Issue a document; refused if one with its reference exists."""

    def find(self, reference: str) -> IssuedDocument | None:
        """Return the result of an earlier call with this reference, if there is one."""

    def retrieve(self, document_id: str) -> IssuedDocument: ...

    def cancel(self, document_id: str, *, reason: str) -> None:
        """Cancel a document; a canceled one stays canceled."""

    def fetch_pdf(self, document_id: str) -> bytes: ...
