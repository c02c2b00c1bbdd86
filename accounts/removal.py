"""Removes learners and guardians that nothing refers to, such as those a mistaken import brought in."""

from django.db import DEFAULT_DB_ALIAS, transaction

from .guardians import lock_guardian
from .learners import lock_live_learner
from .models import Guardian, Learner
from .staff_tasks import find_tasks_about


@transaction.atomic
def remove_unused_learner(*, learner_id: int) -> bool:
    """Remove a learner, or return False for one who stays: they have a guardian, sign in, came from a lead, staff were
    asked about them, or anything else refers to them, including deleted enrollments. Raises LearnerMerged.
    """
    learner = lock_live_learner(learner_id)
    subjects = [f"learner:{learner_id}"]
    asked = find_tasks_about(workspace_id=learner.workspace_id, subjects=subjects, learner_ids=[learner_id])
    is_used = learner.user_id is not None or learner.guardianships.exists() or learner.leads.exists() or asked.exists()
    return not is_used and _is_deleted(learner)


@transaction.atomic
def remove_unused_guardian(*, guardian_id: int) -> bool:
    """Remove a guardian, or return False for one who stays: they answer for a learner, were invited, staff were asked
    about them, or anything else refers to them. Raises NotFound."""
    guardian = lock_guardian(guardian_id)
    subjects = [f"guardian:{guardian_id}"]
    asked = find_tasks_about(workspace_id=guardian.workspace_id, subjects=subjects, learner_ids=())
    is_used = guardian.guardianships.exists() or guardian.invitations.exists() or asked.exists()
    return not is_used and _is_deleted(guardian)


def _is_deleted(row: Learner | Guardian) -> bool:
    """Delete without Django's `delete`, which reads enrollments without their states, which django-fsm does not allow.
    A reference created meanwhile makes the commit fail, and the removal can be repeated."""
    for relation in row._meta.related_objects:
        if relation.related_model._base_manager.filter(**{relation.field.name: row}).exists():
            return False
    type(row)._base_manager.filter(pk=row.pk)._raw_delete(DEFAULT_DB_ALIAS)
    return True
