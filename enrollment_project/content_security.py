from collections.abc import Mapping
from typing import Any

from csp.middleware import CSPMiddleware
from csp.utils import DIRECTIVES_T
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase


class SectionedCSPMiddleware(CSPMiddleware):
    """django-csp with a different policy for the parts of the site named in CONTENT_SECURITY_POLICY_SECTIONS."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        section = _section(request.path_info)
        if section is not None and not hasattr(response, "_csp_replace"):
            response._csp_replace = section  # type: ignore[attr-defined]
        return super().process_response(request, response)


def _section(path: str) -> DIRECTIVES_T | None:
    sections: Mapping[str, Any] = settings.CONTENT_SECURITY_POLICY_SECTIONS
    return next((policy for start, policy in sections.items() if path.startswith(start)), None)
