"""Invoices: one for each payment that counts, a correction whenever the remaining amount changes, and a replacement for
one that was issued by mistake. Where a vendor issues them, a worker requests them."""

from .issue import Buyer, correct_invoice, issue_invoice
from .lines import InvoiceLine
from .numbering import Series, write_number
from .replacement import check_replaceable, replace_invoice
from .sources import name_sources
from .vendor import issue_requested, record_issued_by_hand, retry_invoice, ring_for_due_invoices

__all__ = [
    "Buyer",
    "InvoiceLine",
    "Series",
    "check_replaceable",
    "correct_invoice",
    "issue_invoice",
    "issue_requested",
    "name_sources",
    "record_issued_by_hand",
    "replace_invoice",
    "retry_invoice",
    "ring_for_due_invoices",
    "write_number",
]
