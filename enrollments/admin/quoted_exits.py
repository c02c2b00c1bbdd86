"""Ending an enrollment under its refund policy: staff see what is refunded, and exactly that is refunded."""

from django import forms

from backoffice.actions import ReasonForm
from backoffice.previews import Preview
from billing.consequences import tell_refund
from core.actors import Actor
from core.clock import utc_now

from ..consequences import NO_MAIL_TO_FAMILY, tell_freed
from ..errors import QuoteOutdated
from ..leaving import confirm_quote, find_leavable, foresee_exits, quote_exits
from ..letters import ENDED, write_end
from ..models import Enrollment, QuotedExit
from ..states import EligibilityStatus, Settlement
from .previews import letters_to_family


class QuoteForm(ReasonForm):
    """Carries what the preview quoted. Until staff confirm, that is what would be refunded right now."""

    told = forms.CharField(widget=forms.HiddenInput, required=False)

    def prepare(self) -> None:
        if self.is_bound and "_confirm" not in self.request.POST:
            answered = {name: self.data.get(name) for name in self.data}
            self.data = {**answered, "told": sum_up(foresee(self.row))}


def can_be_quoted(enrollment: Enrollment) -> bool:
    """Return whether the enrollment can be left by a quote; called for a single enrollment's page."""
    return (
        enrollment.eligibility_status == EligibilityStatus.APPROVED
        and find_leavable(Enrollment.objects.filter(pk=enrollment.pk)).exists()
    )


def foresee(enrollment: Enrollment) -> QuotedExit:
    """Return what leaving right now would bring."""
    (planned,) = foresee_exits([enrollment], now=utc_now())
    return planned


def foresee_quoted_exit(enrollment: Enrollment, form: QuoteForm) -> Preview:
    """Preview who leaves, what is given back, what is refunded, and the mail about it."""
    planned = foresee(enrollment)
    sentences = [f"{enrollment.person} leaves {enrollment.instance} now.", *_tell_money(planned)]
    sentences += tell_freed(enrollment, now=utc_now())
    email = write_end(enrollment, reason=form.cleaned_data["reason"])
    return Preview(tuple(sentences), letters_to_family(enrollment, ENDED, email), NO_MAIL_TO_FAMILY)


def end_by_quote(enrollment: Enrollment, form: QuoteForm, *, actor: Actor) -> QuotedExit:
    """Carry out exactly what the preview quoted, or raise QuoteOutdated if the result would now be different."""
    now = utc_now()
    quote = quote_exits(workspace_id=enrollment.workspace_id, enrollment_cuids=[enrollment.cuid], actor=actor, now=now)
    planned = quote.exits.get()
    if sum_up(planned) != form.cleaned_data["told"]:
        raise QuoteOutdated
    confirm_quote(
        workspace_id=enrollment.workspace_id,
        cuid=quote.cuid,
        reason=form.cleaned_data["reason"],
        note=form.cleaned_data["note"],
        actor=actor,
        now=now,
    )
    return planned


def _tell_money(planned: QuotedExit) -> list[str]:
    if planned.settlement == Settlement.NO_MONEY:
        return ["Nothing was paid, so nothing is refunded."]
    if planned.settlement == Settlement.BY_STAFF:
        return [f"{planned.paid} was paid, and no rule says what to refund: you get a task to decide it."]
    before = f" {planned.back} was refunded before." if planned.back_minor else ""
    told = (
        f"Of {planned.paid}, {planned.returned} is refunded by the refund policy, and {planned.kept} is kept.{before}"
    )
    if planned.payment is None or not planned.returned_minor:
        return [told]
    return [told, *tell_refund(planned.payment, planned.returned)]


def sum_up(planned: QuotedExit) -> str:
    """Summarize the preview in one line that the form carries along."""
    names = ("settlement", "payment_id", "paid_minor", "back_minor", "returned_minor", "place", "frees_seat")
    return "|".join(str(getattr(planned, name)) for name in names)
