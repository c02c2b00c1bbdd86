"""Requests are in UTF-8, whatever they declare."""

from typing import Any

from django.core.handlers.wsgi import WSGIRequest
from django.utils.http import parse_header_parameters


class Utf8Request(WSGIRequest):
    """A request whose declared charset is checked (by core.storable) but not used: Django decodes the query by it while
    creating the request, where no handler turns an unusable charset into an answer."""

    def _set_content_type_params(self, meta: dict[str, Any]) -> None:
        self.content_type, self.content_params = parse_header_parameters(meta.get("CONTENT_TYPE", ""))
