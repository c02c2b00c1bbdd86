"""An invoice on paper. It is made of its row alone, so it says the same however often it is asked for."""

from functools import cache
from io import BytesIO
from pathlib import Path
from xml.sax.saxutils import escape

from reportlab.lib.colors import HexColor
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import Flowable, Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

from enrollment_project.core.money import Money

from .models import Invoice

FONTS = Path(__file__).parent / "fonts"
INK, QUIET, ACCENT, RULE = HexColor("#22302e"), HexColor("#6a716c"), HexColor("#0b625a"), HexColor("#e6dccb")
MARGIN = 22 * mm
WIDTH = A4[0] - 2 * MARGIN - 12  # reportlab's frame keeps 6 points free on each side


def render_invoice(invoice: Invoice) -> bytes:
    """The invoice as a PDF of A4 pages. Text is in Latin, Greek and Cyrillic script; other letters appear as boxes."""
    _register_fonts()
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
        _text(str(invoice), size=22, color=ACCENT, bold=True),
        _text(_subtitle(invoice), color=QUIET),
        Spacer(1, 12 * mm),
        _parties(invoice),
        Spacer(1, 12 * mm),
        _lines(invoice),
        Spacer(1, 12 * mm),
        _text(_paid(invoice), color=QUIET),
    ]


def _subtitle(invoice: Invoice) -> str:
    issued = f"Issued on {invoice.issued_at:%B %-d, %Y}"
    if invoice.corrects is None:
        return issued
    return f"{issued}, corrects invoice {invoice.corrects.number} of {invoice.corrects.issued_at:%B %-d, %Y}"


def _parties(invoice: Invoice) -> Table:
    buyer = [invoice.buyer_name, *invoice.buyer_address.splitlines(), invoice.buyer_email]
    cells = [
        [_text("From", color=QUIET), _text("To", color=QUIET)],
        [_text(invoice.seller_name, bold=True), _text("\n".join(line for line in buyer if line))],
    ]
    style = [("VALIGN", (0, 0), (-1, -1), "TOP"), ("LEFTPADDING", (0, 0), (-1, -1), 0)]
    return Table(cells, colWidths=[WIDTH / 2] * 2, style=TableStyle(style))


def _lines(invoice: Invoice) -> Table:
    rows = [[_text("Description", color=QUIET), _text("Amount", color=QUIET, right=True)]]
    for line in invoice.lines:
        amount = Money(line["amount_minor"], invoice.currency)
        rows.append([_text(line["description"]), _text(str(amount), right=True)])
    rows.append([_text("Total", bold=True), _text(str(invoice.money), bold=True, right=True)])
    style = [
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LEFTPADDING", (0, 0), (-1, -1), 0),
        ("RIGHTPADDING", (0, 0), (-1, -1), 0),
        ("TOPPADDING", (0, 0), (-1, -1), 6),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 6),
        ("LINEBELOW", (0, 0), (-1, -2), 0.75, RULE),
        ("LINEABOVE", (0, -1), (-1, -1), 1.25, ACCENT),
    ]
    return Table(rows, colWidths=[WIDTH * 0.7, WIDTH * 0.3], style=TableStyle(style), repeatRows=1)


def _paid(invoice: Invoice) -> str:
    if invoice.corrects is None:
        return f"Paid in full. Payment {invoice.payment_id}."
    return f"About payment {invoice.payment_id}."


def _text(text: str, *, size: int = 10, color: HexColor = INK, bold: bool = False, right: bool = False) -> Paragraph:
    style = ParagraphStyle(
        "text",
        fontName="DejaVuSans-Bold" if bold else "DejaVuSans",
        fontSize=size,
        leading=size * 1.5,
        textColor=color,
        splitLongWords=True,
        **({"alignment": TA_RIGHT} if right else {}),
    )
    return Paragraph(escape(text).replace("\n", "<br/>"), style)


@cache
def _register_fonts() -> None:
    for name in ("DejaVuSans", "DejaVuSans-Bold"):
        pdfmetrics.registerFont(TTFont(name, FONTS / f"{name}.ttf"))
