"""The public page of a certificate, for anybody who has its serial, which nobody can guess."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from ..certificate_paper import file_name, render_certificate
from ..models import Certificate
from ..serials import read_serial
from .strangers import for_strangers

UNKNOWN = "partners/certificate_unknown.html"


@require_safe
@for_strangers(unknown=UNKNOWN)
def show_certificate(request: HttpRequest, serial: str) -> HttpResponse:
    """Show the name and the program on it, and whether it is valid, revoked, or replaced."""
    certificate = _find(serial)
    if certificate is None:
        return _unknown(request)
    return render(request, "partners/certificate.html", {"certificate": certificate})


@require_safe
@for_strangers(unknown=UNKNOWN)
def download_certificate(request: HttpRequest, serial: str) -> HttpResponse:
    """Return the PDF of a valid certificate; for any other, the page that says what happened to it."""
    certificate = _find(serial)
    if certificate is None:
        return _unknown(request)
    if not certificate.is_live:
        return redirect("certificate", certificate.serial)
    name = f'inline; filename="{file_name(certificate)}"'
    paper = render_certificate(certificate)
    return HttpResponse(paper, content_type="application/pdf", headers={"Content-Disposition": name})


def _find(serial: str) -> Certificate | None:
    read = read_serial(serial)
    if read is None:
        return None
    return Certificate.objects.select_related("enrollment__workspace").filter(serial=read).first()


def _unknown(request: HttpRequest) -> HttpResponse:
    return render(request, UNKNOWN, {"is_too_often": False}, status=404)
