"""The desk's URLs, which carry the line's filters from case to case."""

from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import reverse

DESK = "enrollments_enrollment_review"
CASE = "enrollments_enrollment_review_case"
UNDO = "enrollments_enrollment_review_undo"
KEPT = ("q", "program", "district", "waits")


def is_narrowed(request: HttpRequest) -> bool:
    """Return whether the URL narrows the line."""
    return bool(_kept(request))


def case_address(enrollment_id: int | None, request: HttpRequest) -> str:
    """Return the URL of a case in the same line, or of the desk if there is no case."""
    address = reverse(f"admin:{CASE}", args=[enrollment_id]) if enrollment_id is not None else reverse(f"admin:{DESK}")
    kept = _kept(request)
    return f"{address}?{urlencode(kept)}" if kept else address


def page_address(number: int, request: HttpRequest) -> str:
    """Return the URL of a page of the same line."""
    return f"{reverse(f'admin:{DESK}')}?{urlencode(_kept(request) | {'page': str(number)})}"


def _kept(request: HttpRequest) -> dict[str, str]:
    return {name: request.GET[name] for name in KEPT if request.GET.get(name)}
