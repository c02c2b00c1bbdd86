"""The page on which the recipient of nudges stops them, without signing in."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from core.clock import utc_now
from core.errors import NotFound
from core.http.mailed_links import opened_by_link

from ..models import Nudge
from ..nudges.links import find_linked_nudge
from ..nudges.stopping import RECEIVER, resume_nudges, stop_nudges
from .strangers import for_strangers

UNKNOWN = "partners/nudge_unknown.html"


@csrf_exempt  # mail clients send the POST by themselves (RFC 8058), and the URL alone authorizes it
@require_http_methods(["GET", "HEAD", "POST"])
@for_strangers(unknown=UNKNOWN)
@opened_by_link
def show_nudges(request: HttpRequest, token: str) -> HttpResponse:
    """Show the page or change the setting. A GET changes nothing, because mail scanners open every link. Any POST stops
    the nudges, unless it asks to resume them.
    """
    try:
        nudge = find_linked_nudge(token)
    except NotFound:
        return render(request, UNKNOWN, {"is_too_often": False}, status=404)
    if request.method == "POST":
        act = resume_nudges if request.POST.get("do") == "resume" else stop_nudges
        act(nudge_id=nudge.pk, actor=RECEIVER, now=utc_now())
        nudge = find_linked_nudge(token)
    return render(request, "partners/nudge.html", {"nudge": nudge, "about": _about(nudge)})


def _about(nudge: Nudge) -> str:
    """Return the program or the partner: mails are forwarded, so the page names no learner."""
    if nudge.enrollment is not None:
        return nudge.enrollment.instance.program.title
    return str(nudge.provider)
