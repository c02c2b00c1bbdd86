"""Idle seats: the families that were asked, the outcome for each seat, and the savings."""

from django.contrib import admin
from django.http import HttpRequest
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display
from unfold.enums import ActionVariant

from accounts.roles import Power
from backoffice.actions import ConfirmForm, RequiredNoteForm, StaffForm, in_bulk, staff_action
from backoffice.display import (
    Card,
    Neighbor,
    link,
    link_column,
    list_url,
    neighbor,
    neighbors_of,
    register_subject,
    status_badge,
)
from backoffice.previews import Preview
from backoffice.scoping import ScopedRelatedFilter, WorkspaceScopedAdmin, actor_of
from core.clock import utc_now

from ..allocations.idle.asking import keep_seat, stop_asking
from ..allocations.idle.reclaiming import is_active_since, list_waiting, reclaim_seat, sum_up_savings
from ..consequences import NO_MAIL_TO_FAMILY
from ..letters import ENDED, write_end
from ..models import District, DistrictSeatAllocation, IdleSeat, SeatAssignment
from ..reasons import SEAT_GIVEN_BACK
from ..states import IdleSeatStatus
from .previews import letters_about

register_subject("idle_seat", IdleSeat)

SHOWN = 10


def is_open(idle: IdleSeat) -> bool:
    return idle.status == IdleSeatStatus.ASKED


def foresee_reclaim(idle: IdleSeat, form: StaffForm) -> Preview:
    """Preview who loses the seat, who is next in line, and the mail about the end."""
    if is_active_since(idle):
        return Preview((f"{idle.seat.learner} has been active since the family was asked: the seat stays theirs.",))
    waiting = list_waiting(idle.seat.allocation, utc_now())
    after = (
        f"The seat goes to {waiting[0].learner}, the next who is waiting, if they meet the criteria."
        if waiting
        else "Nobody is waiting for the seat: it becomes free."
    )
    letters = letters_about(idle.seat.enrollment, ENDED, write_end(idle.seat.enrollment, reason=SEAT_GIVEN_BACK))
    sentences = (f"{idle.seat.learner} leaves {idle.seat.enrollment.instance} now.", after)
    return Preview(sentences, letters, NO_MAIL_TO_FAMILY)


