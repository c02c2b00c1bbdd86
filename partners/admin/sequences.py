from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.decorators import display
from unfold.enums import ActionVariant

from accounts.roles import Power
from backoffice.actions import StaffForm, staff_action
from backoffice.display import Card, Neighbor, badge, link_column, neighbors_of
from backoffice.previews import Preview
from backoffice.scoping import ScopedRelatedFilter, WorkspaceScopedAdmin, actor_of
from core.clock import utc_now

from ..models import PartnerSequence
from ..moving import foresee_move, list_learners_to_move, move_next_learners
from ..queries import list_items, with_learners_under_way
from ..states import GroupRule

# How many are moved by one press, and how many of them are foreseen.
MOVED_AT_ONCE = 200


class WhyForm(StaffForm):
    reason = forms.CharField(
        max_length=300, widget=forms.Textarea(attrs={"rows": 3}), help_text="Kept in the history of each step."
    )


def is_present(sequence: PartnerSequence) -> bool:
    return sequence.active and list_learners_to_move(sequence).exists()


def foresee(sequence: PartnerSequence, form: StaffForm) -> Preview:
    """What moving means for those who are moved by this press."""
    learners = list_learners_to_move(sequence)
    keys = list(learners.values_list("pk", flat=True)[:MOVED_AT_ONCE])
    moves = [foresee_move(enrollment_id=key, sequence=sequence) for key in keys]
    kept = sum(len(move.kept) for move in moves)
    added = sum(len(move.added) for move in moves)
    dropped = sum(len(move.dropped) for move in moves)
    completes = sum(move.completes for move in moves)
    told = (
        f"{len(keys):,} of {learners.count():,} learners move to version {sequence.version} now.",
        f"{kept:,} of their steps carry over, {added:,} are new, {dropped:,} are no longer asked for.",
        f"{completes:,} of them have nothing left to do: they complete the program, and get the certificate if nothing "
        "is owed.",
        "Nobody loses a certificate: learners who have completed the program are not moved.",
    )
    return Preview(told)


@admin.register(PartnerSequence)
class PartnerSequenceAdmin(WorkspaceScopedAdmin):
    """The versions of programs' partners. A version never changes; another one is defined in its place."""

    workspace_path = "program__workspace"
    list_display = ("__str__", "program_link", "state", "learners", "created_at", "created_by")
    list_filter = ("active", ("program__workspace", ScopedRelatedFilter), ("program", ScopedRelatedFilter))
    list_select_related = ("program__workspace",)
    search_fields = ("=program__code", "program__title__icontains")
    search_help_text = "Code or title of the program"
    fields = (("program_link", "version"), ("state", "learners"), ("created_at", "created_by"))
    actions_detail = ("move_all",)
    program_link = link_column("program", "program")

    @display(description="state", ordering="active")
    def state(self, sequence: PartnerSequence) -> str:
        return badge("active", "Present") if sequence.active else badge("closed", "Before")

    @display(description="learners under way")
    def learners(self, sequence: PartnerSequence) -> str:
        return f"{sequence.under_way:,}"  # type: ignore[attr-defined]  # counted with the rows

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return with_learners_under_way(super().get_queryset(request))

    @staff_action(
        description="Move learners to this version",
        power=Power.MANAGE,
        possible=is_present,
        form=WhyForm,
        preview=foresee,
        icon="upgrade",
        variant=ActionVariant.PRIMARY,
        explanation=f"Moves up to {MOVED_AT_ONCE} learners who are under way by older versions. Press it again for the "
        "next ones.",
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
        return f"{moved:,} learners were moved; {left:,} go by an older version."


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
