"""Is it me or the system? What works, what is behind, and which vendors are down, for everybody in the back office."""

import datetime as dt
from dataclasses import dataclass

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.views.decorators.http import require_safe

from accounts.roles import Power
from backoffice.display import list_url
from backoffice.scoping import access_of
from core.clock import utc_now
from core.metrics import Load, WorkFigures
from operations.models import Backup, Examination, Finding
from operations.states import ExaminationStatus
from partners.models import Provider

from .health import check_parts
from .metrics import WORK

BEHIND = dt.timedelta(minutes=15)  # same as the alert SweepBehind
STALE = dt.timedelta(hours=36)  # same as the alert BackupOld: a nightly backup was missed
# Partners are polled for news when there is nothing else to do.
PATIENT = {"partner_polls": dt.timedelta(hours=2)}
WORKS = {
    "broker": "Urgent work is sent to the worker at once. Without it, everything is done a little later.",
    "database": "Nothing works without it.",
    "migrations": "The database schema matches this version.",
}


@dataclass(frozen=True, slots=True)
class Work:
    """One kind of background work: how much waits, how long it is overdue, and how much needs a person to solve it."""

    label: str
    load: Load
    is_behind: bool

    @property
    def minutes_overdue(self) -> int:
        return int(self.load.overdue_seconds // 60)


@require_safe
def show_status(request: HttpRequest) -> HttpResponse:
    now = utc_now()
    works = [_work(name, load) for name, load in WorkFigures(WORK).at(now).items()]
    access = access_of(request)
    away = access.limit(Provider.objects.all(), path="workspace", power=Power.VIEW)
    context = {
        **admin.site.each_context(request),
        "title": "System status",
        "parts": [(name.capitalize(), outcome, WORKS[name]) for name, outcome in check_parts().items()],
        "behind": [work for work in works if work.is_behind],
        "away": [provider for provider in away.order_by("name") if not provider.is_reachable],
        "works": works if access.everywhere else [],
        "doctor": _doctor() if access.everywhere else None,
        "backups": _backups(now) if access.everywhere else None,
    }
    return TemplateResponse(request, "admin/status.html", context)


def _work(name: str, load: Load) -> Work:
    patience = PATIENT.get(name, BEHIND)
    return Work(name.replace("_", " ").capitalize(), load, load.overdue_seconds > patience.total_seconds())


def _doctor() -> dict[str, object]:
    completed = Examination.objects.filter(status=ExaminationStatus.COMPLETED).order_by("-began_at")
    return {
        "last": completed.first(),
        "findings": Finding.objects.confirmed().count(),
        "url": list_url(Finding, gone_at__isempty=1),
    }


def _backups(now: dt.datetime) -> dict[str, object]:
    last = Backup.objects.order_by("-made_at").first()
    return {
        "last": last,
        "count": Backup.objects.count(),
        "is_stale": last is not None and now - last.made_at > STALE,
        "url": list_url(Backup),
    }
