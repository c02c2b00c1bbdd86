"""The mismatches: what does not agree, what that means, and the buttons that repair or explain it."""

import datetime as dt
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import DropdownFilter
from unfold.decorators import display
from unfold.enums import ActionVariant

from accounts.roles import Power
from accounts.task_kinds import Urgency
from backoffice.actions import RequiredNoteForm, StaffForm, staff_action
from backoffice.actors import actor_column
from backoffice.display import badge, money_column, register_subject, subject_column
from backoffice.previews import Preview
from backoffice.queues import Queue, register_queue
from backoffice.scoping import ScopedRelatedFilter, WorkspaceScopedAdmin, actor_of, staff_of
from core.clock import utc_now

from ..mismatches import explain_mismatch, find_mismatch_kind, list_mismatch_kinds, repair_mismatch
from ..models import Mismatch, Payout, PayoutLine
from .currencies import CurrencyFilter

register_subject("payout", Payout)
register_subject("payout-line", PayoutLine)


def _waiting(mismatches: QuerySet[Mismatch], now: dt.datetime) -> QuerySet[Mismatch]:
    """Select those that no staff task asks about."""
    asked_about = [kind.name for kind in list_mismatch_kinds() if kind.has_task]
    return mismatches.filter(pk__in=Mismatch.objects.unexplained().values("pk")).exclude(kind__in=asked_about)


register_queue(
    Queue(
        name="mismatches",
        label="Money mismatches",
        hint="Repair each, or explain why it is in order.",
        model=Mismatch,
        narrow=_waiting,
        since="found_at",
        power=Power.MONEY,
        urgency=Urgency.NOW,
    )
)


def is_open(mismatch: Mismatch) -> bool:
    return mismatch.settled_at is None and mismatch.explained_at is None


def is_repaired_here(mismatch: Mismatch) -> bool:
    kind = find_mismatch_kind(mismatch.kind)
    return mismatch.settled_at is None and kind is not None and not kind.asks_stripe


def is_repaired_by_stripe(mismatch: Mismatch) -> bool:
    kind = find_mismatch_kind(mismatch.kind)
    return mismatch.settled_at is None and kind is not None and kind.asks_stripe


def foresee_repair(mismatch: Mismatch, form: StaffForm) -> Preview:
    kind = find_mismatch_kind(mismatch.kind)
    return Preview((kind.foresee(mismatch),) if kind else ())


class KindFilter(DropdownFilter):
    title = "what does not agree"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(kind.name, kind.label) for kind in list_mismatch_kinds()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Mismatch]) -> QuerySet[Mismatch]:
        return queryset.filter(kind=self.value()) if self.value() else queryset


@admin.register(Mismatch)
class MismatchAdmin(WorkspaceScopedAdmin):
    actor_fields = ("explained_by",)
    subject_fields = ("subject",)
    list_display = ("what", "about", "amount", "state", "workspace", "happened_at", "found_at")
    list_filter = (
        KindFilter,
        ("settled_at", admin.EmptyFieldListFilter),
        ("workspace", ScopedRelatedFilter),
        ("currency", CurrencyFilter),
        "happened_at",
    )
    list_select_related = ("workspace",)
    search_fields = ("=subject",)
    search_help_text = "What it is about, as in payment:12"
    fieldsets = (
        (
            None,
            {"fields": (("what", "state"), "meaning", ("about", "amount"), ("happened_at", "found_at"), "workspace")},
        ),
        ("Explanation", {"fields": ("explanation", ("by", "explained_at"))}),
    )
    actions_detail = ("repair", "ask_stripe", "explain")
    about = subject_column("subject", "about")
    amount = money_column("amount_minor", "amount")
    by = actor_column("explained_by", "explained by")

    @display(description="what does not agree", ordering="kind")
    def what(self, mismatch: Mismatch) -> str:
        kind = find_mismatch_kind(mismatch.kind)
        return kind.label if kind else mismatch.kind

    def describe(self, mismatch: Mismatch) -> str:
        return f"{self.what(mismatch)}: {mismatch.money}"

    @display(description="what it means")
    def meaning(self, mismatch: Mismatch) -> str:
        kind = find_mismatch_kind(mismatch.kind)
        return kind.meaning if kind else ""

    @display(description="state")
    def state(self, mismatch: Mismatch) -> str:
        if mismatch.settled_at is not None:
            return badge("done", "Settled")
        return badge("handled", "Explained") if mismatch.explained_at else badge("open", "Open")

    def _repair(self, request: HttpRequest, mismatch: Mismatch, form: StaffForm) -> str:
        repaired = repair_mismatch(
            mismatch_id=mismatch.pk,
            actor=actor_of(request),
            user=staff_of(request),
            note=form.cleaned_data["note"],
            now=utc_now(),
        )
        if repaired.settled_at is not None:
            return f"{self.describe(mismatch)}: the records agree now."
        return (
            f"{self.describe(mismatch)}: done. The records agree once it has taken effect; they will be compared again."
        )

    @staff_action(
        description="Repair",
        power=Power.MONEY,
        possible=is_repaired_here,
        form=RequiredNoteForm,
        preview=foresee_repair,
        icon="build",
        variant=ActionVariant.PRIMARY,
        explanation="Corrects the records. Give colleagues the reason.",
    )
    def repair(self, request: HttpRequest, mismatch: Mismatch, form: StaffForm) -> str:
        return self._repair(request, mismatch, form)

    @staff_action(
        description="Ask Stripe",
        power=Power.MONEY,
        possible=is_repaired_by_stripe,
        form=RequiredNoteForm,
        preview=foresee_repair,
        icon="sync",
        variant=ActionVariant.PRIMARY,
        explanation="Asks Stripe and records the answer. Give colleagues the reason.",
        reaches_out=True,
    )
    def ask_stripe(self, request: HttpRequest, mismatch: Mismatch, form: StaffForm) -> str:
        return self._repair(request, mismatch, form)

    @staff_action(
        description="Explain",
        power=Power.MONEY,
        possible=is_open,
        form=RequiredNoteForm,
        icon="edit_note",
        explanation=(
            "For a mismatch that is fine as it is. It leaves the queue and stays listed with your explanation."
        ),
    )
    def explain(self, request: HttpRequest, mismatch: Mismatch, form: StaffForm) -> str:
        explain_mismatch(
            mismatch_id=mismatch.pk, explanation=form.cleaned_data["note"], actor=actor_of(request), now=utc_now()
        )
        return f"{self.describe(mismatch)}: explained."
