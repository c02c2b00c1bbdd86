"""Who holds which seat of a district."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display
from unfold.enums import ActionVariant

from accounts.models import Learner
from accounts.roles import Power
from backoffice.actions import ReasonForm, StaffForm, in_bulk, staff_action
from backoffice.display import Card, Neighbor, link_column, neighbor, neighbors_of, register_subject, status_badge
from backoffice.previews import Preview
from backoffice.scoping import ScopedRelatedFilter, WorkspaceScopedAdmin, access_of, actor_of
from core.clock import utc_now

from ..allocations.holders import reassign_seat, release_holder, suited_allocations, transfer_seat, why_unsuited
from ..consequences import NO_MAIL_TO_FAMILY, tell_end
from ..letters import ENDED, write_end
from ..models import DistrictSeatAllocation, SeatAssignment
from ..states import HELD_SEATS, SeatStatus
from .bulk_previews import foresee_transfers
from .previews import foresee_rejection, letters_to_family

register_subject("seat", SeatAssignment)


class TransferForm(StaffForm):
    allocation = forms.ModelChoiceField(
        queryset=DistrictSeatAllocation.objects.none(), label="Move to", empty_label=None
    )

    def prepare(self) -> None:
        bound = self.fields["allocation"]
        assert isinstance(bound, forms.ModelChoiceField)
        if self.row is not None:
            bound.queryset = suited_allocations(self.row).select_related("district", "instance")
            return
        rows = DistrictSeatAllocation.objects.filter(is_active=True).select_related("district", "instance")
        rows = rows.order_by("district__name", "-valid_until", "id")
        bound.queryset = access_of(self.request).limit(rows, path="district__workspace", power=Power.MANAGE)


class ReassignForm(ReasonForm):
    learner = forms.CharField(
        max_length=150, label="Who gets the seat", help_text="Email, external id or CUID of a learner of the workspace."
    )
    field_order = ("learner", "reason", "note")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        text = cleaned.get("learner", "")
        by = Q(email=text.lower()) | Q(external_id=text) | Q(cuid=text)
        found = list(Learner.objects.live().filter(by, workspace=self.row.enrollment.workspace_id)[:2])
        if text and len(found) != 1:
            told = "Several learners have this address: give an id." if found else "There is no such learner here."
            self.add_error("learner", told)
        return {**cleaned, "chosen": found[0] if found else None}


def foresee_transfer(seat: SeatAssignment, form: StaffForm) -> Preview:
    target = form.cleaned_data["allocation"]
    if unsuited := why_unsuited(seat, target, utc_now()):
        return Preview((f"Not possible: {unsuited}",))
    return Preview(
        (
            (f"The seat of {seat.learner} moves to {target}, which has {target.available_seats - 1:,} left then."),
            f"{seat.allocation} has {seat.allocation.available_seats + 1:,} left. The enrollment stays as it is.",
        )
    )


def foresee_release(seat: SeatAssignment, form: StaffForm) -> Preview:
    """Preview what ending the enrollment brings, in the same words as its own button."""
    if seat.status == SeatStatus.RESERVED:
        return foresee_rejection(seat.enrollment, form)
    email = write_end(seat.enrollment, reason=form.cleaned_data["reason"])
    ends = tell_end(seat.enrollment, is_refunded=False, now=utc_now())
    sentences = (f"{seat.learner} leaves {seat.enrollment.instance} now.", *ends)
    return Preview(sentences, letters_to_family(seat.enrollment, ENDED, email), NO_MAIL_TO_FAMILY)


def foresee_reassignment(seat: SeatAssignment, form: StaffForm) -> Preview:
    ends = foresee_release(seat, form)
    learner = form.cleaned_data["chosen"]
    then = f"{learner} is enrolled in {seat.enrollment.instance} with that seat, if the criteria let them."
    return Preview((*ends.sentences, then), ends.letters, ends.mails)


def is_held(seat: SeatAssignment) -> bool:
    return seat.status in HELD_SEATS


def has_elsewhere(seat: SeatAssignment) -> bool:
    """Return whether the seat is held and its district has another allocation for it, which may be full."""
    return is_held(seat) and suited_allocations(seat).exists()


@admin.register(SeatAssignment)
class SeatAssignmentAdmin(WorkspaceScopedAdmin):
    workspace_path = "allocation__district__workspace"
    list_display = ("id", "district", "learner_link", "status_badge", "reserved_at", "used_at", "released_at")
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("allocation__district__workspace", ScopedRelatedFilter),
        ("allocation__district", ScopedRelatedFilter),
        ("allocation", ScopedRelatedFilter),
        "reserved_at",
    )
    list_select_related = ("allocation__district__workspace", "learner", "enrollment__instance")
    search_through = ("enrollment",)
    search_help_text = "Learner's name, email or external id; seat number, enrollment's CUID"
    date_hierarchy = "reserved_at"
    fieldsets = (
        (None, {"fields": (("status_badge", "allocation_link"), ("learner_link", "enrollment_link"))}),
        ("Times", {"fields": (("reserved_at", "used_at"), ("released_at", "release_reason"))}),
    )
    actions = ("transfer_selected",)
    actions_detail = ("transfer", "reassign", "release")
    status_badge = status_badge("status")
    allocation_link = link_column("allocation", "allocation")
    learner_link = link_column("learner", "learner")
    enrollment_link = link_column("enrollment", "enrollment")

    def describe(self, row: SeatAssignment) -> str:
        return f"{row.learner}: seat of {row.allocation.district}"

    @display(description="district", ordering="allocation__district__name")
    def district(self, seat: SeatAssignment) -> str:
        return seat.allocation.district.name

    @staff_action(
        description="Transfer",
        power=Power.MANAGE,
        form=TransferForm,
        possible=has_elsewhere,
        preview=foresee_transfer,
        icon="swap_horiz",
        explanation="The seat moves to another allocation of the district. Nothing changes for the learner.",
    )
    def transfer(self, request: HttpRequest, seat: SeatAssignment, form: StaffForm) -> str:
        target = form.cleaned_data["allocation"]
        transfer_seat(seat_id=seat.pk, allocation_id=target.pk, now=utc_now())
        return f"{seat.learner}: the seat is one of {target} now."

    transfer_selected = in_bulk(
        transfer,
        description="Transfer to another allocation",
        explanation="The seats are counted in another allocation of their district. The learners notice nothing.",
        preview=foresee_transfers,
        possible=is_held,
    )

    @staff_action(
        description="Reassign",
        power=Power.MANAGE,
        form=ReassignForm,
        possible=is_held,
        preview=foresee_reassignment,
        icon="person_add",
        explanation=(
            "The enrollment that holds the seat ends, and another learner gets the seat: both happen, or neither."
        ),
    )
    def reassign(self, request: HttpRequest, seat: SeatAssignment, form: StaffForm) -> str:
        chosen = form.cleaned_data
        reassign_seat(
            seat_id=seat.pk,
            learner_id=chosen["chosen"].pk,
            actor=actor_of(request),
            reason=chosen["reason"],
            note=chosen["note"],
            now=utc_now(),
        )
        return f"{chosen['chosen']} has the seat of {seat.learner}."

    @staff_action(
        description="Release",
        power=Power.MANAGE,
        form=ReasonForm,
        possible=is_held,
        preview=foresee_release,
        icon="event_busy",
        variant=ActionVariant.DANGER,
        explanation="The enrollment that holds the seat ends, and the seat is free again.",
    )
    def release(self, request: HttpRequest, seat: SeatAssignment, form: StaffForm) -> str:
        chosen = form.cleaned_data
        release_holder(
            seat_id=seat.pk, actor=actor_of(request), reason=chosen["reason"], note=chosen["note"], now=utc_now()
        )
        return f"The seat of {seat.learner} is free."


@neighbors_of(SeatAssignment)
def decisions_of_seat(request: HttpRequest, seat: SeatAssignment) -> Card:
    rows: list[Neighbor] = [
        neighbor(decision, title="Decision", status="status", at=decision.created_at)
        for decision in seat.decisions.order_by("-id")[:10]
    ]
    return Card("Decisions", rows)
