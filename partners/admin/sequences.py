from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path
from unfold.decorators import display
from unfold.enums import ActionVariant

from accounts.roles import Power
from backoffice.actions import StaffForm, staff_action, staff_list_action
from backoffice.display import Card, Neighbor, badge, link_column, neighbors_of
from backoffice.previews import Preview
from backoffice.scoping import ScopedRelatedFilter, WorkspaceScopedAdmin, access_of, actor_of
from core.clock import utc_now
from enrollments.models import Program

from ..models import PartnerSequence
from ..moving import foresee_moves, list_learners_to_move, move_next_learners
from ..queries import list_items, with_learners_under_way
from ..states import GroupRule
from .page_button import page_button
from .sequence_editor import edit_sequence, editor_url
from .step_forms import mails_of, tell_moves

# How many learners are moved at a time, and how many of them are previewed.
MOVED_AT_ONCE = 200


class ProgramForm(StaffForm):
    program = forms.ModelChoiceField(queryset=Program.objects.none())

    def prepare(self) -> None:
        field = self.fields["program"]
        assert isinstance(field, forms.ModelChoiceField)
        programs = Program.objects.order_by("code", "pk")
        field.queryset = access_of(self.request).limit(programs, path="workspace", power=Power.MANAGE)


def define_another(sequence: PartnerSequence) -> str:
    return editor_url(sequence.program)


class WhyForm(StaffForm):
    reason = forms.CharField(
        max_length=300, widget=forms.Textarea(attrs={"rows": 3}), help_text="Kept in the history of each step."
    )


def is_present(sequence: PartnerSequence) -> bool:
    return sequence.active and list_learners_to_move(sequence).exists()


def foresee(sequence: PartnerSequence, form: StaffForm) -> Preview:
    """Preview what moving means for the learners in this batch."""
    learners = list_learners_to_move(sequence)
    keys = list(learners.values_list("pk", flat=True)[:MOVED_AT_ONCE])
    moves = foresee_moves(keys).values()
    told = (
        f"Learners who move to version {sequence.version} now: {len(keys):,} of {learners.count():,}.",
        *tell_moves(moves),
        "Nobody loses a certificate: learners who have completed the program are not moved.",
    )
    return Preview(told, mails=mails_of(moves))


@admin.register(PartnerSequence)
class PartnerSequenceAdmin(WorkspaceScopedAdmin):
    """The versions of programs' sequences. A version never changes; a new one replaces it."""

    workspace_path = "program__workspace"
    list_display = ("__str__", "program_link", "state", "learners", "created_at", "created_by")
    list_filter = ("active", ("program__workspace", ScopedRelatedFilter), ("program", ScopedRelatedFilter))
    list_select_related = ("program__workspace",)
    search_fields = ("=program__code", "program__title__icontains")
    search_help_text = "Code or title of the program"
    fields = (("program_link", "version"), ("state", "learners"), ("created_at", "created_by"))
    actions_list = ("define",)
    actions_detail = ("define_another", "move_all")
    define_another = page_button(
        description="Define another version",
        power=Power.MANAGE,
        icon="edit",
        address=define_another,
        variant=ActionVariant.PRIMARY,
    )
    program_link = link_column("program", "program")

    @display(description="state", ordering="active")
    def state(self, sequence: PartnerSequence) -> str:
        return badge("active", "Present") if sequence.active else badge("closed", "Before")

    @display(description="learners under way")
    def learners(self, sequence: PartnerSequence) -> str:
        return f"{sequence.under_way:,}"  # type: ignore[attr-defined]  # counted with the rows

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return with_learners_under_way(super().get_queryset(request))

    @staff_list_action(
        description="Define a sequence",
        power=Power.MANAGE,
        form=ProgramForm,
        explanation="The next page shows the program's partners as they are, and lets you change and preview them.",
    )
    def define(self, request: HttpRequest, form: ProgramForm) -> HttpResponse:
        return HttpResponseRedirect(editor_url(form.cleaned_data["program"]))

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view(self.edit)
        return [path("editor/", page, name="partners_partnersequence_editor"), *super().get_urls()]

    def edit(self, request: HttpRequest) -> HttpResponse:
        return edit_sequence(self, request)

    @staff_action(
        description="Move learners to this version",
        power=Power.MANAGE,
        possible=is_present,
        form=WhyForm,
        preview=foresee,
        icon="upgrade",
        variant=ActionVariant.PRIMARY,
        explanation=f"Moves up to {MOVED_AT_ONCE} learners who follow older versions. Press it again for the next "
        "ones.",
    )
    def move_all(self, request: HttpRequest, sequence: PartnerSequence, form: StaffForm) -> str:
        moved = move_next_learners(
            program_id=sequence.program_id,
            version=sequence.version,
            reason=form.cleaned_data["reason"],
            limit=MOVED_AT_ONCE,
            actor=actor_of(request),
            now=utc_now(),
        )
        left = list_learners_to_move(sequence).count()
        return f"Learners moved: {moved:,}. Learners who follow an older version: {left:,}."


@neighbors_of(PartnerSequence, early=True)
def what_learners_see(request: HttpRequest, sequence: PartnerSequence) -> Card:
    rows = [
        Neighbor(title=f"{order}. {item}", note=_rule(item.group))
        for order, item in enumerate(list_items(sequence), start=1)
    ]
    return Card("What learners go through", rows, wide=True)


def _rule(group: Any) -> str:
    rule = group.get_rule_display().lower()
    if group.rule == GroupRule.AT_LEAST:
        rule = f"at least {group.at_least} of them"
    return f"{group}: {rule}"
