"""The conventions of the control API: JSON in, JSON out, and a 4xx that says what is wrong."""

import json
from collections.abc import Callable
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse

from sandbox.stripe.errors import StripeError

Body = dict[str, Any]


class Unprocessable(Exception):
    """A control request that makes no sense; the message names the field and the remedy."""

    def __init__(self, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


def control(*methods: str) -> Callable[[Callable[[HttpRequest, Body], Body]], Callable[[HttpRequest], HttpResponse]]:
    """Make a view of the control API; the function gets the request and its decoded JSON object."""

    def wrap(answer: Callable[[HttpRequest, Body], Body]) -> Callable[[HttpRequest], HttpResponse]:
        def view(request: HttpRequest) -> HttpResponse:
            if request.method not in methods:
                return HttpResponseNotAllowed(methods)
            try:
                return JsonResponse(answer(request, _decode(request)))
            except (Unprocessable, StripeError) as error:
                return JsonResponse({"error": str(error)}, status=error.status)

        return view

    return wrap


def _decode(request: HttpRequest) -> Body:
    try:
        body = json.loads(request.body or b"{}")
    except (ValueError, RecursionError) as error:
        raise Unprocessable("The body must be JSON.") from error
    except RequestDataTooBig as error:
        raise Unprocessable("The body is too large.", status=413) from error
    if not isinstance(body, dict):
        raise Unprocessable("The body must be a JSON object.")
    return body
