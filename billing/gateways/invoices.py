"""What we ask of a vendor that issues invoices for a workspace, in our words."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from core.money import Money

# What becomes of a document at the tax office.
E_INVOICE_UNDER_WAY = "processing"


@dataclass(frozen=True, slots=True)
class Position:
    """A line of a document: what, how much of it, the amount with its tax, and the rate in percent ("23"), or none.
    `details` are printed below: the list price, and what is taken off it."""

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
    """A document to be issued. `reference` is our row: under one reference there is one document, ever.

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
    """A document as the vendor has it. `e_invoice_state` is empty where nothing goes to a tax office."""

    id: str
    number: str
    date: dt.date
    e_invoice_state: str = ""


class InvoiceGateway(Protocol):
    """Every call goes over the network, and raises InvoicingDown or InvoiceRefused."""

    def issue(self, request: DocumentRequest) -> IssuedDocument:
        """Issue a document; refused where one with its reference exists."""

    def find(self, reference: str) -> IssuedDocument | None:
        """What came of an earlier call under this reference, if anything did."""

    def retrieve(self, document_id: str) -> IssuedDocument: ...

    def cancel(self, document_id: str, *, reason: str) -> None:
        """Cancel a document; one that is canceled stays so."""

    def fetch_pdf(self, document_id: str) -> bytes: ...
