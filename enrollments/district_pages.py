"""The page on which a district's contact stops the mails about its seats, without signing in."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from core.clock import utc_now
from core.errors import NotFound
from core.http.mailed_links import opened_by_link

from .allocations.contact import find_linked_district, resume_mails, stop_mails


@csrf_exempt  # mail clients send the POST by themselves (RFC 8058), and the URL alone authorizes it
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@opened_by_link
def show_district_emails(request: HttpRequest, token: str) -> HttpResponse:
    """Show the page or change the setting. A GET changes nothing, because mail scanners open every link. Any POST stops
    the mails, unless it asks to resume them.
    """
    try:
        district = find_linked_district(token)
    except NotFound:
        return render(request, "enrollments/district_emails_unknown.html", status=404)
    if request.method == "POST":
        if request.POST.get("do") == "resume":
            resume_mails(district_id=district.pk)
        else:
            stop_mails(district_id=district.pk, now=utc_now())
        district = find_linked_district(token)
    return render(request, "enrollments/district_emails.html", {"district": district})
