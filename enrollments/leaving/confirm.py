"""Carrying out a quote: all of its enrollments end and the money that it quoted is refunded, or nothing happens."""

import datetime as dt

from django.db import transaction
from django.db.models.functions import Now

from billing.locks import lock_payments_with_subjects
from billing.refunds import request_refund
from billing.states import RefundReason
from core.actors import Actor
from events.publishing import publish

from ..errors import QuoteOutdated, QuoteOver
from ..history import Journal
from ..lifecycle import end_enrollment, lock_all_to_end, require_reason
from ..locks import held_seat
from ..models import CancellationQuote, Enrollment, QuotedExit
from .quote import find_leavable, find_quote
from .settlement import foresee_exits, says_the_same


@transaction.atomic
def confirm_quote(
    *, workspace_id: int | None, cuid: str, reason: str, note: str = "", actor: Actor, now: dt.datetime
) -> CancellationQuote:
    """End the enrollments of the quote, refund exactly what it quoted, and free places and seats. If it says that staff
    decide about the money, they get their task.

    The family reads the `reason` and never the `note`. A repeated call by the same actor returns the same result.
    Raises NotFound, QuoteOver if it has expired, and QuoteOutdated if something it says has changed; then nothing else
    has.
    """
    reason = require_reason(reason)
    quote = find_quote(workspace_id=workspace_id, cuid=cuid, actor=actor)
    quoted = list(quote.exits.order_by("enrollment_id"))
    enrollments = lock_all_to_end([each.enrollment_id for each in quoted])
    lock_payments_with_subjects([each.payment_id for each in quoted if each.payment_id is not None])
    if not _claim(quote):
        quote.refresh_from_db()
        if quote.confirmed_at is not None:
            return quote
        raise QuoteOver
    _refuse_outdated(quoted, enrollments, now)
    for each, enrollment in zip(quoted, enrollments, strict=True):
        _carry_out(each, enrollment, reason, note, actor, now)
    quote.refresh_from_db()
    return quote


def _claim(quote: CancellationQuote) -> bool:
    """Claim the quote in one statement, so that it is confirmed only in time and only once."""
    unconfirmed = CancellationQuote.objects.filter(pk=quote.pk, confirmed_at=None, expires_at__gt=Now())
    return unconfirmed.update(confirmed_at=Now()) == 1


def _refuse_outdated(quoted: list[QuotedExit], enrollments: list[Enrollment], now: dt.datetime) -> None:
    leavable = find_leavable(Enrollment.objects.filter(pk__in=[enrollment.pk for enrollment in enrollments]))
    found = {each.enrollment_id: each for each in foresee_exits(list(leavable), now=now)}
    for each in quoted:
        present = found.get(each.enrollment_id)
        if present is None or not says_the_same(each, present):
            raise QuoteOutdated


def _carry_out(
    each: QuotedExit, enrollment: Enrollment, reason: str, note: str, actor: Actor, now: dt.datetime
) -> None:
    if each.returned_minor and each.payment_id is not None:
        each.refund = request_refund(
            payment_id=each.payment_id,
            amount_minor=each.returned_minor,
            reason=RefundReason.REQUESTED,
            actor=actor,
            note="By the refund policy",
            now=now,
        )
        each.save(update_fields=["refund"])
    journal = Journal(enrollment, actor, now, note.strip())
    publish(*end_enrollment(journal=journal, seat=held_seat(enrollment.pk), reason=reason))
