"""Each learner's progress with a step, and the session booked for it."""

from collections.abc import Collection
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display
from unfold.enums import ActionVariant

from accounts.roles import Power
from backoffice.actions import RequiredNoteForm, StaffForm, in_bulk, staff_action
from backoffice.display import NOTHING, link_column, register_subject
from backoffice.questions import OfOne
from backoffice.scoping import ScopedRelatedFilter, WorkspaceScopedAdmin, actor_of
from core.clock import utc_now

from ..learning.attendance import excuse_step, mark_attended, mark_missed, withdraw_excuse
from ..learning.booking import Selection, book_sessions, cancel_booking, swap_booking
from ..models import ClassSession, StepProgress
from ..queries import offered_by_step
from ..states import CAN_BE_ATTENDED, CAN_BE_EXCUSED, CAN_BE_MISSED, TO_ATTEND, StepStatus
from .display import meeting_time, step_badge, tell_seats_left
from .previews import (
    foresee_absences,
    foresee_attendances,
    foresee_choice,
    foresee_excuse,
    foresee_freed_session,
    foresee_withdrawn_excuse,
)
from .sessions import has_started

register_subject("progress", StepProgress)


class SessionChoiceForm(StaffForm):
    option = forms.TypedChoiceField(coerce=int, label="Session")

    def prepare(self) -> None:
        row: StepProgress = self.row
        bound = self.fields["option"]
        assert isinstance(bound, forms.TypedChoiceField)
        bound.choices = [("", "---------"), *session_choices(row)]


def session_choices(row: StepProgress) -> list[tuple[int, str]]:
    """Return the coming sessions of the step in the learner's cohort, except the booked one."""
    offered = offered_by_step(cohort_id=row.package.cohort_id, now=utc_now()).get(row.step_id, [])
    return [
        (session.option_id, describe_choice(session.class_session))
        for session in offered
        if session.class_session_id != row.class_session_id
    ]


def describe_choice(session: ClassSession) -> str:
    left = tell_seats_left(session) if session.has_room else "full"
    return f"{session.group_class}, {meeting_time(session)} ({session.group_class.timezone}), {left}"


def can_be_marked(row: StepProgress, marked_from: Collection[StepStatus]) -> bool:
    return row.status in marked_from and row.package.is_live and has_started(row.class_session)


