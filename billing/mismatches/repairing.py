"""Putting a mismatch right, through the use case that its kind names."""

import datetime as dt

from accounts.models import User
from core.actors import Actor
from core.errors import NotFound

from ..errors import MismatchOver
from ..models import Mismatch
from .finding import look_for_mismatches
from .kinds import Repair, find_mismatch_kind


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
    kind.repair(Repair(mismatch, actor, user, note, now))
    look_for_mismatches(workspace_id=mismatch.workspace_id, kinds=[kind], now=now)
    return Mismatch.objects.get(pk=mismatch_id)
