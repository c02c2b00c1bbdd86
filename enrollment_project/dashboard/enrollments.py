"""What the dashboard counts, over the workspaces of the person looking. Each method is one question and one query."""

import datetime as dt
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

from django.db.models import Count, F, Min, Q, QuerySet, Sum
from django.db.models.functions import TruncDate
from django.http import HttpRequest
from django.utils.timezone import get_current_timezone_name

from accounts.models import StaffTask
from accounts.roles import Power
from accounts.states import TaskStatus
from backoffice.display import Neighbor, admin_url, list_url, moment
from backoffice.scoping import access_of
from billing.models import Checkout, Payment, Refund, StripeEvent
from billing.states import LIVE_CHECKOUTS, OPEN_REFUNDS, CheckoutStatus, RefundStatus
from core.clock import utc_now
from core.local_time import local_date
from core.money import Money
from enrollments.models import DistrictSeatAllocation, Enrollment, EnrollmentDecision
from enrollments.queries import awaiting_review
from enrollments.states import DecisionReason, DecisionStatus, EligibilityStatus, ProvisionSource
from events.models import OutboxEvent
from events.states import RelayStatus

RECENT = dt.timedelta(days=30)
INBOX_PATIENCE = dt.timedelta(minutes=15)
CHECKOUT_PATIENCE = dt.timedelta(minutes=10)
BANK_PATIENCE = dt.timedelta(days=14)
REFUND_PATIENCE = dt.timedelta(days=1)
REVIEW_PATIENCE = dt.timedelta(days=3)
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


@dataclass(frozen=True, slots=True)
class Stuck:
    """Something that should have moved on by itself; `count` of them, the oldest since `since`."""

    label: str
    count: int
    url: str
    since: str = ""


def overview_of(request: HttpRequest) -> "Overview":
    """The one overview of a request, so that sidebar and dashboard count the same things once."""
    known = getattr(request, "overview", None)
    if known is None:
        known = Overview(request)
        request.overview = known  # type: ignore[attr-defined]
    return cast(Overview, known)


class Overview:
    """The numbers of the dashboard and of the sidebar's badges."""

    def __init__(self, request: HttpRequest) -> None:
        self.access = access_of(request)
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

    def tasks(self) -> list[Neighbor]:
        rows = self._mine(StaffTask).filter(status=TaskStatus.OPEN).order_by("created_at", "id")[:6]
        return [Neighbor(title=task.summary, url=admin_url(task), at=task.created_at) for task in rows]

    def review_queue(self) -> list[Neighbor]:
        """The longest waiting first."""
        rows = awaiting_review(self._enrollments())
        return [
            Neighbor(
                title=enrollment.learner or enrollment.lead,
                url=admin_url(enrollment),
                note=str(enrollment.instance),
                at=enrollment.updated_at,
            )
            for enrollment in rows.select_related("learner", "lead", "instance").order_by("updated_at", "id")[:6]
        ]

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

    # --- what is stuck -----------------------------------------------------------------------------------------------

    def stuck(self) -> list[Stuck]:
        """Waiting states past their time, with the list where a person sees them. Empty means all is well."""
        unpaid = Q(status=CheckoutStatus.OPEN, expires_at__lt=self.now - CHECKOUT_PATIENCE, payments=None)
        at_bank = Q(status=CheckoutStatus.PROCESSING, created_at__lt=self.now - BANK_PATIENCE)
        checkouts = self._mine(Checkout).filter(unpaid | at_bank)
        interrupted = self._mine(EnrollmentDecision).filter(
            status=DecisionStatus.FAILED, checkout__status__in=LIVE_CHECKOUTS
        )
        refunds = self._mine(Refund, "payment__workspace").filter(
            status__in=OPEN_REFUNDS, created_at__lt=self.now - REFUND_PATIENCE
        )
        waiting = awaiting_review(self._enrollments()).filter(updated_at__lt=self.now - REVIEW_PATIENCE)
        events = self._mine(OutboxEvent)
        late = events.filter(relay_status=RelayStatus.PENDING, occurred_at__lt=self.now - INBOX_PATIENCE)
        rows = [
            _stuck("Checkouts past their time", checkouts, "expires_at", list_url(Checkout, status__exact="open")),
            _stuck(
                "Decisions interrupted while Stripe was down",
                interrupted,
                "created_at",
                list_url(EnrollmentDecision, status__exact="failed"),
            ),
            _stuck("Refunds without an answer for a day", refunds, "created_at", list_url(Refund)),
            _stuck(
                "Reviews waiting for three days",
                waiting,
                "updated_at",
                list_url(Enrollment, waiting="review"),
            ),
            _stuck("Events not relayed", late, "occurred_at", list_url(OutboxEvent, relay_status__exact="pending")),
            _stuck(
                "Events given up",
                events.filter(relay_status=RelayStatus.DEAD),
                "occurred_at",
                list_url(OutboxEvent, relay_status__exact="dead"),
            ),
        ]
        if self.access.everywhere:
            unhandled = StripeEvent.objects.filter(handled_at__isnull=True, received_at__lt=self.now - INBOX_PATIENCE)
            inbox = list_url(StripeEvent, handled_at__isempty=1)
            rows.append(_stuck("Stripe events unhandled for 15 minutes", unhandled, "received_at", inbox))
        return [row for row in rows if row.count]


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


def _stuck(label: str, rows: QuerySet[Any], time_field: str, url: str) -> Stuck:
    found = rows.aggregate(count=Count("id"), since=Min(time_field))
    return Stuck(label, found["count"], url, since=moment(found["since"]))
