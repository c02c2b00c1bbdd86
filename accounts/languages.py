"""The language we show to a person: their own choice, else what their browser asks for, else English.

Family pages and mails are translated (docs/how-to/language.md). Staff pages and the API are in English.
"""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.utils.cache import patch_vary_headers

from core.errors import invalid_field

from .models import User, Workspace

IN_ENGLISH = (
    "/admin/",
    "/api/",
    "/accounts/invitations/",
    "/accounts/staff/",
    "/problems",
    "/dev/",
    "/health",
    "/readyz",
)


class LanguageMiddleware:
    """Answers each request in its reader's language. A signed-in person's choice overrides the browser's."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path.startswith(IN_ENGLISH):
            return self.get_response(request)
        language = language_of_reader(request)
        request.LANGUAGE_CODE = language
        with translation.override(language):
            response = self.get_response(request)
        if response.get("Content-Type", "").startswith("text/html"):
            response.headers.setdefault("Content-Language", language)
            patch_vary_headers(response, ("Accept-Language",))
        return response


def language_of_reader(request: HttpRequest) -> str:
    chosen = getattr(request.user, "language", "")
    return chosen or translation.get_language_from_request(request)


def language_of_address(address: str, *, workspace_id: int) -> str:
    """Return the language for mail to this address: its account's choice, else the workspace's language."""
    chosen = User.objects.filter(email=address).values_list("language", flat=True).first()
    return chosen or language_of_workspace(workspace_id)


def language_of_workspace(workspace_id: int) -> str:
    return Workspace.objects.values_list("language", flat=True).get(pk=workspace_id)


def choose_language(*, user: User, language: str) -> None:
    """Use one of our languages for everything this person reads from now on. Raises Invalid for any other."""
    check_language(language)
    User.objects.filter(pk=user.pk).update(language=language)
    user.language = language


def check_language(language: str) -> None:
    """Raise Invalid for a language that is not ours."""
    known = dict(settings.LANGUAGES)
    if language not in known:
        raise invalid_field("language", "unknown", f"Choose one of {', '.join(known)}.")
