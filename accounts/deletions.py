"""A family asks that what is stored about a learner be deleted: staff are asked, who look at what still goes on."""

import datetime as dt
from collections.abc import Collection

from django.db import transaction

from core.actors import Actor

from .learners import lock_live_learner
from .models import StaffTask
from .staff_tasks import raise_staff_task
from .states import TaskStatus
from .task_kinds import DELETION_ASKED


@transaction.atomic
def ask_for_deletion(*, learner_id: int, actor: Actor) -> StaffTask:
    """Ask the learner's workspace; while an earlier request is open, that one stands. Raises LearnerMerged."""
    learner = lock_live_learner(learner_id)
    return raise_staff_task(
        workspace_id=learner.workspace_id,
        kind=DELETION_ASKED,
        subject=_subject(learner.pk),
        summary=f"The family of learner {learner.pk} asks to delete all that is stored about the learner ({actor}).",
    )


def find_asked(learner_ids: Collection[int]) -> dict[int, dt.datetime]:
    """For each of these learners whose deletion waits for staff: since when."""
    by_subject = {_subject(learner_id): learner_id for learner_id in learner_ids}
    waiting = StaffTask.objects.filter(kind=DELETION_ASKED.name, subject__in=list(by_subject), status=TaskStatus.OPEN)
    return {by_subject[subject]: asked_at for subject, asked_at in waiting.values_list("subject", "created_at")}


def _subject(learner_id: int) -> str:
    return f"learner:{learner_id}"
