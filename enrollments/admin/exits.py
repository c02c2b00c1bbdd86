"""Leaving a program: the form and preview for staff, the list of planned exits, and withdrawing one."""

import datetime as dt

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from accounts.roles import Power
from backoffice.actions import ReasonForm, StaffForm, staff_action
from backoffice.display import Card, json_column, link, neighbor, neighbors_of, register_subject, status_badge
from backoffice.previews import Preview
from backoffice.scoping import ScopedRelatedFilter, WorkspaceScopedAdmin, actor_of
from core.clock import utc_now
from core.local_time import local_date
from core.time_words import day

from ..consequences import NO_MAIL_TO_FAMILY, tell_end
from ..exit import has_plan_to_replace, withdraw_exit
from ..letters import (
    ENDED,
    EXIT_PLANNED,
    EXIT_WITHDRAWN,
    write_end,
    write_planned_exit,
    write_withdrawn_exit,
)
from ..models import Enrollment, PlannedExit
from ..states import ExitStatus
from .previews import letters_to_family

register_subject("planned-exit", PlannedExit)


class ExitForm(ReasonForm):
    effective_date = forms.DateField(
        label="Leaves on",
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text="The first day without the learner. Today ends it at once; on a later day it ends by itself.",
    )
    exit_interview = forms.CharField(
        required=False,
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="What they said when they left. It is kept with the enrollment and never mailed.",
    )
    field_order = ("effective_date", "reason", "note")

    def prepare(self) -> None:
        self.initial["effective_date"] = local_date(utc_now(), self.row.instance.zone)

    @property
    def is_later(self) -> bool:
        """Return whether the day is still in the future in the workspace's time zone."""
        chosen: dt.date = self.cleaned_data["effective_date"]
        return chosen > local_date(utc_now(), self.row.instance.zone)

    def clean_effective_date(self) -> dt.date:
        chosen: dt.date = self.cleaned_data["effective_date"]
        today = local_date(utc_now(), self.row.instance.zone)
        if chosen < today:
            raise ValidationError(f"Give today, {day(today)}, or a later day.", code="past")
        return chosen


def foresee_exit(enrollment: Enrollment, form: ExitForm) -> Preview:
    """Preview who leaves, what they give back, and the mail about it."""
    leaves_on = form.cleaned_data["effective_date"]
    sentences = (
        f"{enrollment.learner} leaves {enrollment.instance} {f'on {day(leaves_on)}' if form.is_later else 'now'}.",
        *(("What it would do as things stand:",) if form.is_later else ()),
        *tell_end(enrollment, is_refunded=False, now=utc_now()),
    )
    reason = form.cleaned_data["reason"]
    kind = EXIT_PLANNED if form.is_later else ENDED
    email = (
        write_planned_exit(
            enrollment, effective_date=leaves_on, reason=reason, is_another_plan=has_plan_to_replace(enrollment)
        )
        if form.is_later
        else write_end(enrollment, reason=reason)
    )
    return Preview(sentences, letters_to_family(enrollment, kind, email), NO_MAIL_TO_FAMILY)


def foresee_withdrawal(plan: PlannedExit, form: StaffForm) -> Preview:
    """Preview who stays, and the mail about it."""
    email = write_withdrawn_exit(plan.enrollment, effective_date=plan.effective_date)
    sentences = (f"{plan.enrollment.person} stays in {plan.enrollment.instance}.",)
    return Preview(sentences, letters_to_family(plan.enrollment, EXIT_WITHDRAWN, email))


@neighbors_of(Enrollment)
def exits_of_enrollment(request: HttpRequest, enrollment: Enrollment) -> Card:
    """Return the card with the planned exit and the outcomes of earlier ones."""
    plans = enrollment.planned_exits.order_by("-pk")[:10]
    rows = [
        neighbor(plan, title=f"On {day(plan.effective_date)}", status="status", note=plan.reason, at=plan.created_at)
        for plan in plans
    ]
    return Card("Planned exits", rows)


@admin.register(PlannedExit)
class PlannedExitAdmin(WorkspaceScopedAdmin):
    """Who will leave on which day; staff change the day on the enrollment page."""

    workspace_path = "enrollment__workspace"
    list_display = ("effective_date", "person", "instance", "status_label", "reason", "planned_by", "created_at")
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("enrollment__workspace", ScopedRelatedFilter),
        ("enrollment__instance", ScopedRelatedFilter),
        "effective_date",
    )
    list_select_related = ("enrollment__learner", "enrollment__instance")
    search_through = ("enrollment",)
    search_help_text = "Learner's name or email, enrollment's CUID or number"
    ordering = ("-effective_date", "-id")
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("effective_date", "status_label"),
                    ("person_link", "instance"),
                    "reason",
                    "note",
                    "metadata_text",
                    ("planned_by", "created_at"),
                    ("settled_by", "settled_at"),
                )
            },
        ),
        (
            "Tries",
            {"fields": (("attempts", "next_attempt_at"), "last_error"), "classes": ("collapse",)},
        ),
    )
    actions_detail = ("withdraw",)
    status_label = status_badge("status")
    metadata_text = json_column("metadata")

    def describe(self, row: PlannedExit) -> str:
        return f"{row.enrollment.learner}, {row.enrollment.instance}"

    @display(description="learner", ordering="enrollment__learner__last_name")
    def person(self, row: PlannedExit) -> str:
        return str(row.enrollment.learner)

    @display(description="enrollment of")
    def person_link(self, row: PlannedExit) -> str:
        return link(row.enrollment, str(row.enrollment.person))

    @display(description="program", ordering="enrollment__instance__name")
    def instance(self, row: PlannedExit) -> str:
        return str(row.enrollment.instance)

    @staff_action(
        description="Withdraw",
        power=Power.DECIDE,
        possible=lambda row: row.status == ExitStatus.PLANNED,
        preview=foresee_withdrawal,
        icon="undo",
        explanation="The learner stays, and the family is told that the enrollment does not end on that day.",
    )
    def withdraw(self, request: HttpRequest, row: PlannedExit, form: StaffForm) -> str:
        withdraw_exit(planned_exit_id=row.pk, actor=actor_of(request), now=utc_now())
        return f"{self.describe(row)}: the exit on {day(row.effective_date)} is withdrawn."
