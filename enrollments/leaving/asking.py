"""A family requests a refund when no quote can be made: the enrollment is over, and the program still has its money.
Staff decide, and answer as for every refund.
"""

import datetime as dt

import structlog
from django.db import models, transaction
from django.utils.translation import gettext_lazy as _

from accounts.models import StaffTask
from accounts.staff_tasks import raise_staff_task
from accounts.states import TaskStatus
from billing.models import Payment
from core.actors import Actor
from core.errors import invalid_field

from ..errors import NothingToRefund
from ..locks import lock_enrollment
from ..models import Enrollment
from ..receipts import find_payments
from ..task_kinds import REFUND_ASKED
from .quote import find_leavable

log = structlog.get_logger(__name__)


class Wish(models.TextChoices):
    """Why a family asks. A fixed set, so that no task contains what somebody wrote about a child."""

    NOT_HELD = "not_held", _("Classes did not take place")
    NOT_ATTENDED = "not_attended", _("We could not attend, for example because of an illness")
    TWICE = "twice", _("We paid twice, or too much")
    OTHER = "other", _("Another reason, which we would like to explain")


_REASONS = {
    Wish.NOT_HELD: "classes did not take place",
    Wish.NOT_ATTENDED: "they could not attend",
    Wish.TWICE: "they paid twice or too much",
    Wish.OTHER: "they would like to explain why",
}


@transaction.atomic
def ask_for_refund(*, enrollment_id: int, wish: str, actor: Actor, now: dt.datetime) -> StaffTask:
    """Ask staff for a refund. Asking again before they have answered changes nothing.

    Raises NotFound, Invalid for an unknown reason, and NothingToRefund if the enrollment can be left by a quote, was
    not paid, or was fully refunded.
    """
    if wish not in Wish.values:
        raise invalid_field("wish", "invalid", "Choose one of the reasons.")
    enrollment = lock_enrollment(enrollment_id)
    if not can_ask(enrollment, now=now):
        raise NothingToRefund
    task = raise_staff_task(
        workspace_id=enrollment.workspace_id,
        kind=REFUND_ASKED,
        subject=_subject(enrollment),
        summary=f"The family asks for a refund: {_REASONS[Wish(wish)]}.",
    )
    log.info("refund_asked", enrollment=enrollment.pk, actor=str(actor))
    return task


def can_ask(enrollment: Enrollment, *, now: dt.datetime) -> bool:
    """Return whether the program has money of theirs that no quote covers."""
    payment = find_payments([enrollment], now=now).get(enrollment.pk)
    is_leavable = find_leavable(Enrollment.objects.filter(pk=enrollment.pk)).exists()
    return payment is not None and _is_here(payment) and not is_leavable


def has_asked(enrollment: Enrollment) -> bool:
    """Return whether staff still have to answer."""
    open_tasks = StaffTask.objects.filter(kind=REFUND_ASKED.name, status=TaskStatus.OPEN)
    return open_tasks.filter(subject=_subject(enrollment)).exists()


def _is_here(payment: Payment) -> bool:
    return payment.refunded_minor < payment.amount_minor


def _subject(enrollment: Enrollment) -> str:
    return f"enrollment:{enrollment.pk}"
