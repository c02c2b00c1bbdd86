"""The page on which a family says that it still uses a district's seat, without signing in.

Opening it changes nothing, since scanners of mails open every link; mails are forwarded, so it names no learner.
"""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from core.clock import utc_now
from core.errors import DomainError, NotFound
from core.http.mailed_links import opened_by_link

from .allocations.idle.asking import FAMILY, keep_seat
from .allocations.idle.links import find_linked_seat
from .models import IdleSeat
from .states import IdleSeatStatus


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@opened_by_link
def show_idle_seat(request: HttpRequest, token: str) -> HttpResponse:
    """Ask whether the family is still coming, record the answer, and show it."""
    try:
        idle = find_linked_seat(token)
    except NotFound:
        return render(request, "enrollments/idle_seat_unknown.html", status=404)
    if request.method != "POST":
        return _show(request, idle)
    try:
        keep_seat(idle_seat_id=idle.pk, actor=FAMILY, now=utc_now())
    except DomainError as refusal:
        return _show(request, find_linked_seat(token), status=refusal.status)
    return redirect(request.path)


def _show(request: HttpRequest, idle: IdleSeat, *, status: int = 200) -> HttpResponse:
    enrollment = idle.seat.enrollment
    context = {
        "instance": enrollment.instance,
        "workspace": enrollment.workspace,
        "until": idle.due_at,
        "is_open": idle.status == IdleSeatStatus.ASKED,
        "is_lost": idle.status in (IdleSeatStatus.RECLAIMED, IdleSeatStatus.OVERTAKEN),
    }
    return render(request, "enrollments/idle_seat.html", context, status=status)
