"""Changing the details of an enrollment; the states have their own use cases."""

import datetime as dt
from typing import Any

from django.db import transaction

from core.actors import Actor
from events.publishing import publish

from .details import check_details
from .history import Journal
from .locks import lock_enrollment, refuse_deleted, refuse_erased
from .models import Enrollment


@transaction.atomic
def change_enrollment(*, enrollment_id: int, changes: dict[str, Any], actor: Actor, now: dt.datetime) -> Enrollment:
    """Change the details that `changes` names (see `details.SPELLING`); a value equal to the present one has no effect.

    Metadata is merged: a key with a value is set, one with None is removed, and the others stay (RFC 7396, on the top
    level). Raises Invalid naming the fields as the API spells them, and NotFound for a deleted enrollment or an erased
    learner.
    """
    enrollment = lock_enrollment(enrollment_id)
    refuse_deleted(enrollment)
    refuse_erased(enrollment)
    if "metadata" in changes:
        changes = changes | {"metadata": merged(enrollment.metadata, changes["metadata"])}
    journal = Journal(enrollment, actor, now)
    journal.set(**check_details(changes))
    if journal.has_news:
        publish(*journal.write())
    return enrollment


def merged(known: dict[str, Any], told: dict[str, Any]) -> dict[str, Any]:
    """Return the known metadata merged with the changes."""
    removed = {key for key, value in told.items() if value is None}
    return {key: value for key, value in (known | told).items() if key not in removed}