@admin.register(IdleSeat)
class IdleSeatAdmin(WorkspaceScopedAdmin):
    """The families that were asked whether they are still coming; the allocation defines the rule."""

    workspace_path = "seat__allocation__district__workspace"
    actor_fields = ("settled_by",)
    ordering = ("-pk",)
    list_display = ("person", "district", "status_label", "idle_since", "asked_at", "due_at", "settled_at")
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("seat__allocation__district__workspace", ScopedRelatedFilter),
        ("seat__allocation__district", ScopedRelatedFilter),
        ("seat__allocation", ScopedRelatedFilter),
    )
    list_select_related = (
        "seat__allocation__district__workspace",
        "seat__learner",
        "seat__enrollment__instance__program",
        "seat__enrollment__workspace",
    )
    search_through = ("seat__enrollment",)
    search_help_text = "Learner's name, email or external id; enrollment's CUID"
    fieldsets = (
        (None, {"fields": (("status_label", "seat_link"), ("person_link", "passed_on_link"))}),
        ("Times", {"fields": (("idle_since", "asked_at", "due_at"), ("settled_at", "settled_by"))}),
    )
    actions = ("keep_selected",)
    actions_detail = ("reclaim", "keep", "stop")
    status_label = status_badge("status")
    seat_link = link_column("seat", "seat")
    passed_on_link = link_column("passed_on_to", "passed on to")

    def describe(self, row: IdleSeat) -> str:
        return f"{row.seat.learner}: idle seat of {row.seat.allocation.district}"

    @display(description="learner", ordering="seat__learner__last_name")
    def person(self, idle: IdleSeat) -> str:
        return str(idle.seat.learner)

    @display(description="enrollment of")
    def person_link(self, idle: IdleSeat) -> str:
        return link(idle.seat.enrollment, str(idle.seat.learner))

    @display(description="district", ordering="seat__allocation__district__name")
    def district(self, idle: IdleSeat) -> str:
        return idle.seat.allocation.district.name

    @staff_action(
        description="Take back now",
        power=Power.MANAGE,
        form=ConfirmForm,
        possible=is_open,
        preview=foresee_reclaim,
        icon="event_busy",
        variant=ActionVariant.DANGER,
        explanation=(
            "The enrollment ends before the family's deadline, and the seat goes to the next learner who is waiting."
        ),
    )
    def reclaim(self, request: HttpRequest, idle: IdleSeat, form: StaffForm) -> str:
        done = reclaim_seat(idle_seat_id=idle.pk, actor=actor_of(request), now=utc_now())
        if done.status != IdleSeatStatus.RECLAIMED:
            return f"{idle.seat.learner} keeps the seat: {done.get_status_display().lower()}."
        if done.passed_on_to:
            return f"{done.passed_on_to.learner} has the seat of {idle.seat.learner}."
        return f"The seat of {idle.seat.learner} is free."

    @staff_action(
        description="Keep",
        power=Power.MANAGE,
        form=ConfirmForm,
        possible=is_open,
        icon="event_available",
        explanation="The family is still coming. It is asked again if nobody is active for as many days from now on.",
    )
    def keep(self, request: HttpRequest, idle: IdleSeat, form: StaffForm) -> str:
        keep_seat(idle_seat_id=idle.pk, actor=actor_of(request), now=utc_now())
        return f"{idle.seat.learner} keeps the seat."

    keep_selected = in_bulk(
        keep,
        description="Keep",
        explanation="The families still come. They are asked again if nobody is seen for as many days from now on.",
    )

    @staff_action(
        description="Never ask again",
        power=Power.MANAGE,
        form=RequiredNoteForm,
        possible=is_open,
        icon="notifications_off",
        explanation="The seat stays with the learner even if nobody is active. Only colleagues see your note.",
    )
    def stop(self, request: HttpRequest, idle: IdleSeat, form: StaffForm) -> str:
        stop_asking(idle_seat_id=idle.pk, actor=actor_of(request), now=utc_now())
        return f"{idle.seat.learner} keeps the seat, and nobody is asked about it again."


@neighbors_of(SeatAssignment)
def idle_times_of_seat(request: HttpRequest, seat: SeatAssignment) -> Card:
    rows: list[Neighbor] = [
        neighbor(
            idle, title=f"Asked about on {idle.asked_at:%b} {idle.asked_at.day}", status="status", at=idle.asked_at
        )
        for idle in seat.idle_seats.order_by("-pk")[:SHOWN]
    ]
    return Card("Idle times", rows, empty="Nobody was asked about it.")


@neighbors_of(DistrictSeatAllocation)
def idle_seats_of_allocation(request: HttpRequest, allocation: DistrictSeatAllocation) -> Card:
    return _card({"seat__allocation__id__exact": allocation.pk}, seat__allocation=allocation)


@neighbors_of(District)
def idle_seats_of_district(request: HttpRequest, district: District) -> Card:
    return _card({"seat__allocation__district__id__exact": district.pk}, seat__allocation__district=district)


def _card(query: dict[str, int], **about: object) -> Card:
    """Return the card with the savings and the families being asked."""
    idle_seats = IdleSeat.objects.filter(**about)
    savings = sum_up_savings(idle_seats)
    asked = idle_seats.filter(status=IdleSeatStatus.ASKED).select_related("seat__learner")
    rows = [Neighbor(title=str(savings))] if savings.seats else []
    rows += [
        neighbor(idle, title=idle.seat.learner, status="status", at=idle.due_at)
        for idle in asked.order_by("due_at")[:SHOWN]
    ]
    more = list_url(IdleSeat, **query)
    return Card("Idle seats", rows, empty="Nobody is being asked about one.", more_url=more if rows else "")
