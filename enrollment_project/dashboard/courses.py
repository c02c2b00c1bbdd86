"""The dashboard's view of courses, over the workspaces of the person looking; one query per question."""

import datetime as dt
from functools import cached_property
from typing import Any

from django.db.models import Count, Q, QuerySet

from accounts.roles import Power
from backoffice.display import Neighbor, admin_url
from cohorts.admin.display import meeting_time, seat_bar
from cohorts.models import ClassSession, Cohort, CourseStep, WaitlistEntry
from cohorts.states import WaitStatus
from core.clock import utc_now

from .scope import Scope

COMING = dt.timedelta(days=7)
WORKSPACE = "instance__workspace"


class CourseOverview:
    """The upcoming sessions and the waiting lists."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.now = utc_now()

    def _mine(self, rows: QuerySet[Any], path: str) -> QuerySet[Any]:
        return self.scope.access.limit(rows.order_by(), path=path, power=Power.VIEW)

    @cached_property
    def has_courses(self) -> bool:
        """Return whether there is anything to show: not every workspace offers courses."""
        return self._mine(CourseStep.objects.all(), "program__workspace").exists()

    def sessions(self) -> list[Neighbor]:
        """Return the sessions of the next seven days, including those in progress."""
        rows = self._mine(ClassSession.objects.select_related("group_class"), "group_class__workspace").filter(
            ends_at__gt=self.now, starts_at__lt=self.now + COMING
        )
        return [
            Neighbor(
                title=f"{meeting_time(session)}: {session.group_class}", url=admin_url(session), note=seat_bar(session)
            )
            for session in rows.order_by("starts_at", "id")[:8]
        ]

    def sessions_url(self) -> str:
        return self.scope.list_url(ClassSession, when="week")

    def waiting_url(self) -> str:
        return self.scope.list_url(WaitlistEntry, status__exact=WaitStatus.WAITING.value)

    def waiting(self) -> list[Neighbor]:
        """Return the cohorts that have a waiting list, the longest first."""
        rows = (
            self._mine(Cohort.objects.select_related("instance__program"), WORKSPACE)
            .annotate(
                waiting=Count("waitlist", filter=Q(waitlist__status=WaitStatus.WAITING)),
                offered=Count("waitlist", filter=Q(waitlist__status=WaitStatus.OFFERED)),
            )
            .filter(Q(waiting__gt=0) | Q(offered__gt=0))
        )
        return [
            Neighbor(
                title=f"{cohort.instance.program}, {cohort}",
                url=self.scope.list_url(WaitlistEntry, cohort__id__exact=cohort.pk),
                note=_line(cohort.waiting, cohort.offered),
            )
            for cohort in rows.order_by("-waiting", "-offered", "id")[:6]
        ]


def _line(waiting: int, offered: int) -> str:
    return f"{waiting} waiting, {offered} offered" if offered else f"{waiting} waiting"
