"""Who was erased, and the texts of the erase button (on the learner's page)."""

from django.contrib import admin
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from accounts.models import Learner
from accounts.roles import Power
from backoffice.display import moment
from backoffice.erasing import Eraser, register_eraser
from backoffice.previews import Letter, Preview
from backoffice.scoping import ScopedRelatedFilter, WorkspaceScopedAdmin
from core.actors import Actor
from core.clock import utc_now
from core.numbers import counted
from notifications.recipients import family_addresses

from ..emails import write_about_wish
from ..erasing import erase_learner, foresee_erasure
from ..models import Erasure
from ..states import ErasureReason
from ..wishes import decline_deletion, is_asked


def preview_erasure(learner: Learner) -> Preview:
    """Return what would be erased, or what prevents it."""
    forecast = foresee_erasure(workspace_id=learner.workspace_id, learner_cuid=learner.cuid, now=utc_now())
    if forecast.obstacles:
        return Preview(("It can't be done yet.", *forecast.obstacles))
    counted = ", ".join(f"{name} ({rows:,})" for name, rows in sorted(forecast.rows.items()))
    told = (
        (
            f"Names, addresses, answers, and free text are removed from {counted}. Enrollments that wait "
            "for a decision are deleted."
        ),
        "Ids, amounts, dates and numbers stay. Invoices keep the name for as long as the law wants.",
    )
    task = (f"You get a task to have it erased elsewhere: {forecast.elsewhere}.",) if forecast.elsewhere else ()
    to = family_addresses(learner)
    mail = f"If the family asked for it, it gets a last mail that it is done: {', '.join(to)}." if to else ""
    return Preview((*told, *task, *filter(None, [mail])), mails="")


def _erase(learner: Learner, reason: str, actor: Actor) -> str:
    erasure = erase_learner(
        workspace_id=learner.workspace_id,
        learner_cuid=learner.cuid,
        reason=ErasureReason(reason),
        actor=actor,
        now=utc_now(),
    )
    return f"The learner is erased: {counted(erasure.rows, 'row')} contained their data."


def preview_declining(learner: Learner, reason: str) -> Preview:
    email = write_about_wish("privacy/deletion_declined", learner, reason=reason)
    to = tuple(family_addresses(learner))
    return Preview(
        ("Everything stays as it is, and the task is completed.",),
        (Letter(to, email.subject, email.text),) if to else (),
        mails="No address of the family is known, so no mail is sent.",
    )


def _decline(learner: Learner, reason: str, actor: Actor) -> None:
    decline_deletion(learner_id=learner.pk, reason=reason, actor=actor, now=utc_now())


register_eraser(Eraser(ErasureReason.choices, preview_erasure, _erase, is_asked, preview_declining, _decline))


@admin.register(Erasure)
class ErasureAdmin(WorkspaceScopedAdmin):
    """An erasure identifies nobody. It stays, so that it can be repeated after a backup was restored."""

    view_power = Power.MANAGE
    list_display = ("learner_cuid", "why", "rows", "actor", "workspace", "erased_at", "papers_until")
    list_filter = (("reason", ChoicesDropdownFilter), ("workspace", ScopedRelatedFilter), "erased_at")
    list_select_related = ("workspace",)
    search_fields = ("learner_cuid__exact",)
    search_help_text = "The CUID that the learner had"
    fieldsets = (
        (None, {"fields": (("learner_cuid", "why"), ("erased_at", "actor"), ("rows", "papers_until"), "workspace")}),
    )

    def describe(self, row: Erasure) -> str:
        return f"Learner erased {moment(row.erased_at)}"

    @display(description="reason", ordering="reason")
    def why(self, erasure: Erasure) -> str:
        return erasure.get_reason_display()
