from django import forms
from django.contrib import admin
from django.http import HttpRequest
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display
from unfold.enums import ActionVariant

from accounts.guardian_invitations import invite_or_renew, mail_guardian_invitation
from accounts.models import Learner, StaffTask
from accounts.roles import Power, list_roles_from
from accounts.staff_tasks import complete_staff_task
from accounts.states import TaskStatus
from accounts.task_kinds import NAME_ASKED, NO_ADDRESS, TWINS, UNANSWERED, find_kind
from accounts.twins import pair_of
from core.clock import utc_now
from core.errors import require

from ..actions import StaffForm, in_bulk, staff_action
from ..display import NOTHING, register_subject, status_badge, subject_column
from ..scoping import ScopedRelatedFilter, WorkspaceScopedAdmin, staff_of
from ..subjects import name_subject
from .invitations import InviteGuardianForm, mail_or_say_why
from .merging import MergeReasonForm, describe_learner, merge, preview_merge

register_subject("deletion", StaffTask)


class ResolutionForm(StaffForm):
    resolution = forms.CharField(
        max_length=2000, widget=forms.Textarea(attrs={"rows": 4}), help_text="What was done about it."
    )


class TwinsForm(MergeReasonForm):
    """Which of the two stays."""

    keep = forms.TypedChoiceField(label="Who stays", coerce=int)
    field_order = ("keep", "reason")

    def prepare(self) -> None:
        names = {learner.pk: describe_learner(learner) for learner in Learner.objects.filter(pk__in=pair_of(self.row))}
        self.fields["keep"].choices = sorted(names.items())  # type: ignore[attr-defined]


def kept_and_dropped(task: StaffTask, form: StaffForm) -> tuple[int, int]:
    keep_id = form.cleaned_data["keep"]
    return keep_id, next(pk for pk in pair_of(task) if pk != keep_id)


def awaited_guardian(task: StaffTask) -> int | None:
    """Return the guardian whose address an open task waits for."""
    if task.status != TaskStatus.OPEN or task.kind not in (NO_ADDRESS.name, UNANSWERED.name):
        return None
    return int(task.subject.removeprefix("guardian:"))


def asks_about_twins(task: StaffTask) -> bool:
    return task.kind == TWINS.name and task.status == TaskStatus.OPEN


@admin.register(StaffTask)
class StaffTaskAdmin(WorkspaceScopedAdmin):
    ordering = ("-status", "-id")  # open before done
    subject_fields = ("subject",)
    list_display = ("summary", "about", "kind", "status_badge", "workspace", "created_at", "done_by")
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("workspace", ScopedRelatedFilter),
        ("kind", ChoicesDropdownFilter),
        "created_at",
    )
    list_select_related = ("workspace", "done_by")
    search_fields = ("=subject", "summary__icontains")
    date_hierarchy = "created_at"
    fieldsets = (
        (None, {"fields": ("summary", ("about", "kind"), ("status_badge", "workspace"), "created_at")}),
        ("What to do", {"fields": (("remedy", "for_whom"),)}),
        ("Resolution", {"fields": (("done_by", "done_at"), "resolution")}),
    )
    actions_detail = ("merge_twins", "two_people", "invite_guardian", "complete")
    status_badge = status_badge("status")
    about = subject_column("subject", "about")

    def describe(self, row: StaffTask) -> str:
        kind = find_kind(row.kind)
        about = name_subject(row, "subject")
        return ": ".join(filter(None, [kind.label if kind else row.summary, about]))

    @display(description="how it is solved")
    def remedy(self, task: StaffTask) -> str:
        kind = find_kind(task.kind)
        return kind.remedy if kind else NOTHING

    @display(description="who can do it")
    def for_whom(self, task: StaffTask) -> str:
        kind = find_kind(task.kind)
        return " or ".join(role.label.lower() for role in list_roles_from(kind.role)) if kind else NOTHING

    @staff_action(
        description="Complete",
        power=Power.ASSIST,
        possible=lambda task: task.status == TaskStatus.OPEN and task.kind not in (TWINS.name, NAME_ASKED.name),
        form=ResolutionForm,
        icon="task_alt",
        variant=ActionVariant.PRIMARY,
        explanation="The task leaves the queue. Its subject stays as it is: resolve that on its own page.",
    )
    def complete(self, request: HttpRequest, task: StaffTask, form: StaffForm) -> str:
        complete_staff_task(
            task_id=task.pk, user=staff_of(request), resolution=form.cleaned_data["resolution"], now=utc_now()
        )
        return "Done. Thank you."

    @staff_action(
        description="Merge the two",
        power=Power.MANAGE,
        possible=asks_about_twins,
        form=TwinsForm,
        preview=lambda task, form: preview_merge(*kept_and_dropped(task, form)),
        explanation="Everything one learner has moves to the other. You can't undo this.",
        icon="merge",
        variant=ActionVariant.PRIMARY,
    )
    def merge_twins(self, request: HttpRequest, task: StaffTask, form: StaffForm) -> str:
        keep_id, drop_id = kept_and_dropped(task, form)
        return merge(request, keep_id=keep_id, drop_id=drop_id, reason=form.cleaned_data["reason"])

    @staff_action(
        description="They are two people",
        power=Power.DECIDE,
        possible=asks_about_twins,
        form=ResolutionForm,
        explanation="Staff are not asked about these two learners again.",
        icon="group",
    )
    def two_people(self, request: HttpRequest, task: StaffTask, form: StaffForm) -> str:
        resolution = f"Two people. {form.cleaned_data['resolution']}"
        complete_staff_task(task_id=task.pk, user=staff_of(request), resolution=resolution, now=utc_now())
        return "Done. Both learners stay as they are."

    @staff_action(
        description="Invite the guardian",
        power=Power.MANAGE,
        possible=lambda task: awaited_guardian(task) is not None,
        form=InviteGuardianForm,
        icon="forward_to_inbox",
        explanation="The task completes itself once they accept.",
        reaches_out=True,
    )
    def invite_guardian(self, request: HttpRequest, task: StaffTask, form: StaffForm) -> str:
        guardian_id = require(awaited_guardian(task), "the button is only for tasks that wait for a guardian")
        email = form.cleaned_data["email"]
        made = invite_or_renew(guardian_id=guardian_id, email=email, invited_by=staff_of(request), now=utc_now())
        return mail_or_say_why(mail_guardian_invitation, *made)

    complete_selected = in_bulk(
        complete,
        description="Complete with one resolution",
        explanation="They wait for nobody any more. What they are about stays as it is: that is solved on its own "
        "page.",
    )
    actions = ("complete_selected",)
