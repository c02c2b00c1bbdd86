"""Undoing what a roster created and changed of districts, guardians, and learners. Those that are used by now stay."""

import datetime as dt
from typing import Any

from django.db import transaction
from django.db.models import Model, ProtectedError

from accounts.guardian_records import change_guardian
from accounts.learner_records import change_learner
from accounts.models import Guardian, Guardianship, Learner
from accounts.removal import remove_unused_guardian, remove_unused_learner
from core.errors import DomainError

from ...models import District, ImportedRow
from .people import CHANGED, LINKED, MADE

_MODELS: dict[str, type[Model]] = {"learner": Learner, "guardian": Guardian, "district": District}


def take_back(row: ImportedRow, *, now: dt.datetime) -> bool:
    """Delete what the row created, or revert what it changed; return False if it stays."""
    kind, _, key = row.subject.partition(":")
    subject = _MODELS[kind]._default_manager.filter(pk=int(key)).first()
    before: dict[str, Any] = row.before or {}
    if subject is None:
        return False
    if isinstance(subject, Learner):
        if subject.merged_into_id is not None:  # a change would reach the one who stays
            return False
        Guardianship.objects.filter(learner=subject, guardian__in=before.get(LINKED, ())).delete()
    try:
        with transaction.atomic():
            return _remove(subject) if before.get(MADE) else _change_back(subject, before.get(CHANGED, {}), now)
    except DomainError:  # its old address belongs to somebody else by now
        return False


def _remove(subject: Model) -> bool:
    if isinstance(subject, Learner):
        return remove_unused_learner(learner_id=subject.pk)
    if isinstance(subject, Guardian):
        return remove_unused_guardian(guardian_id=subject.pk)
    try:
        with transaction.atomic():
            subject.delete()
    except ProtectedError:
        return False
    return True


def _change_back(subject: Any, changed: dict[str, list[Any]], now: dt.datetime) -> bool:
    """Revert the changes unless somebody has changed one of the fields since."""
    if any((getattr(subject, name) or "") != after for name, (_, after) in changed.items()):
        return False
    changes = {name: was for name, (was, _) in changed.items()}
    if not changes:
        return True
    if isinstance(subject, Learner):
        change_learner(workspace_id=subject.workspace_id, cuid=subject.cuid, changes=changes)
    elif isinstance(subject, Guardian):
        change_guardian(workspace_id=subject.workspace_id, guardian_id=subject.pk, changes=changes, now=now)
    else:
        subject.name = changes["name"]
        subject.save(update_fields=["name"])
    return True
