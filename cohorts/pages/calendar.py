"""Sessions for calendar applications: the feed under its secret URL, and one session as a file."""

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import conditional_page, require_safe

from accounts.families import AddressUnproven
from accounts.family_pages import ask_for_proof, for_families
from accounts.models import User
from core.clock import utc_now
from core.errors import NotFound

from ..learning.calendar import get_feed_owner, get_session_of, render_feed, render_session

CONTENT_TYPE = "text/calendar; charset=utf-8"


@require_safe
@conditional_page
@cache_control(private=True, no_cache=True)
def show_feed(request: HttpRequest, token: str) -> HttpResponse:
    """Serve the feed to calendar applications, which can't sign in: anybody who has the URL sees the sessions."""
    try:
        owner = get_feed_owner(token=token)
    except NotFound as error:
        raise Http404 from error
    except AddressUnproven:
        return ask_for_proof(request, is_own=False)
    return HttpResponse(
        render_feed(user=owner, now=utc_now()), content_type=CONTENT_TYPE, headers={"X-Robots-Tag": "noindex"}
    )


@require_safe
@for_families
def show_session(request: HttpRequest, user: User, progress_id: int) -> HttpResponse:
    try:
        row = get_session_of(user, progress_id=progress_id)
    except NotFound as error:
        raise Http404 from error
    disposition = f'attachment; filename="session-{row.pk}.ics"'
    return HttpResponse(
        render_session(row=row), content_type=CONTENT_TYPE, headers={"Content-Disposition": disposition}
    )
