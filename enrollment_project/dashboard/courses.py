"""What the dashboard shows of courses, over the workspaces of the person looking; one query a question."""

import datetime as dt
from functools import cached_property
from typing import Any

from django.db.models import Count, F, Q, QuerySet

from accounts.roles import Power, StaffAccess
from backoffice.display import Neighbor, admin_url, list_url
from cohorts.admin.display import meeting_time, seat_bar
from cohorts.models import ClassSession, Cohort, CourseStep, StudentPackage, WaitlistEntry
from cohorts.states import WaitStatus
from core.clock import utc_now

from .enrollments import RECENT, Bar, SeatRow, bar_of

COMING = dt.timedelta(days=7)
WORKSPACE = "instance__workspace"


class CourseOverview:
    """Cohorts filling up, sessions to come, who waits and what was sold."""

    def __init__(self, access: StaffAccess) -> None:
        self.access = access
        self.now = utc_now()

    def _mine(self, rows: QuerySet[Any], path: str) -> QuerySet[Any]:
        return self.access.limit(rows.order_by(), path=path, power=Power.VIEW)

    @cached_property
    def has_courses(self) -> bool:
        """Whether there is anything to show: not every workspace gives courses."""
        return self._mine(CourseStep.objects.all(), "program__workspace").exists()

    def filling(self) -> list[SeatRow]:
        """Cohorts that take enrollments, fullest first."""
        rows = self._mine(Cohort.objects.taking_enrollments(now=self.now), WORKSPACE).filter(max_enrollment__gt=0)
        fullest = rows.annotate(
            fullness=(F("current_enrollment") + F("held_places")) * 1000 / F("max_enrollment")
        ).select_related("instance__program")
        return [_filling(cohort) for cohort in fullest.order_by("-fullness", "start_date", "id")[:8]]

    def sessions(self) -> list[Neighbor]:
        """Meetings of the next seven days, those under way included."""
        rows = self._mine(ClassSession.objects.select_related("group_class"), "group_class__workspace").filter(
            ends_at__gt=self.now, starts_at__lt=self.now + COMING
        )
        return [
            Neighbor(
                title=f"{meeting_time(session)}: {session.group_class}", url=admin_url(session), note=seat_bar(session)
            )
            for session in rows.order_by("starts_at", "id")[:8]
        ]

    def waiting(self) -> list[Neighbor]:
        """Cohorts with a line, the longest first."""
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
                url=list_url(WaitlistEntry, cohort__id__exact=cohort.pk),
                note=_line(cohort.waiting, cohort.offered),
            )
            for cohort in rows.order_by("-waiting", "-offered", "id")[:6]
        ]

    def sold(self) -> list[Bar]:
        """Packages of the last 30 days by course, most first; those taken back are not counted."""
        recent = self._mine(StudentPackage.objects.live(), "program__workspace").filter(
            purchased_at__gte=self.now - RECENT
        )
        counts = sorted(
            recent.values_list("program", "program__title").annotate(n=Count("id")), key=lambda row: -row[2]
        )
        longest = counts[0][2] if counts else 0
        return [
            bar_of(title, count, longest, url=list_url(StudentPackage, program__id__exact=program))
            for program, title, count in counts
        ]


def _filling(cohort: Cohort) -> SeatRow:
    return SeatRow(
        name=f"{cohort.instance.program}, {cohort}",
        url=admin_url(cohort),
        used=cohort.current_enrollment,
        reserved=cohort.held_places,
        left=cohort.places_left,
        total=cohort.max_enrollment,
        used_share=round(100 * cohort.current_enrollment / cohort.max_enrollment),
        reserved_share=round(100 * cohort.held_places / cohort.max_enrollment),
    )


def _line(waiting: int, offered: int) -> str:
    return f"{waiting} waiting, {offered} offered" if offered else f"{waiting} waiting"
