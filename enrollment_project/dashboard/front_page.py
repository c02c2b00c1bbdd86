"""The front page of the back office: what waits, and how it goes."""

from typing import Any
from zoneinfo import ZoneInfo

from django.http import HttpRequest
from django.utils import timezone

from core import time_words
from core.clock import utc_now

from .courses import CourseOverview
from .enrollments import Overview
from .scope import scope_of
from .waiting import find_waiting


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """What the front page shows, with times in the zone of the workspace that was chosen."""
    scope = scope_of(request)
    timezone.activate(ZoneInfo(scope.zone))
    return {
        **context,
        "title": "Dashboard",
        "scope": scope,
        "zone": time_words.zone_name(scope.zone),
        "waiting": find_waiting(request, scope, now=utc_now()),
        "overview": Overview(scope.access),
        "courses": CourseOverview(scope.access),
    }
