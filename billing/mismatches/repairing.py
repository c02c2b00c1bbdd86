"""Repairs a mismatch through the use case that its kind names."""

import datetime as dt

from django.db import transaction

from accounts.models import User
from core.actors import Actor
from core.errors import NotFound

from ..errors import MismatchOver
from ..locks import lock_mismatch
from ..models import Mismatch
from .finding import look_for_mismatches
from .kinds import MismatchKind, Repair, find_mismatch_kind


def repair_mismatch(*, mismatch_id: int, actor: Actor, user: User | None, note: str, now: dt.datetime) -> Mismatch:
    """Run the kind's use case, and check whether it repaired the mismatch.

    Raises NotFound, MismatchOver, and that use case's refusals. A repair that asks Stripe must not run in a
    transaction.
    """
    mismatch = Mismatch.objects.filter(pk=mismatch_id).first()
    kind = find_mismatch_kind(mismatch.kind) if mismatch else None
    if mismatch is None or kind is None:
        raise NotFound("There is no such mismatch.")
    if mismatch.settled_at is not None:
        raise MismatchOver
    repair = Repair(mismatch, actor, user, note, now)
    if kind.asks_stripe:
        kind.repair(repair)  # records what Stripe says, once, however often it is called
        look_for_mismatches(workspace_id=mismatch.workspace_id, kinds=[kind], now=now)
    else:
        _repair_once(kind, repair)
    return Mismatch.objects.get(pk=mismatch_id)


@transaction.atomic
def _repair_once(kind: MismatchKind, repair: Repair) -> None:
    """Repair only once: two people who press the button at the same time would each send the money. The second finds
    the mismatch settled, and so does somebody after a refund on the payment's own page that no search has seen yet.
    """
    mismatch = lock_mismatch(repair.mismatch.pk)
    if mismatch.settled_at is not None:
        raise MismatchOver
    if not _still_stands(kind, mismatch, repair.now):
        raise MismatchOver  # the next search settles it
    kind.repair(repair)
    if not _still_stands(kind, mismatch, repair.now):
        mismatch.settled_at = repair.now
        mismatch.save(update_fields=["settled_at"])


def _still_stands(kind: MismatchKind, mismatch: Mismatch, now: dt.datetime) -> bool:
    """Return whether the records differ now, whatever the last search found."""
    return mismatch.subject in {each.subject for each in kind.find(mismatch.workspace_id, now)}
