"""Announces in every answer and in the OpenAPI document that a part of the API will end.

`Deprecation` (RFC 9745) says since when nobody should start using it, `Sunset` (RFC 8594) says when it ends, and the
link says what to use instead. docs/api.md contains the promises.
"""

import datetime as dt
from collections.abc import Callable
from typing import Any, TypeVar

from django.utils.http import http_date
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

# The minimum time between the announcement and the end.
NOTICE = dt.timedelta(days=180)
View = TypeVar("View", bound=type[APIView])


def sunset(*, since: dt.datetime, on: dt.datetime, instead: str) -> Callable[[View], View]:
    """Mark a view as deprecated `since` one day and ending `on` another; `instead` is the URL that says what to use
    then. Raises ValueError if that gives integrators less than NOTICE."""
    if on - since < NOTICE:
        raise ValueError(f"Integrators are given {NOTICE.days} days at least.")
    headers = {
        "Deprecation": f"@{int(since.timestamp())}",
        "Sunset": http_date(on.timestamp()),
        "Link": f'<{instead}>; rel="sunset"',
    }

    def mark(view: View) -> View:
        finalize: Callable[..., Response] = view.finalize_response

        def finalize_response(self: Any, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
            told = finalize(self, request, response, *args, **kwargs)
            for name, value in headers.items():
                told[name] = value
            return told

        view.finalize_response = finalize_response  # type: ignore[method-assign]
        methods = [name for name in view.http_method_names if hasattr(view, name) and name != "options"]
        return extend_schema_view(**{name: extend_schema(deprecated=True) for name in methods})(view)

    return mark
