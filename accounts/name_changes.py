"""Families report here that a child's name was misspelled or has changed.

The change is applied at once if it can only be the same child and no certificate has the name. Staff decide everything
else: they apply the change or say why not (docs/decisions/0138).
"""

import datetime as dt

import structlog
from django.db import transaction

from core.actors import Actor
from core.errors import DomainError, invalid_field
from core.logs import after_commit
from core.names import are_near, fold_name
from core.text import fit

from .learner_records import LearnerExists, change_learner
from .learners import lock_live_learner
from .models import Learner, NameChange
from .name_answers import tell_family
from .papers import count_papers, reissue_papers
from .staff_tasks import raise_staff_task, settle_staff_task
from .task_kinds import NAME_ASKED

log = structlog.get_logger(__name__)

RENAMED = "The learner's name has changed"


class NameChangeWaits(DomainError):
    code = "name_change_waits"
    title = "A change of this name waits for the program's answer"


class NoNameChangeWaits(DomainError):
    code = "no_name_change_waits"
    title = "No change of this learner's name waits for an answer"


@transaction.atomic
def ask_for_name(*, learner_id: int, first_name: str, last_name: str, actor: Actor, now: dt.datetime) -> NameChange:
    """Submit the family's new spelling of the name: it is applied, or staff are asked; `is_applied` says which.

    Raises Invalid if nothing changes, NameChangeWaits while staff have not answered an earlier one, LearnerMerged.
    """
    learner = lock_live_learner(learner_id)
    if (first_name, last_name) == (learner.first_name, learner.last_name):
        raise invalid_field("first_name", "unchanged", "This is already the name on record.")
    if find_waiting(learner) is not None:
        raise NameChangeWaits
    change = _change_of(learner, first_name, last_name, actor, now)
    why = _why_staff_decide(learner, change)
    if not why:
        try:
            with transaction.atomic():
                _apply(change, actor, now)
        except LearnerExists:
            why = "another learner has this name and address"
    if why:
        _ask_staff(change, why)
    return change


@transaction.atomic
def accept_name(*, learner_id: int, actor: Actor, now: dt.datetime) -> int:
    """Apply the requested name and reissue the documents printed with the old one; return how many there were.

    Raises NoNameChangeWaits, LearnerExists.
    """
    learner = lock_live_learner(learner_id)
    change = _get_waiting(learner)
    _apply(change, actor, now)
    reissued = reissue_papers(learner_id=learner.pk, reason=RENAMED, actor=actor, now=now)
    settle_staff_task(kind=NAME_ASKED, subject=_subject(learner), resolution="The name was changed.", now=now)
    tell_family(change, now)
    return reissued


@transaction.atomic
def decline_name(*, learner_id: int, note: str, actor: Actor, now: dt.datetime) -> NameChange:
    """Keep the name and tell the family why. Raises NoNameChangeWaits, Invalid without an explanation."""
    if not note.strip():
        raise invalid_field("note", "required", "Say why the name stays. The family reads it.")
    learner = lock_live_learner(learner_id)
    change = _get_waiting(learner)
    change.note = fit(NameChange, "note", note.strip())
    _decide(change, actor, now)
    settle_staff_task(kind=NAME_ASKED, subject=_subject(learner), resolution="The name stays.", now=now)
    tell_family(change, now)
    return change


def record_renaming(*, learner: Learner, before: tuple[str, str], actor: Actor, now: dt.datetime) -> None:
    """Record that staff have changed a name themselves, from `before` to the current one."""
    NameChange.objects.create(
        workspace_id=learner.workspace_id,
        learner=learner,
        first_name_before=before[0],
        last_name_before=before[1],
        first_name=learner.first_name,
        last_name=learner.last_name,
        asked_by=str(actor),
        asked_at=now,
        decided_by=str(actor),
        decided_at=now,
        is_applied=True,
    )


def find_waiting(learner: Learner) -> NameChange | None:
    """Return the change that staff have not answered yet."""
    return NameChange.objects.filter(learner=learner, decided_at=None).first()


def find_last(learner: Learner) -> NameChange | None:
    """Return the latest change, whatever its outcome."""
    return NameChange.objects.filter(learner=learner).order_by("-pk").first()


def _why_staff_decide(learner: Learner, change: NameChange) -> str:
    """Return why staff decide, in words that name nobody; empty if the family decides itself."""
    if learner.external_id:
        return "the name comes from the workspace's own system"
    if count_papers(learner.pk):
        return "a valid certificate has the name"
    if NameChange.objects.filter(learner=learner, is_applied=True).exists():
        return "the name was changed before"
    first = (learner.first_name, "")
    other = (change.first_name, "")
    if fold_name(first[0]) != fold_name(other[0]) and not are_near(first, other):
        return "the first name is another one"
    return ""


def _change_of(learner: Learner, first_name: str, last_name: str, actor: Actor, now: dt.datetime) -> NameChange:
    return NameChange(
        workspace_id=learner.workspace_id,
        learner=learner,
        first_name_before=learner.first_name,
        last_name_before=learner.last_name,
        first_name=first_name,
        last_name=last_name,
        asked_by=str(actor),
        asked_at=now,
    )


def _apply(change: NameChange, actor: Actor, now: dt.datetime) -> None:
    names = {"first_name": change.first_name, "last_name": change.last_name}
    change_learner(workspace_id=change.workspace_id, cuid=change.learner.cuid, changes=names)
    change.is_applied = True
    _decide(change, actor, now)


def _decide(change: NameChange, actor: Actor, now: dt.datetime) -> None:
    change.decided_by = str(actor)
    change.decided_at = now
    change.save()
    after_commit(
        log.info, "name_change_decided", learner=change.learner_id, applied=change.is_applied, actor=str(actor)
    )


def _ask_staff(change: NameChange, why: str) -> None:
    change.is_applied = False
    change.decided_at = None
    change.decided_by = ""
    change.save()
    raise_staff_task(
        workspace_id=change.workspace_id,
        kind=NAME_ASKED,
        subject=_subject(change.learner),
        summary=f"The family asks to change the name: {why}.",
    )


def _get_waiting(learner: Learner) -> NameChange:
    change = find_waiting(learner)
    if change is None:
        raise NoNameChangeWaits
    return change


def _subject(learner: Learner) -> str:
    return f"learner:{learner.pk}"
