"""What the dashboard counts, over the workspaces of the person looking. Each method is one question and one query."""

import datetime as dt
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

from django.db.models import Count, F, QuerySet, Sum
from django.db.models.functions import TruncDate
from django.http import HttpRequest
from django.utils.timezone import get_current_timezone_name

from accounts.models import StaffTask
from accounts.roles import Power, StaffAccess
from accounts.states import TaskStatus
from backoffice.display import admin_url, list_url
from backoffice.scoping import access_of
from billing.models import Payment, Refund
from billing.states import RefundStatus
from core.clock import utc_now
from core.local_time import local_date
from core.money import Money
from enrollments.models import DistrictSeatAllocation, Enrollment, EnrollmentDecision
from enrollments.queries import awaiting_review
from enrollments.states import DecisionReason, EligibilityStatus, ProvisionSource

RECENT = dt.timedelta(days=30)
CHART_COLORS = {ProvisionSource.DISTRICT: "primary-500", ProvisionSource.PARENT: "orange-500"}


@dataclass(frozen=True, slots=True)
class Bar:
    """One row of a bar chart: its share of the longest, in percent, for the width."""

    label: str
    count: int
    share: int
    url: str = ""
    tone: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class SeatRow:
    """The seats of one allocation; shares in percent of its total."""

    name: str
    url: str
    used: int
    reserved: int
    left: int
    total: int
    used_share: int
    reserved_share: int


def overview_of(request: HttpRequest) -> "Overview":
    """What the sidebar counts for a request, over all workspaces of the person looking."""
    known = getattr(request, "overview", None)
    if known is None:
        known = Overview(access_of(request))
        request.overview = known  # type: ignore[attr-defined]
    return cast(Overview, known)


