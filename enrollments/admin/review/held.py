"""Held answers from the desk: whose they are, about whom, and until when; and undoing a colleague's answer."""

import datetime as dt

from django.contrib import admin
from django.http import HttpRequest
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display
from unfold.enums import ActionVariant

from accounts.roles import Power
from backoffice.actions import RequiredNoteForm, StaffForm, in_bulk, staff_action
from backoffice.actors import actor_column
from backoffice.display import link, register_subject, status_badge
from backoffice.scoping import ScopedRelatedFilter, WorkspaceScopedAdmin, actor_of
from core.clock import utc_now

from ...models import HeldReview
from ...review.held import release_review
from ...states import HeldReviewStatus

register_subject("held-review", HeldReview)


@admin.register(HeldReview)
class HeldReviewAdmin(WorkspaceScopedAdmin):
    """Who answered which case, and when. They end on their own; one that can't be carried out yet is retried."""

    workspace_path = "enrollment__workspace"
    actor_fields = ("decided_by",)
    list_display = ("person", "program", "answer", "by", "since", "due_at", "status_label")
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("outcome", ChoicesDropdownFilter),
        ("enrollment__workspace", ScopedRelatedFilter),
        ("enrollment__instance", ScopedRelatedFilter),
    )
    list_select_related = ("enrollment__learner", "enrollment__lead", "enrollment__instance")
    search_fields = ("=enrollment__cuid", "=enrollment__id")
    search_help_text = "Enrollment's CUID or number"
    ordering = ("-pk",)
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("status_label", "answer"),
                    ("person_link", "by"),
                    ("reason", "note"),
                    ("since", "due_at", "settled_at"),
                    ("attempts", "last_error"),
                )
            },
        ),
    )
    actions = ("release_selected",)
    actions_detail = ("release",)
    status_label = status_badge("status")
    by = actor_column("decided_by", "answered by")

    def describe(self, row: HeldReview) -> str:
        return f"{row.enrollment.person}, {row.enrollment.instance}: {row.get_outcome_display().lower()}"

    @display(description="learner", ordering="enrollment__learner__last_name")
    def person(self, review: HeldReview) -> str:
        return str(review.enrollment.person)

    @display(description="program", ordering="enrollment__instance")
    def program(self, review: HeldReview) -> str:
        return str(review.enrollment.instance)

    @display(description="answer", ordering="outcome")
    def answer(self, review: HeldReview) -> str:
        return str(review.get_outcome_display())

    @display(description="since", ordering="created_at")
    def since(self, review: HeldReview) -> dt.datetime:
        return review.created_at

    @display(description="carried out at", ordering="next_attempt_at")
    def due_at(self, review: HeldReview) -> dt.datetime:
        return review.next_attempt_at

    @display(description="enrollment of")
    def person_link(self, review: HeldReview) -> str:
        return link(review.enrollment, str(review.enrollment.person))

    @staff_action(
        description="Release",
        power=Power.DECIDE,
        possible=lambda review: review.status == HeldReviewStatus.HELD,
        form=RequiredNoteForm,
        icon="lock_open",
        variant=ActionVariant.PRIMARY,
        explanation=(
            "The decision is taken back before it is carried out: the case waits for a "
            "reviewer again, and the family is not told."
        ),
    )
    def release(self, request: HttpRequest, review: HeldReview, form: StaffForm) -> str:
        release_review(held_review_id=review.pk, actor=actor_of(request), now=utc_now())
        return f"{review.enrollment.person}, {review.enrollment.instance}: waits for a reviewer again."

    release_selected = in_bulk(
        release,
        description="Release",
        explanation="The answers are taken back before they are carried out: the cases wait for a reviewer again, and "
        "no family hears of it.",
    )
