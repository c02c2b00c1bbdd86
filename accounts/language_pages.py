"""The language switch in the footer of every page, for everybody."""

from contextlib import suppress

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST
from django.views.i18n import set_language

from core.errors import Invalid

from .languages import choose_language
from .models import User


@require_POST
def switch_language(request: HttpRequest) -> HttpResponse:
    """Remember the choice, in the signed-in person's account and in the browser; then return to the page."""
    if isinstance(request.user, User):
        with suppress(Invalid):  # none of our buttons sends another language, and it changes nothing
            choose_language(user=request.user, language=request.POST.get("language", ""))
    return set_language(request)
