"""Putting a mismatch right, through the use case that its kind names."""

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
    """Have the kind's use case put it right, and look whether it did.

    Raises NotFound, MismatchOver, and what that use case refuses with. One that asks Stripe is not for a transaction.
    """
    mismatch = Mismatch.objects.filter(pk=mismatch_id).first()
    kind = find_mismatch_kind(mismatch.kind) if mismatch else None
    if mismatch is None or kind is None:
        raise NotFound("There is no such mismatch.")
    if mismatch.settled_at is not None:
        raise MismatchOver
    repair = Repair(mismatch, actor, user, note, now)
    if kind.asks_stripe:
        kind.repair(repair)  # records what Stripe says, once, however often it is asked
        look_for_mismatches(workspace_id=mismatch.workspace_id, kinds=[kind], now=now)
    else:
        _repair_once(kind, repair)
    return Mismatch.objects.get(pk=mismatch_id)


@transaction.atomic
def _repair_once(kind: MismatchKind, repair: Repair) -> None:
    """Two people who press the button at once would each send the money: the second finds the mismatch settled."""
    mismatch = lock_mismatch(repair.mismatch.pk)
    if mismatch.settled_at is not None:
        raise MismatchOver
    kind.repair(repair)
    found = kind.find(mismatch.workspace_id, repair.now)
    if mismatch.subject not in {each.subject for each in found}:
        mismatch.settled_at = repair.now
        mismatch.save(update_fields=["settled_at"])
