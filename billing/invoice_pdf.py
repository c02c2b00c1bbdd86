"""An invoice on paper. It is made from its row alone, so it says the same however often it is requested."""

from io import BytesIO
from itertools import zip_longest
from typing import Any

from django.utils.translation import override
from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.platypus import Flowable, SimpleDocTemplate, Spacer, Table, TableStyle

from core.money import Money
from core.paper import PrintedLine, lay_out
from core.time_words import plain_day

from .invoicing.lines import InvoiceLine
from .models import Invoice
from .states import InvoiceStatus

INK = HexColor("#22302e")
QUIET = HexColor("#6a716c")
ACCENT = HexColor("#0b625a")
RULE = HexColor("#e6dccb")
MARGIN = 22 * mm
WIDTH = A4[0] - 2 * MARGIN - 12  # reportlab's frame leaves 6 points free on each side
GAP = 12  # between columns
PLAIN = [
    ("VALIGN", (0, 0), (-1, -1), "TOP"),
    ("LEFTPADDING", (0, 0), (-1, -1), 0),
    ("RIGHTPADDING", (0, 0), (-1, -1), 0),
    ("TOPPADDING", (0, 0), (-1, -1), 0),
    ("BOTTOMPADDING", (0, 0), (-1, -1), 0),
]


def render_invoice(invoice: Invoice) -> bytes:
    """Return the invoice as a PDF of as many A4 pages as its texts need, in any script."""
    paper = BytesIO()
    document = SimpleDocTemplate(
        paper,
        pagesize=A4,
        leftMargin=MARGIN,
        rightMargin=MARGIN,
        topMargin=24 * mm,
        bottomMargin=24 * mm,
        title=str(invoice),
        author=invoice.seller_name,
        invariant=True,
    )
    with override("en"):  # whatever the reader's language
        document.build(_story(invoice))
    return paper.getvalue()


def _story(invoice: Invoice) -> list[Flowable]:
    return [
        *_text(str(invoice), size=22, color=ACCENT, bold=True),
        *_text(_subtitle(invoice), color=QUIET),
        *(_text(_canceled(invoice), bold=True) if invoice.status == InvoiceStatus.CANCELLED else []),
        Spacer(1, 12 * mm),
        _parties(invoice),
        Spacer(1, 12 * mm),
        _lines(invoice),
        Spacer(1, 12 * mm),
        *_text(_paid(invoice), color=QUIET),
        *(_text(invoice.footer, size=8, color=QUIET) if invoice.footer else []),
    ]


def _subtitle(invoice: Invoice) -> str:
    told = f"Issued on {_written(invoice)}"
    if invoice.corrects is not None:
        told += f", corrects invoice {invoice.corrects.number} of {_written(invoice.corrects)}"
    if invoice.replaces is not None:
        told += f", in place of invoice {invoice.replaces.number} of {_written(invoice.replaces)}"
    return told


def _written(invoice: Invoice) -> str:
    return plain_day(invoice.date)


def _canceled(invoice: Invoice) -> str:
    return f"Canceled: {invoice.reason}" if invoice.reason else "Canceled"


def _parties(invoice: Invoice) -> Table:
    """Return a row for each line of both parties, so that a long address continues on the next page."""
    half = WIDTH / 2 - GAP
    seller = [*invoice.seller_address.splitlines(), _tax_id(invoice.seller_tax_id)]
    buyer = [
        invoice.buyer_name,
        *invoice.buyer_address.splitlines(),
        _tax_id(invoice.buyer_tax_id),
        invoice.buyer_email,
    ]
    left = [*_text(invoice.seller_name, bold=True, width=half), *_block(seller, half)]
    right = _block(buyer, half)
    heads = [*_text("From", color=QUIET), *_text("To", color=QUIET)]
    rows = [heads, *([one or "", other or ""] for one, other in zip_longest(left, right))]
    return Table(rows, colWidths=[WIDTH / 2] * 2, style=TableStyle(PLAIN), repeatRows=1)


def _tax_id(number: str) -> str:
    return f"Tax id {number}" if number else ""


def _block(lines: list[str], width: float) -> list[Flowable]:
    text = "\n".join(line for line in lines if line.strip())
    return _text(text, width=width) if text else []


def _lines(invoice: Invoice) -> Table:
    """Return what was sold; net and tax have their own columns if a tax is stated."""
    lines = [InvoiceLine.read(line) for line in invoice.lines]
    taxed = any(line.tax_rate is not None for line in lines)
    widths = [WIDTH * part for part in ((0.4, 0.21, 0.18, 0.21) if taxed else (0.7, 0.3))]
    heads = ["Net", "Tax", "Amount"] if taxed else ["Amount"]
    rows: list[list[Any]] = [
        [*_text("Description", color=QUIET), *(_text(head, color=QUIET, right=True)[0] for head in heads)]
    ]
    rules = [("LINEBELOW", (0, 0), (-1, 0), 0.75, RULE), ("BOTTOMPADDING", (0, 0), (-1, 0), 6)]
    for part in (part for line in lines for part in line.parts):
        rows += _item(_text(_what(part), width=widths[0] - GAP), _figures(invoice, part, taxed), bold=False)
        last = len(rows) - 1
        rules += [("LINEBELOW", (0, last), (-1, last), 0.75, RULE), ("BOTTOMPADDING", (0, last), (-1, last), 6)]
    rows += _item(_text("Total", bold=True), _totals(invoice, lines, taxed), bold=True)
    rules += [("LINEABOVE", (0, -1), (-1, -1), 1.25, ACCENT), ("TOPPADDING", (0, -1), (-1, -1), 6)]
    return Table(rows, colWidths=widths, style=TableStyle([*PLAIN, *rules]), repeatRows=1)


def _what(line: InvoiceLine) -> str:
    told = [line.description if line.quantity == 1 else f"{line.quantity} x {line.description}"]
    if line.service is not None:
        told += [f"for {line.service.learner}"] if line.service.learner else []
        told += [line.service.days] if line.service.days else []
    if line.tax_rate is not None:
        told.append(f"including {line.tax_rate.normalize():f} % tax")
    return "\n".join(told)


def _figures(invoice: Invoice, line: InvoiceLine, taxed: bool) -> list[str]:
    minors = [line.net_minor, line.tax_minor, line.amount_minor] if taxed else [line.amount_minor]
    return [str(Money(minor, invoice.currency)) for minor in minors]


def _totals(invoice: Invoice, lines: list[InvoiceLine], taxed: bool) -> list[str]:
    tax = sum(line.tax_minor for line in lines)
    minors = [invoice.amount_minor - tax, tax, invoice.amount_minor] if taxed else [invoice.amount_minor]
    return [str(Money(minor, invoice.currency)) for minor in minors]


def _item(lines: list[Flowable], figures: list[str], *, bold: bool) -> list[list[Any]]:
    """Return a description's lines, with the figures beside the first."""
    printed = [_text(figure, bold=bold, right=True)[0] for figure in figures]
    return [[line, *(printed if number == 0 else [""] * len(printed))] for number, line in enumerate(lines)]


def _paid(invoice: Invoice) -> str:
    if invoice.corrects is None:
        return f"Paid in full. Payment {invoice.payment_id}."
    return f"About payment {invoice.payment_id}."


def _text(
    text: str,
    *,
    size: int = 10,
    color: HexColor = INK,
    bold: bool = False,
    right: bool = False,
    width: float | None = None,
) -> list[Flowable]:
    lines = lay_out(text, width=width or WIDTH, size=size, bold=bold)
    return [PrintedLine(line, color=color, right=right) for line in lines]
