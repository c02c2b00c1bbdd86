"""Merging two learners: what staff see before they do it, and the record of it afterwards."""

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from unfold.decorators import display

from accounts.belongings import belongings
from accounts.merging import LearnersClash, foresee_merge, merge_learners
from accounts.models import Guardian, Learner, LearnerMerge
from core.clock import utc_now

from ..actions import StaffForm
from ..actors import actor_column
from ..display import json_column, link_column
from ..previews import Preview
from ..scoping import ScopedRelatedFilter, WorkspaceScopedAdmin, actor_of

_CALLED = {
    "phone": "phone",
    "grade_level": "grade level",
    "school": "school",
    "address": "postal address",
    "user_id": "account",
}


class MergeReasonForm(StaffForm):
    reason = forms.CharField(
        max_length=300,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="How you know that they are one person. This is kept with the record of the merge; families never "
        "read it.",
    )


def describe_learner(learner: Learner) -> str:
    """Return enough to tell apart two learners with nearly the same names."""
    known = [learner.email, learner.external_id, learner.grade_level, learner.school]
    return f"{learner} (learner {learner.pk}: {', '.join(str(each) for each in known if each)})"


def preview_merge(keep_id: int, drop_id: int) -> Preview:
    """Return what would move, what would be filled in, and who would see more. Raises LearnersClash with everything
    that prevents it.
    """
    foreseen = foresee_merge(keep_id=keep_id, drop_id=drop_id)
    if foreseen.clashes:
        raise LearnersClash(" ".join(foreseen.clashes))
    keep = foreseen.keep
    drop = foreseen.drop
    sentences = [
        f"{describe_learner(keep)} stays, with name and address.",
        f"{describe_learner(drop)} is no longer a learner; references to them lead to the other one.",
        f"These move: {_listed(foreseen.moving)}." if foreseen.moving else "Nothing has to move.",
    ]
    if foreseen.filled_in:
        sentences.append(f"Filled in: {', '.join(_CALLED[name] for name in foreseen.filled_in)}.")
    if foreseen.takes_external_id:
        sentences.append(f"The external id {drop.external_id} moves as well.")
    newly = _new_guardians(keep, drop)
    if newly:
        sentences.append(f"New guardians, who will see everything about both learners: {', '.join(newly)}.")
    if drop.email != keep.email:
        sentences.append(
            f"People who see the courses of {drop} only because the learner's address is {drop.email} "
            "no longer see them."
        )
    return Preview(sentences=tuple(sentences))


def merge(request: HttpRequest, *, keep_id: int, drop_id: int, reason: str) -> str:
    """Merge, and report it."""
    done = merge_learners(keep_id=keep_id, drop_id=drop_id, actor=actor_of(request), reason=reason, now=utc_now())
    moved = {plural: len(ids) for plural, ids in done.moved.items()}
    what = f" Moved: {_listed(moved)}." if moved else ""
    return f"The two are one learner now: {done.kept}.{what}"


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{each.plural} ({counts[each.plural]})" for each in belongings() if each.plural in counts)


def _new_guardians(keep: Learner, drop: Learner) -> list[str]:
    rows = Guardian.objects.filter(guardianships__learner=drop).exclude(guardianships__learner=keep).order_by("pk")
    return [guardian.email or guardian.external_id or "" for guardian in rows]


@admin.register(LearnerMerge)
class LearnerMergeAdmin(WorkspaceScopedAdmin):
    actor_fields = ("actor",)
    list_display = ("dropped_name", "kept_link", "reason", "by", "workspace", "merged_at")
    list_filter = (("workspace", ScopedRelatedFilter), "merged_at")
    list_select_related = ("workspace", "kept", "dropped")
    search_fields = ("=kept__cuid", "=dropped__cuid", "=dropped__external_id", "dropped__last_name__istartswith")
    search_help_text = "CUID of either learner; last name or external id of the merged one"
    date_hierarchy = "merged_at"
    fieldsets = (
        (None, {"fields": ("dropped", "kept_link", "reason", ("by", "merged_at"), "workspace")}),
        ("Moved", {"fields": ("moved_rows",)}),
    )
    by = actor_column("actor", "merged by")
    kept_link = link_column("kept", "merged into")
    moved_rows = json_column("moved", "ids of what moved")

    def describe(self, row: LearnerMerge) -> str:
        return f"{row.dropped} merged into {row.kept}"

    @display(description="merged learner", ordering="dropped__last_name", header=True)
    def dropped_name(self, row: LearnerMerge) -> tuple[str, str]:
        return str(row.dropped), row.dropped.email
