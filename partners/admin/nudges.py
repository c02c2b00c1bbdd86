from django.contrib import admin
from django.http import HttpRequest
from unfold.decorators import display

from accounts.roles import Power
from backoffice.actions import StaffForm, staff_action
from backoffice.display import badge, link, register_subject
from backoffice.scoping import ScopedRelatedFilter, WorkspaceScopedAdmin, actor_of
from core.clock import utc_now

from ..models import Nudge
from ..nudges.stopping import resume_nudges, stop_nudges

register_subject("nudge", Nudge)


def is_not_stopped(nudge: Nudge) -> bool:
    return nudge.stopped_at is None


def is_stopped_or_given_up(nudge: Nudge) -> bool:
    return nudge.stopped_at is not None or nudge.given_up_at is not None


@admin.register(Nudge)
class NudgeAdmin(WorkspaceScopedAdmin):
    """Who is nudged by email about what waits for them, and who has opted out."""

    list_display = ("nudged", "about", "state", "sent_count", "last_sent_at", "next_attempt_at", "workspace")
    list_filter = (
        ("stopped_at", admin.EmptyFieldListFilter),
        ("given_up_at", admin.EmptyFieldListFilter),
        ("provider", ScopedRelatedFilter),
        ("workspace", ScopedRelatedFilter),
        "last_sent_at",
    )
    list_select_related = ("enrollment__learner", "enrollment__lead", "provider", "workspace")
    search_fields = ("=enrollment__cuid", "=provider__slug", "recipient__istartswith")
    search_help_text = "CUID of the enrollment, slug of the partner, address"
    fieldsets = (
        (None, {"fields": (("about", "state"), ("recipient", "workspace"), ("sent_count", "last_sent_at"))}),
        ("What comes next", {"fields": (("next_attempt_at", "given_up_at"), ("stopped_at", "stopped_by"))}),
    )
    actions_detail = ("stop", "resume")

    def describe(self, row: Nudge) -> str:
        about = row.enrollment.person if row.enrollment else row.provider
        return f"{about}: nudges to {row.recipient}"

    @display(description="nudged")
    def nudged(self, nudge: Nudge) -> str:
        """Only the nudge's own page shows the address."""
        return "The family" if nudge.enrollment else "The partner's contact"

    @display(description="about")
    def about(self, nudge: Nudge) -> str:
        return link(nudge.enrollment, nudge.enrollment.person) if nudge.enrollment else link(nudge.provider)

    @display(description="state", ordering="stopped_at")
    def state(self, nudge: Nudge) -> str:
        if nudge.stopped_at is not None:
            return badge("closed", "Stopped")
        if nudge.given_up_at is not None:
            return badge("overdue", "Given up: staff step in")
        return badge("active", "Going")

    @staff_action(
        description="Stop",
        power=Power.DECIDE,
        possible=is_not_stopped,
        icon="notifications_off",
        explanation="This receiver gets no more nudges about this, but still gets all other mails.",
    )
    def stop(self, request: HttpRequest, nudge: Nudge, form: StaffForm) -> str:
        stop_nudges(nudge_id=nudge.pk, actor=actor_of(request), now=utc_now())
        return "The nudges are stopped."

    @staff_action(
        description="Resume",
        power=Power.DECIDE,
        possible=is_stopped_or_given_up,
        icon="notifications_active",
        explanation=(
            "The next nudge is sent if something is still waiting, and not within a week of "
            "the last one. If the receiver stopped them, resume them only at their request."
        ),
    )
    def resume(self, request: HttpRequest, nudge: Nudge, form: StaffForm) -> str:
        resume_nudges(nudge_id=nudge.pk, actor=actor_of(request), now=utc_now())
        return "The nudges continue."
