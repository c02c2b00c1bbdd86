"""The switch in the foot of every page, for everybody."""

from contextlib import suppress

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST
from django.views.i18n import set_language

from core.errors import Invalid

from .languages import choose_language
from .models import User


@require_POST
def switch_language(request: HttpRequest) -> HttpResponse:
    """Remember the choice: with the account of whoever is signed in, and in the browser. Then back to the page."""
    if isinstance(request.user, User):
        with suppress(Invalid):  # no button of ours asks for another one, and it changes nothing
            choose_language(user=request.user, language=request.POST.get("language", ""))
    return set_language(request)
