"""The front page of the back office: waiting work and current figures; also the figures as files."""

import csv
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone

from backoffice.auditing.recording import record
from backoffice.exporting.files import MEDIA_TYPES, harmless
from backoffice.models import ExportFormat
from backoffice.reading import read_for
from core import time_words
from core.clock import utc_now

from .courses import CourseOverview
from .figures.all import find_figure, find_figures
from .figures.figure import Asked
from .first_steps import find_steps
from .navigation import every_page
from .period import CHOICES, PARAMETER, period_of
from .scope import scope_of
from .waiting import find_waiting


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Show the front page, with times in the selected workspace's time zone."""
    asked = asked_by(request)
    scope = asked.scope
    period = asked.period
    return {
        **context,
        "title": "Dashboard",
        "scope": scope,
        "period": period,
        "ranges": [(choice, label) for choice, (label, _) in CHOICES.items()],
        "address": urlencode({PARAMETER: period.choice, "from": period.first, "to": period.last}),
        "zone": time_words.zone_name(scope.zone),
        "waiting": find_waiting(request, scope, now=asked.now),
        "figures": read_for(request, lambda: find_figures(asked)),
        "courses": CourseOverview(scope),
        "first_steps": find_steps(request, scope),
        "every_page": every_page(request),
    }


def show_figure_file(request: HttpRequest, name: str) -> HttpResponse:
    """Return one front-page figure as CSV, with the same rows as the page. Raise Http404 for an unknown figure."""
    asked = asked_by(request)
    figure = read_for(request, lambda: find_figure(name, asked))
    if figure is None:
        raise Http404("There is no such figure.")
    period = asked.period
    record(request, action=f"Downloaded the figure {name}", model="figure", workspace_id=_only_one(asked))
    file = f"{name}-{period.first}-{period.last}.csv"
    answer = HttpResponse(content_type=MEDIA_TYPES[ExportFormat.CSV])
    answer.write("\ufeff")  # by which spreadsheets recognize the encoding
    answer["Content-Disposition"] = f'attachment; filename="{file}"'
    answer["Cache-Control"] = "no-store"
    writer = csv.writer(answer)
    writer.writerow(figure.columns)
    writer.writerows([harmless(cell) for cell in row] for row in figure.rows)
    return answer


def _only_one(asked: Asked) -> int | None:
    """Return the workspace that a file is about, or None if it is about several."""
    held = list(asked.scope.access.powers)
    return held[0] if len(held) == 1 else None


def asked_by(request: HttpRequest) -> Asked:
    """Read the scope and period from the address, with times in the selected workspace's time zone."""
    now = utc_now()
    scope = scope_of(request)
    timezone.activate(ZoneInfo(scope.zone))
    return Asked(scope, period_of(request, scope, now=now), now)
