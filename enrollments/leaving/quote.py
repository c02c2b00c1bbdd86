"""The quote: what a family gets back, per child, frozen for a quarter of an hour by the database's clock."""

import datetime as dt
from collections.abc import Sequence

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from core.actors import Actor
from core.errors import NotFound, invalid_field

from ..errors import CantLeave
from ..models import CancellationQuote, Enrollment
from ..states import EligibilityStatus
from .settlement import foresee_exits

QUOTE_LASTS = dt.timedelta(minutes=15)
MOST_TOGETHER = 20


def find_leavable(enrollments: QuerySet[Enrollment]) -> QuerySet[Enrollment]:
    """Return those of these enrollments that can be left."""
    approved = enrollments.filter(pk__in=Enrollment.objects.current(), eligibility_status=EligibilityStatus.APPROVED)
    return approved.select_related("instance__program", "instance__workspace", "learner", "lead").order_by("pk")


@transaction.atomic
def quote_exits(
    *, workspace_id: int, enrollment_cuids: Sequence[str], actor: Actor, now: dt.datetime
) -> CancellationQuote:
    """Quote what leaving these enrollments today would bring. The quote is stored and stays unchanged until it expires.

    Raises Invalid for none, too many, or the same twice, NotFound for one that is not in the workspace, and CantLeave
    for one that is not approved or has ended.
    """
    if not 0 < len(enrollment_cuids) <= MOST_TOGETHER or len(set(enrollment_cuids)) != len(enrollment_cuids):
        raise invalid_field("enrollmentIds", "count", f"Give 1 to {MOST_TOGETHER} enrollments, each once.")
    known = Enrollment.objects.kept().filter(workspace=workspace_id, cuid__in=enrollment_cuids)
    if known.count() != len(enrollment_cuids):
        raise NotFound("There is no such enrollment in this workspace.")
    enrollments = list(find_leavable(known))
    if len(enrollments) != len(enrollment_cuids):
        raise CantLeave
    quote = CancellationQuote.objects.create(
        workspace_id=workspace_id, actor=str(actor), created_at=Now(), expires_at=Now() + QUOTE_LASTS
    )
    for planned in foresee_exits(enrollments, now=now):
        planned.quote = quote
        planned.save(force_insert=True)
    return find_quote(workspace_id=workspace_id, cuid=quote.cuid, actor=actor)


def find_quote(*, workspace_id: int | None, cuid: str, actor: Actor) -> CancellationQuote:
    """Return the actor's own quote with its exits; families ask without a workspace. Raises NotFound."""
    rows = CancellationQuote.objects.filter(cuid=cuid, actor=str(actor))
    if workspace_id is not None:
        rows = rows.filter(workspace=workspace_id)
    quote = rows.select_related("workspace").prefetch_related(
        "exits__enrollment__learner", "exits__enrollment__lead", "exits__enrollment__instance__program"
    )
    found = quote.first()
    if found is None:
        raise NotFound("There is no such quote.")
    return found


def list_open_quotes(*, actor: Actor) -> list[CancellationQuote]:
    """Return the actor's quotes that can still be confirmed, by the database's clock, the newest first."""
    quotes = CancellationQuote.objects.filter(actor=str(actor), confirmed_at=None, expires_at__gt=Now())
    return list(
        quotes.select_related("workspace").prefetch_related("exits__enrollment__instance__program").order_by("-pk")
    )


def is_open(quote: CancellationQuote) -> bool:
    """Return whether it can still be confirmed, by the database's clock."""
    return CancellationQuote.objects.filter(pk=quote.pk, confirmed_at=None, expires_at__gt=Now()).exists()
