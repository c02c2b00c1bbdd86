"""The public page of a certificate: for whoever has its serial, which nobody can guess."""

from collections.abc import Callable
from functools import wraps
from math import ceil

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from core.http.throttling import wait_of_stranger

from ..certificate_paper import file_name, render_certificate
from ..models import Certificate
from ..serials import read_serial

View = Callable[[HttpRequest, str], HttpResponse]


def _for_readers(view: View) -> View:
    """Limit how many a reader may look up, and keep what they find out of search engines and other sites' logs."""

    @wraps(view)
    def guarded(request: HttpRequest, serial: str) -> HttpResponse:
        wait = wait_of_stranger(request)
        if wait is None:
            answer = view(request, serial)
        else:
            answer = render(request, "partners/certificate_unknown.html", {"is_too_often": True}, status=429)
            answer["Retry-After"] = str(ceil(wait))
        answer["X-Robots-Tag"] = "noindex"
        answer["Referrer-Policy"] = "no-referrer"
        return answer

    return require_safe(never_cache(guarded))


@_for_readers
def show_certificate(request: HttpRequest, serial: str) -> HttpResponse:
    """The name and the program on it, and whether it is valid, was revoked or replaced."""
    certificate = _find(serial)
    if certificate is None:
        return _unknown(request)
    return render(request, "partners/certificate.html", {"certificate": certificate})


@_for_readers
def download_certificate(request: HttpRequest, serial: str) -> HttpResponse:
    """The PDF of a valid certificate; for any other, the page that says what became of it."""
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
    return render(request, "partners/certificate_unknown.html", {"is_too_often": False}, status=404)