@admin.register(StepProgress)
class StepProgressAdmin(WorkspaceScopedAdmin):
    """One step of one learner. Only its buttons change its state."""

    workspace_path = "package__program__workspace"
    list_display = ("learner", "step_name", "status_label", "when", "cohort")
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("package__program__workspace", ScopedRelatedFilter),
        ("package__program", ScopedRelatedFilter),
        ("package__cohort", ScopedRelatedFilter),
        ("step", ScopedRelatedFilter),
        "class_session__date",
    )
    list_select_related = (
        "package__learner",
        "package__program",
        "package__cohort__instance__program",
        "step",
        "class_session__group_class",
    )
    search_through = ("package",)
    search_help_text = "Learner's name, email or external id; package number"
    ordering = ("-class_session__starts_at", "-id")
    fieldsets = (
        (None, {"fields": (("status_label", "step_name"), ("package_link", "session_link"))}),
        ("Times", {"fields": (("booked_at", "completed_at"), "excuse")}),
    )
    actions_detail = ("attended", "missed", "choose_session", "give_back", "excuse", "withdraw")
    actions = ("attended_selected", "missed_selected")
    package_link = link_column("package", "package")
    session_link = link_column("class_session", "session")

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        """Allow the lookup that session pages use to link to their bookings."""
        return lookup == "class_session__id__exact" or super().lookup_allowed(lookup, value, request)

    def describe(self, row: StepProgress) -> str:
        return f"{row.package.learner}, {row.step.label}"

    @display(description="learner", ordering="package__learner__last_name", header=True)
    def learner(self, row: StepProgress) -> tuple[str, str]:
        return str(row.package.learner), str(row.package)

    @display(description="step", ordering="step__order")
    def step_name(self, row: StepProgress) -> str:
        return str(row.step)

    @display(description="status", ordering="status")
    def status_label(self, row: StepProgress) -> SafeString:
        return step_badge(row.status)

    @display(description="session", ordering="class_session__starts_at")
    def when(self, row: StepProgress) -> str:
        return meeting_time(row.class_session) if row.class_session else NOTHING

    @display(description="cohort", ordering="package__cohort__name")
    def cohort(self, row: StepProgress) -> str:
        return str(row.package.cohort)

    @staff_action(
        description="Attended",
        power=Power.DECIDE,
        possible=lambda row: can_be_marked(row, CAN_BE_ATTENDED),
        preview=OfOne(foresee_attendances),
        icon="check",
        variant=ActionVariant.SUCCESS,
        explanation="With the last required step the course is completed.",
    )
    def attended(self, request: HttpRequest, row: StepProgress, form: StaffForm) -> str:
        mark_attended(progress_id=row.pk, actor=actor_of(request), now=utc_now())
        return f"{self.describe(row)}: attended."

    @staff_action(
        description="Missed",
        power=Power.DECIDE,
        possible=lambda row: can_be_marked(row, CAN_BE_MISSED),
        preview=OfOne(foresee_absences),
        icon="close",
        variant=ActionVariant.DANGER,
        explanation="The session passed without the learner.",
    )
    def missed(self, request: HttpRequest, row: StepProgress, form: StaffForm) -> str:
        mark_missed(progress_id=row.pk, actor=actor_of(request), now=utc_now())
        return f"{self.describe(row)}: missed."

    @staff_action(
        description="Excuse",
        power=Power.DECIDE,
        possible=lambda row: row.status in CAN_BE_EXCUSED and row.package.is_live,
        form=RequiredNoteForm,
        preview=foresee_excuse,
        icon="event_available",
        explanation="The step counts as attended. Only staff see your note. With the last required step the "
        "course is completed.",
    )
    def excuse(self, request: HttpRequest, row: StepProgress, form: StaffForm) -> str:
        excuse_step(progress_id=row.pk, reason=form.cleaned_data["note"], actor=actor_of(request), now=utc_now())
        return f"{self.describe(row)}: excused."

    @staff_action(
        description="Withdraw excuse",
        power=Power.DECIDE,
        possible=lambda row: row.status == StepStatus.EXCUSED and row.package.is_live,
        preview=foresee_withdrawn_excuse,
        icon="undo",
        explanation="The step has to be booked and attended after all. A completed course stays completed.",
    )
    def withdraw(self, request: HttpRequest, row: StepProgress, form: StaffForm) -> str:
        withdraw_excuse(progress_id=row.pk, now=utc_now())
        return f"{self.describe(row)}: to be booked."

    @staff_action(
        description="Choose session",
        power=Power.DECIDE,
        possible=lambda row: row.status in TO_ATTEND and bool(session_choices(row)),
        form=SessionChoiceForm,
        preview=foresee_choice,
        icon="event_repeat",
        explanation="Books the session for the learner. They keep the seat they have unless the new one is booked.",
    )
    def choose_session(self, request: HttpRequest, row: StepProgress, form: StaffForm) -> str:
        option_id = form.cleaned_data["option"]
        if row.status == StepStatus.UNBOOKED:
            book_sessions(package_id=row.package_id, selections=[Selection(row.step_id, option_id)], now=utc_now())
        else:
            swap_booking(
                package_id=row.package_id, step_id=row.step_id, option_id=option_id, is_by_staff=True, now=utc_now()
            )
        booked = StepProgress.objects.select_related("class_session__group_class").get(pk=row.pk)
        return f"{self.describe(row)}: {meeting_time(booked.seat)}."

    @staff_action(
        description="Give session back",
        power=Power.DECIDE,
        possible=lambda row: row.status == StepStatus.BOOKED,
        preview=foresee_freed_session,
        icon="event_busy",
        explanation="The seat is free again, and the step can be booked again.",
    )
    def give_back(self, request: HttpRequest, row: StepProgress, form: StaffForm) -> str:
        cancel_booking(package_id=row.package_id, step_id=row.step_id, is_by_staff=True, now=utc_now())
        return f"{self.describe(row)}: the seat is free again."

    attended_selected = in_bulk(
        attended,
        description="Mark attended",
        explanation="Learners who have attended every required step complete their course.",
        preview=foresee_attendances,
    )
    missed_selected = in_bulk(
        missed,
        description="Mark missed",
        explanation="The sessions passed without these learners.",
        preview=foresee_absences,
    )
