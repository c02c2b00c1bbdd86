"""A family's request to delete what is stored about a learner: staff check what is still active, and a mail reports
each step. `erasing.py` reports its completion."""

import datetime as dt
from collections.abc import Collection

import structlog
from django.db import transaction
from django.db.models import QuerySet

from accounts.learners import lock_live_learner
from accounts.models import Learner, StaffTask
from accounts.staff_tasks import raise_staff_task, settle_staff_tasks
from accounts.states import TaskStatus
from core.actors import Actor
from core.errors import invalid_field
from core.logs import after_commit

from .emails import tell_wish_declined, tell_wish_received
from .errors import NoDeletionAsked
from .task_kinds import DELETION_ASKED

log = structlog.get_logger(__name__)

SAID_WHY = 500  # characters of the explanation that a family reads


@transaction.atomic
def ask_for_deletion(*, learner_id: int, actor: Actor, now: dt.datetime) -> StaffTask:
    """Ask the learner's workspace; while an earlier request is open, that one stands. Raises LearnerMerged."""
    learner = lock_live_learner(learner_id)
    task = raise_staff_task(
        workspace_id=learner.workspace_id,
        kind=DELETION_ASKED,
        subject=subject_of(learner.pk),
        summary="The family asks to delete all that is stored about the learner.",
    )
    tell_wish_received(learner=learner, task=task, now=now)
    after_commit(log.info, "deletion_asked", learner=learner.pk, actor=str(actor))
    return task


@transaction.atomic
def decline_deletion(*, learner_id: int, reason: str, actor: Actor, now: dt.datetime) -> None:
    """Keep the data; a mail tells the family why. Raises NoDeletionAsked, LearnerMerged, Invalid without a reason."""
    if not reason.strip() or len(reason) > SAID_WHY:
        raise invalid_field("reason", "required", f"Say in up to {SAID_WHY} characters why. The family reads it.")
    learner = lock_live_learner(learner_id)
    waiting = list(_waiting([learner.pk, *merged_into(learner.pk)]))
    if not waiting:
        raise NoDeletionAsked
    settle_staff_tasks(
        kind=DELETION_ASKED, subjects=[task.subject for task in waiting], resolution=reason.strip(), now=now
    )
    tell_wish_declined(learner=learner, task=waiting[-1], now=now)


def is_asked(learner: Learner) -> bool:
    """Return whether the family waits for an answer, also about a learner who has since been merged into this one."""
    return _waiting([learner.pk, *merged_into(learner.pk)]).exists()


def find_asked(learner_ids: Collection[int]) -> dict[int, dt.datetime]:
    """Return since when a deletion is pending, for each of these learners that has one."""
    by_subject = {subject_of(learner_id): learner_id for learner_id in learner_ids}
    return {by_subject[task.subject]: task.created_at for task in _waiting(learner_ids)}


def subject_of(learner_id: int) -> str:
    return f"learner:{learner_id}"


def merged_into(learner_id: int) -> list[int]:
    return list(Learner.objects.filter(merged_into=learner_id).order_by("pk").values_list("pk", flat=True))


def _waiting(learner_ids: Collection[int]) -> QuerySet[StaffTask]:
    subjects = [subject_of(learner_id) for learner_id in learner_ids]
    waiting = StaffTask.objects.filter(kind=DELETION_ASKED.name, subject__in=subjects, status=TaskStatus.OPEN)
    return waiting.order_by("pk")
