"""The pages that belong to no single app: the front page, the development pages, and the error pages."""

import sys
from pathlib import Path

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_safe

from core.database_errors import is_database_busy
from core.http.problems import RETRY_AFTER_LOCK_TIMEOUT, problem_response

from .mailbox import list_mails, may_read_mailbox
from .problem_types import get_problem_type, list_problem_types

MAILS_SHOWN = 50


@require_safe
def show_home(request: HttpRequest) -> HttpResponse:
    return render(request, "home/index.html")


@require_safe
@never_cache
def show_mailbox(request: HttpRequest) -> HttpResponse:
    """Show everybody's mail, including sign-in codes: in development only, and only to programs on this machine."""
    if not may_read_mailbox(request):
        raise Http404
    mails = list_mails(folder=Path(settings.EMAIL_FILE_PATH), limit=MAILS_SHOWN)
    return render(request, "home/mailbox.html", {"mails": mails})


@require_safe
@ensure_csrf_cookie
def show_graphiql(request: HttpRequest) -> HttpResponse:
    """Show GraphiQL, in development only."""
    if not settings.GRAPHIQL_PAGE:
        raise Http404
    return render(request, "api/graphiql.html")


@require_safe
def show_problem_types(request: HttpRequest) -> HttpResponse:
    return render(request, "problems/index.html", {"problems": list_problem_types()})


@require_safe
def show_problem_type(request: HttpRequest, code: str) -> HttpResponse:
    """Show the page that the `type` of a problem links to."""
    found = get_problem_type(code)
    if found is None:
        raise Http404
    return render(request, "problems/detail.html", {"problem": found})


# --- Errors: a page for people, a problem document for clients of the API ------------------------------------------


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _error(request, 400, "bad_request", "The request is malformed.")


def forbidden(request: HttpRequest, exception: Exception | None = None, reason: str = "") -> HttpResponse:
    """Answer 403. This is also Django's CSRF_FAILURE_VIEW, which passes `reason`."""
    return _error(request, 403, "forbidden", reason or "You may not do this.")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _error(request, 404, "not_found", "There is nothing at this address.")


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer 500 without the request's context, since whatever failed may fail there again. Answer 503 if the database
    was unavailable, as it will probably be back soon.
    """
    is_busy = is_database_busy(sys.exc_info()[1])
    if _is_for_the_api(request):
        code, status = ("database_busy", 503) if is_busy else ("server_error", 500)
        answer: HttpResponse = problem_response(
            request, status=status, code=code, detail="Something went wrong on our side."
        )
    else:
        body = render_to_string("errors/500.html", {"request_id": getattr(request, "request_id", "")})
        answer = HttpResponse(body, status=503 if is_busy else 500)
    if is_busy:
        answer["Retry-After"] = str(RETRY_AFTER_LOCK_TIMEOUT)
    return answer


def _error(request: HttpRequest, status: int, code: str, detail: str) -> HttpResponse:
    if _is_for_the_api(request):
        return problem_response(request, status=status, code=code, detail=detail)
    return render(request, f"errors/{status}.html", status=status)


def _is_for_the_api(request: HttpRequest) -> bool:
    return request.path.startswith("/api/")
