"""What the doctor found, since when, what to do about it, and a button if a use case can repair it."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import ObjectDoesNotExist
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display
from unfold.enums import ActionVariant

from accounts.roles import Power
from accounts.task_kinds import Urgency
from backoffice.actions import ConfirmForm, StaffForm, staff_action, staff_list_action
from backoffice.display import badge, link, status_badge
from backoffice.previews import Preview
from backoffice.queues import Queue, register_queue
from backoffice.scoping import WorkspaceScopedAdmin, actor_of
from core.clock import utc_now
from core.numbers import counted

from ..examining import examine_again, examine_all
from ..models import Examination, Finding
from ..remedies import remedy_of
from ..repairs import Repair, repair, repair_of
from ..subjects import find_subject

register_queue(
    Queue(
        name="findings",
        label="Rows that break a rule",
        hint="The doctor found them twice. Each says what to do about it.",
        model=Finding,
        narrow=lambda findings, now: findings.filter(gone_at__isnull=True, times_seen__gt=1),
        since="found_at",
        power=Power.OPERATE,
        urgency=Urgency.NOW,
    )
)


def _repair_of(finding: Finding) -> Repair | None:
    return repair_of(invariant=finding.invariant, row=finding.row)


def preview_repair(finding: Finding, form: Any) -> Preview:
    found = _repair_of(finding)
    return Preview((found.does,), mails=found.mails) if found else Preview()


@admin.register(Finding)
class FindingAdmin(WorkspaceScopedAdmin):
    workspace_path = ""
    view_power = Power.OPERATE
    list_display = ("row", "fact", "broken_rule", "state", "found_at")
    list_filter = (("gone_at", admin.EmptyFieldListFilter), "invariant", "found_at")
    search_fields = ("=row", "invariant__icontains")
    search_help_text = "The row, e.g. allocation 12, or a part of the rule's name"
    fieldsets = (
        (None, {"fields": (("subject", "state"), "fact", ("found_at", "seen_at"), ("times_seen", "gone_at"))}),
        ("What to do", {"fields": ("invariant", "rule", "wronged", "remedy")}),
    )
    actions_list = ("examine",)
    actions_detail = ("repair_row", "look_again")

    def describe(self, row: Finding) -> str:
        return row.row

    @display(description="state")
    def state(self, finding: Finding) -> SafeString:
        if finding.gone_at:
            return badge("completed", "Gone")
        if finding.times_seen == 1:
            return badge("pending", "Seen once")
        return badge("failed", "Broken")

    @display(description="rule", ordering="invariant")
    def broken_rule(self, finding: Finding) -> str:
        return finding.invariant.partition(".")[2].replace("_", " ")

    @display(description="row")
    def subject(self, finding: Finding) -> SafeString | str:
        found = find_subject(finding.row)
        try:
            return link(found[0]._base_manager.get(pk=found[1]), finding.row) if found else finding.row
        except ObjectDoesNotExist:
            return f"{finding.row} (deleted)"

    @display(description="rule")
    def rule(self, finding: Finding) -> str:
        return remedy_of(finding.invariant).rule

    @display(description="who is affected")
    def wronged(self, finding: Finding) -> str:
        return remedy_of(finding.invariant).wronged

    @display(description="what to do")
    def remedy(self, finding: Finding) -> str:
        return remedy_of(finding.invariant).action

    @staff_list_action(
        description="Examine now",
        power=Power.OPERATE,
        form=ConfirmForm,
        icon="stethoscope",
        explanation="Checks every rule in all workspaces, as the hourly examination does. It only reads.",
    )
    def examine(self, request: HttpRequest, form: StaffForm) -> str:
        examination = examine_all(now=utc_now())
        if examination is None:
            return "An examination is under way. Reload the list in a minute."
        found = sum(examination.broken.values())
        return f"{counted(examination.checked, 'rule')} examined. Breaches found: {found}."

    @staff_action(
        description="Repair",
        power=Power.OPERATE,
        possible=lambda finding: finding.gone_at is None and _repair_of(finding) is not None,
        icon="build",
        variant=ActionVariant.PRIMARY,
        preview=preview_repair,
        explanation="Runs the use case that repairs the row, and checks it again.",
        reaches_out=True,
    )
    def repair_row(self, request: HttpRequest, finding: Finding, form: StaffForm) -> str:
        repair(invariant=finding.invariant, row=finding.row, actor=actor_of(request), now=utc_now())
        return self._look(finding)

    @staff_action(
        description="Look again",
        power=Power.OPERATE,
        possible=lambda finding: finding.gone_at is None,
        icon="refresh",
        explanation="Checks whether the row still breaks the rule, and changes nothing else.",
    )
    def look_again(self, request: HttpRequest, finding: Finding, form: StaffForm) -> str:
        return self._look(finding)

    def _look(self, finding: Finding) -> str:
        still = examine_again(finding=finding, now=utc_now())
        return f"{finding.row} still breaks the rule." if still else f"{finding.row} is in order now."


@admin.register(Examination)
class ExaminationAdmin(WorkspaceScopedAdmin):
    workspace_path = ""
    view_power = Power.OPERATE
    list_display = ("began_at", "state", "checked", "rows_found", "ended_at")
    list_filter = (("status", ChoicesDropdownFilter), "began_at")
    fields = (("began_at", "ended_at"), ("state", "checked"), "found")

    state = status_badge("status")

    @display(description="rows found")
    def rows_found(self, examination: Examination) -> int:
        return sum(examination.broken.values())

    @display(description="found")
    def found(self, examination: Examination) -> str:
        return ", ".join(f"{name}: {count}" for name, count in sorted(examination.broken.items())) or "Nothing"