class Overview:
    """The numbers of the dashboard and of the sidebar's badges."""

    def __init__(self, access: StaffAccess) -> None:
        self.access = access
        self.now = utc_now()

    def _mine(self, model: Any, path: str = "workspace") -> QuerySet[Any]:
        return self.access.limit(model.objects.order_by(), path=path, power=Power.VIEW)

    def _enrollments(self) -> QuerySet[Enrollment]:
        return self.access.limit(Enrollment.objects.kept().order_by(), path="workspace", power=Power.VIEW)

    # --- what waits ------------------------------------------------------------------------------------------------

    @cached_property
    def _by_eligibility(self) -> dict[str, int]:
        return dict(self._enrollments().values_list("eligibility_status").annotate(Count("id")))

    @cached_property
    def awaiting_review(self) -> int:
        return awaiting_review(self._enrollments())[:1000].count()

    @cached_property
    def open_tasks(self) -> int:
        return self._mine(StaffTask).filter(status=TaskStatus.OPEN)[:1000].count()

    # --- how it goes -----------------------------------------------------------------------------------------------

    def enrollments(self) -> list[Bar]:
        counts = self._by_eligibility
        longest = max(counts.values(), default=0)
        return [
            bar_of(
                status.label,
                counts.get(status.value, 0),
                longest,
                url=list_url(Enrollment, eligibility_status__exact=status.value),
                tone=status.value,
            )
            for status in EligibilityStatus
        ]

    def enrollments_total(self) -> int:
        return sum(self._by_eligibility.values())

    def decisions(self) -> list[Bar]:
        """The last 30 days by reason, most frequent first."""
        recent = self._mine(EnrollmentDecision).filter(created_at__gte=self.now - RECENT)
        counts = dict(recent.values_list("reason").annotate(Count("id")))
        longest = max(counts.values(), default=0)
        rows = [
            bar_of(DecisionReason(reason).label, count, longest, url=list_url(EnrollmentDecision, reason__exact=reason))
            for reason, count in counts.items()
        ]
        return sorted(rows, key=lambda bar: -bar.count)

    def sources(self) -> list[Bar]:
        recent = self._mine(EnrollmentDecision).filter(
            created_at__gte=self.now - RECENT, provision_source__isnull=False
        )
        counts = dict(recent.values_list("provision_source").annotate(Count("id")))
        total = sum(counts.values())
        return [
            bar_of(
                source.label,
                counts.get(source.value, 0),
                total,
                url=list_url(EnrollmentDecision, provision_source__exact=source.value),
                tone=source.value,
            )
            for source in ProvisionSource
            if total
        ]

    def decisions_by_day(self) -> str:
        """The last 30 days by source, as the data of a chart."""
        first = local_date(self.now - RECENT, get_current_timezone_name())
        rows = (
            self._mine(EnrollmentDecision)
            .filter(created_at__gte=self.now - RECENT, provision_source__isnull=False)
            .values_list(TruncDate("created_at"), "provision_source")
            .annotate(Count("id"))
        )
        counts = {(day, source): count for day, source, count in rows}
        days = [first + dt.timedelta(days=offset) for offset in range(1, RECENT.days + 1)]
        lines = [
            {
                "label": source.label,
                "data": [counts.get((day, source.value), 0) for day in days],
                "borderColor": f"var(--color-{CHART_COLORS[source]})",
                "backgroundColor": f"var(--color-{CHART_COLORS[source]})",
                "tension": 0.3,
                "maxTicksXLimit": 7,
                "displayYAxis": True,
            }
            for source in ProvisionSource
        ]
        return json.dumps({"labels": [f"{day:%-d %b}" for day in days], "datasets": lines}) if counts else ""

    def seats(self) -> list[SeatRow]:
        """The allocations with the smallest share left first: those to talk to the district about."""
        rows = self._mine(DistrictSeatAllocation, "district__workspace").filter(is_active=True, total_seats__gt=0)
        fullest = rows.annotate(
            fullness=(F("reserved_seats") + F("used_seats")) * 1000 / F("total_seats")
        ).select_related("district", "instance")
        return [_seat_row(allocation) for allocation in fullest.order_by("-fullness", "id")[:10]]

    def seats_left(self) -> dict[str, int]:
        rows = self._mine(DistrictSeatAllocation, "district__workspace").filter(is_active=True)
        sums = rows.aggregate(total=Sum("total_seats"), used=Sum("used_seats"), reserved=Sum("reserved_seats"))
        total = sums["total"] or 0
        taken = (sums["used"] or 0) + (sums["reserved"] or 0)
        return {"total": total, "taken": taken, "left": total - taken}

    def money(self) -> list[dict[str, Any]]:
        """Per currency, in the last 30 days: what came in, what went back, what is contested."""
        since = self.now - RECENT
        received = self._mine(Payment).filter(paid_at__gte=since).values_list("currency")
        returned = self._mine(Refund, "payment__workspace").filter(status=RefundStatus.SUCCEEDED, settled_at__gte=since)
        received_by = dict(received.annotate(Sum("amount_minor")))
        returned_by = dict(returned.values_list("payment__currency").annotate(Sum("amount_minor")))
        return [
            {
                "currency": currency.upper(),
                "received": Money(received_by.get(currency, 0), currency),
                "returned": Money(returned_by.get(currency, 0), currency),
                "kept": Money(received_by.get(currency, 0) - returned_by.get(currency, 0), currency),
            }
            for currency in sorted(received_by.keys() | returned_by.keys())
        ]


def bar_of(label: str, count: int, longest: int, **more: Any) -> Bar:
    """A row of a bar chart whose longest bar stands for `longest`."""
    return Bar(label, count, round(100 * count / longest) if longest else 0, **more)


def _seat_row(allocation: DistrictSeatAllocation) -> SeatRow:
    name = str(allocation.district)
    return SeatRow(
        name=f"{name}, {allocation.instance}" if allocation.instance else name,
        url=admin_url(allocation),
        used=allocation.used_seats,
        reserved=allocation.reserved_seats,
        left=allocation.available_seats,
        total=allocation.total_seats,
        used_share=round(100 * allocation.used_seats / allocation.total_seats),
        reserved_share=round(100 * allocation.reserved_seats / allocation.total_seats),
    )
