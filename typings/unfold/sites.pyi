from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.template.response import TemplateResponse

class UnfoldAdminSite(AdminSite):
    def search(self, request: HttpRequest, extra_context: dict[str, Any] | None = ...) -> TemplateResponse: ...
