"""A certificate on paper: one landscape page to frame, produced from its row alone, with the way to verify it."""

from io import BytesIO
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.urls import reverse
from reportlab.graphics import renderPDF
from reportlab.graphics.barcode.qr import QrCodeWidget
from reportlab.graphics.shapes import Drawing
from reportlab.lib.colors import Color, HexColor
from reportlab.lib.pagesizes import A4, landscape
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas

from core.paper import Line, PrintedLine, lay_out

from .models import Certificate

INK = HexColor("#22302e")
QUIET = HexColor("#6a716c")
ACCENT = HexColor("#0b625a")
GOLD = HexColor("#b98a2f")
WIDTH, HEIGHT = landscape(A4)
TEXT_WIDTH = WIDTH - 84 * mm
QR_SIZE = 30 * mm
EDGE = 26 * mm
# From large to small: the first size at which a text fits the allowed number of lines is used.
NAME_SIZES = (34, 30, 26, 22, 18, 15, 12)
TITLE_SIZES = (20, 18, 16, 14, 12, 10)
MOST_LINES = 2


def verification_url(certificate: Certificate) -> str:
    """Return the URL at which anybody can verify it."""
    return f"{settings.PUBLIC_URL}{reverse('certificate', args=[certificate.serial])}"


def paper_url(certificate: Certificate) -> str:
    return f"{settings.PUBLIC_URL}{reverse('certificate-pdf', args=[certificate.serial])}"


def file_name(certificate: Certificate) -> str:
    return f"certificate-{certificate.serial}.pdf"


def render_certificate(certificate: Certificate) -> bytes:
    """Return the certificate as a PDF, whatever script its name and title use."""
    paper = BytesIO()
    canvas = Canvas(paper, pagesize=(WIDTH, HEIGHT), invariant=True)
    canvas.setTitle(str(certificate))
    canvas.setSubject("Certificate of completion")
    _draw_frame(canvas)
    y = HEIGHT - 46 * mm
    y = _centered(canvas, lay_out("CERTIFICATE OF COMPLETION", width=TEXT_WIDTH, size=15, bold=True), y, GOLD)
    y = _centered(canvas, lay_out("This is to certify that", width=TEXT_WIDTH, size=12), y - 7 * mm, QUIET)
    y = _centered(canvas, _fitted(certificate.learner_name, NAME_SIZES), y - 4 * mm, ACCENT)
    _draw_rule(canvas, y - 1 * mm)
    y = _centered(canvas, lay_out("has completed the program", width=TEXT_WIDTH, size=12), y - 8 * mm, QUIET)
    _centered(canvas, _fitted(certificate.program_title, TITLE_SIZES), y - 3 * mm, INK)
    _draw_foot(canvas, certificate)
    canvas.save()
    return paper.getvalue()


def _fitted(text: str, sizes: tuple[int, ...]) -> list[Line]:
    lines: list[Line] = []
    for size in sizes:
        lines = lay_out(text, width=TEXT_WIDTH, size=size, bold=True)
        if len(lines) <= MOST_LINES:
            break
    return lines


def _draw_frame(canvas: Any) -> None:
    canvas.setFillColor(HexColor("#fffdf8"))
    canvas.rect(0, 0, WIDTH, HEIGHT, stroke=0, fill=1)
    canvas.setStrokeColor(ACCENT)
    canvas.setLineWidth(2.5)
    canvas.rect(11 * mm, 11 * mm, WIDTH - 22 * mm, HEIGHT - 22 * mm)
    canvas.setStrokeColor(GOLD)
    canvas.setLineWidth(0.8)
    canvas.rect(13.5 * mm, 13.5 * mm, WIDTH - 27 * mm, HEIGHT - 27 * mm)


def _draw_rule(canvas: Any, y: float) -> None:
    canvas.setStrokeColor(GOLD)
    canvas.setLineWidth(0.8)
    canvas.line(WIDTH / 2 - 55 * mm, y, WIDTH / 2 + 55 * mm, y)


def _draw_foot(canvas: Any, certificate: Certificate) -> None:
    """Draw the date and the issuer on the left, and how to verify it on the right."""
    workspace = certificate.enrollment.workspace
    day = certificate.issued_at.astimezone(ZoneInfo(workspace.timezone))
    told = [
        (f"Issued on {day:%B %-d, %Y}", 11, INK),
        (f"by {workspace.name}", 11, INK),
        (f"Certificate number {certificate.serial}", 8, QUIET),
        (f"Check it at {verification_url(certificate)}", 8, QUIET),
    ]
    y = EDGE + QR_SIZE
    for text, size, color in told:
        for line in lay_out(text, width=WIDTH - 2 * EDGE - QR_SIZE - 10 * mm, size=size)[:MOST_LINES]:
            y -= size * 1.6
            _draw(canvas, line, EDGE, y, color)
    code = QrCodeWidget(verification_url(certificate), barLevel="M", barWidth=QR_SIZE, barHeight=QR_SIZE, barBorder=0)
    drawing = Drawing(QR_SIZE, QR_SIZE)
    drawing.add(code)
    renderPDF.draw(drawing, canvas, WIDTH - EDGE - QR_SIZE, EDGE)


def _centered(canvas: Any, lines: list[Line], y: float, color: Color) -> float:
    """Draw the lines one below another from `y` downward; returns where they end."""
    for line in lines:
        y -= line.size * 1.5
        _draw(canvas, line, (WIDTH - line.width) / 2, y, color)
    return y


def _draw(canvas: Any, line: Line, x: float, y: float, color: Color) -> None:
    printed = PrintedLine(line, color=color)
    printed.wrap(line.width, HEIGHT)
    printed.drawOn(canvas, x, y)
