"""Text that no database could store, refused before it is used to route, read, or look up anything.

One place covers every way in: path, query, form, cookies, and headers. JSON bodies follow the same rule in `parsing`,
which can name the field. PostgreSQL refuses NUL and lone surrogates with an error in the middle of a query; SQLite
stores some of them and truncates others.
"""

import codecs
from collections.abc import Callable, Iterator

from django.core.exceptions import BadRequest
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError

from ..characters import storage_fault
from ..errors import FieldError
from .problems import problem_response

FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


class StorableTextMiddleware:
    """Refuses text that contains NUL or lone surrogates, or that is not in UTF-8 (Python knows encodings that decode to
    neither text nor error). Pages answer with the 400 page, the API with a problem that names the field. A path that
    contains such text gets a 404, because nothing exists there."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info.startswith("/api/"):
            return _refusal(request) or self.get_response(request)
        if _fault_in_address(request):
            raise Http404("The address holds text that can't be stored.")
        if not _is_utf8(request) or _fault_in_fields(request):
            raise BadRequest("The request holds text that can't be stored.")
        return self.get_response(request)


def _refusal(request: HttpRequest) -> HttpResponse | None:
    if not _is_utf8(request):
        return problem_response(
            request, status=415, code="unsupported_media_type", detail="Send UTF-8; no other charset is read."
        )
    if _fault_in_address(request):
        return problem_response(request, status=404, code="not_found", detail="There is nothing at this address.")
    if errors := _fault_in_fields(request):
        detail = f"{errors[0].field}: {errors[0].detail}"
        return problem_response(request, status=422, code="invalid", detail=detail, errors=errors)
    return None


def _is_utf8(request: HttpRequest) -> bool:
    """Return whether the body declares UTF-8 (or ASCII, a subset of it), or declares nothing."""
    charset = (request.content_params or {}).get("charset")
    if charset is None:
        return True
    # Whatever it declares: the code that refuses it and the error page read the query too.
    request._encoding = "utf-8"  # type: ignore[attr-defined]
    try:
        return codecs.lookup(charset).name in ("utf-8", "ascii")
    except (LookupError, ValueError):
        return False


def _fault_in_address(request: HttpRequest) -> str:
    return storage_fault(request.path_info)


def _fault_in_fields(request: HttpRequest) -> tuple[FieldError, ...]:
    faults: dict[str, str] = {}
    for name, value in _texts(request):
        if fault := storage_fault(name) or storage_fault(value):
            faults.setdefault(_shown(name), fault)
    return tuple(FieldError(name, "invalid", detail) for name, detail in faults.items())


def _shown(name: str) -> str:
    return name.replace("\x00", "\\0").encode("utf-8", "backslashreplace").decode()


def _texts(request: HttpRequest) -> Iterator[tuple[str, str]]:
    """Yield every name and value that came with the request, except JSON."""
    yield from ((name, value) for name, value in request.META.items() if name.startswith("HTTP_"))
    yield from request.COOKIES.items()  # a quoted value may spell NUL as \000
    for name, values in request.GET.lists():
        yield from ((name, value) for value in values)
    if request.content_type in FORMS and not request.path_info.startswith("/api/"):
        yield from _form_texts(request)


def _form_texts(request: HttpRequest) -> Iterator[tuple[str, str]]:
    """Yield form texts. File names are not among them: Django removes unprintable characters from those."""
    try:
        form = request.POST
    except UnreadablePostError as error:
        raise BadRequest("The body ended before all of it was read.") from error
    for name, values in form.lists():
        yield from ((name, value) for value in values)
