"""An invoice on paper. It is made of its row alone, so it says the same however often it is asked for."""

from io import BytesIO
from itertools import zip_longest
from typing import Any

from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.platypus import Flowable, SimpleDocTemplate, Spacer, Table, TableStyle

from core.money import Money
from core.paper import PrintedLine, lay_out

from .models import Invoice

INK = HexColor("#22302e")
QUIET = HexColor("#6a716c")
ACCENT = HexColor("#0b625a")
RULE = HexColor("#e6dccb")
MARGIN = 22 * mm
WIDTH = A4[0] - 2 * MARGIN - 12  # reportlab's frame keeps 6 points free on each side
GAP = 12  # between columns
PLAIN = [
    ("VALIGN", (0, 0), (-1, -1), "TOP"),
    ("LEFTPADDING", (0, 0), (-1, -1), 0),
    ("RIGHTPADDING", (0, 0), (-1, -1), 0),
    ("TOPPADDING", (0, 0), (-1, -1), 0),
    ("BOTTOMPADDING", (0, 0), (-1, -1), 0),
]


def render_invoice(invoice: Invoice) -> bytes:
    """The invoice as a PDF of as many A4 pages as its texts need, in whatever script they are."""
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
    document.build(_story(invoice))
    return paper.getvalue()


def _story(invoice: Invoice) -> list[Flowable]:
    return [
        *_text(str(invoice), size=22, color=ACCENT, bold=True),
        *_text(_subtitle(invoice), color=QUIET),
        Spacer(1, 12 * mm),
        _parties(invoice),
        Spacer(1, 12 * mm),
        _lines(invoice),
        Spacer(1, 12 * mm),
        *_text(_paid(invoice), color=QUIET),
    ]


def _subtitle(invoice: Invoice) -> str:
    issued = f"Issued on {invoice.date:%B %-d, %Y}"
    if invoice.corrects is None:
        return issued
    return f"{issued}, corrects invoice {invoice.corrects.number} of {invoice.corrects.date:%B %-d, %Y}"


def _parties(invoice: Invoice) -> Table:
    """A row for each of their lines, so that a long address continues on the next page."""
    half = WIDTH / 2 - GAP
    buyer = [invoice.buyer_name, *invoice.buyer_address.splitlines(), invoice.buyer_email]
    left = _text(invoice.seller_name, bold=True, width=half)
    right = _text("\n".join(line for line in buyer if line.strip()), width=half)
    heads = [*_text("From", color=QUIET), *_text("To", color=QUIET)]
    rows = [heads, *([one or "", other or ""] for one, other in zip_longest(left, right))]
    return Table(rows, colWidths=[WIDTH / 2] * 2, style=TableStyle(PLAIN), repeatRows=1)


def _lines(invoice: Invoice) -> Table:
    rows: list[list[Any]] = [[*_text("Description", color=QUIET), *_text("Amount", color=QUIET, right=True)]]
    rules = [("LINEBELOW", (0, 0), (-1, 0), 0.75, RULE), ("BOTTOMPADDING", (0, 0), (-1, 0), 6)]
    for line in invoice.lines:
        amount = Money(line["amount_minor"], invoice.currency)
        rows += _item(_text(line["description"], width=WIDTH * 0.7 - GAP), str(amount), bold=False)
        last = len(rows) - 1
        rules += [("LINEBELOW", (0, last), (-1, last), 0.75, RULE), ("BOTTOMPADDING", (0, last), (-1, last), 6)]
    rows += _item(_text("Total", bold=True), str(invoice.money), bold=True)
    rules += [("LINEABOVE", (0, -1), (-1, -1), 1.25, ACCENT), ("TOPPADDING", (0, -1), (-1, -1), 6)]
    style = TableStyle([*PLAIN, *rules])
    return Table(rows, colWidths=[WIDTH * 0.7, WIDTH * 0.3], style=style, repeatRows=1)


def _item(lines: list[Flowable], amount: str, *, bold: bool) -> list[list[Any]]:
    """The lines of a description, with the amount beside the first."""
    (printed,) = _text(amount, bold=bold, right=True)
    return [[line, "" if number else printed] for number, line in enumerate(lines)]


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
