"""Searches for mismatches: each is stored once, and settled when it is no longer found."""

import datetime as dt
from collections.abc import Collection

from django.db import transaction

from accounts.models import Workspace
from core.actors import Actor
from core.errors import NotFound
from core.rows import lock_rows
from core.text import fit

from ..errors import MismatchOver
from ..models import Mismatch
from ..payouts import adopt_payout_lines
from .kinds import MismatchKind, list_mismatch_kinds


def look_for_mismatches(*, workspace_id: int, kinds: Collection[MismatchKind] | None = None, now: dt.datetime) -> int:
    """Compare a workspace's records; return how many mismatches stand. Repeating it changes only what came or went."""
    adopt_payout_lines(workspace_id=workspace_id)
    for kind in list_mismatch_kinds() if kinds is None else kinds:
        _look(workspace_id, kind, now)
    return Mismatch.objects.standing().filter(workspace=workspace_id).count()


def look_everywhere(*, now: dt.datetime) -> int:
    """Sweep: search each workspace; return how many mismatches stand."""
    ids = Workspace.objects.order_by("pk").values_list("pk", flat=True)
    return sum(look_for_mismatches(workspace_id=workspace_id, now=now) for workspace_id in list(ids))


def explain_mismatch(*, mismatch_id: int, explanation: str, actor: Actor, now: dt.datetime) -> Mismatch:
    """Record why a mismatch is in order as it is. Raises NotFound, MismatchOver."""
    told = {"explanation": fit(Mismatch, "explanation", explanation), "explained_by": str(actor), "explained_at": now}
    changed = Mismatch.objects.standing().filter(pk=mismatch_id).update(**told)
    known = Mismatch.objects.filter(pk=mismatch_id).first()
    if known is None:
        raise NotFound("There is no such mismatch.")
    if not changed:
        raise MismatchOver
    return known


@transaction.atomic
def _look(workspace_id: int, kind: MismatchKind, now: dt.datetime) -> None:
    found = {each.subject: each for each in kind.find(workspace_id, now)}
    standing = Mismatch.objects.standing().filter(workspace=workspace_id, kind=kind.name)
    known = set(standing.values_list("subject", flat=True))
    if gone := known - found.keys():
        over = standing.filter(subject__in=gone)
        lock_rows(Mismatch, *over.values_list("pk", flat=True))
        over.update(settled_at=now)
    Mismatch.objects.bulk_create(
        [
            Mismatch(
                workspace_id=workspace_id,
                kind=kind.name,
                subject=each.subject,
                amount_minor=each.amount_minor,
                currency=each.currency,
                happened_at=each.happened_at,
                found_at=now,
            )
            for subject, each in found.items()
            if subject not in known
        ],
        ignore_conflicts=True,
    )
