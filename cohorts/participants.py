"""Who takes a course: the person who is signed in, a child they answer for, or a child nobody knows yet."""

from django.db import transaction

from accounts.guardians import attach_payer
from accounts.learners import find_or_create_learner
from accounts.models import Learner, User


@transaction.atomic
def add_myself(*, user: User, workspace_id: int, first_name: str, last_name: str) -> Learner:
    """The person as a learner of the workspace, by their own address, which a code has proven."""
    learner, _ = find_or_create_learner(
        workspace_id=workspace_id, email=user.email, first_name=first_name, last_name=last_name
    )
    if learner.user_id is None:
        learner.user = user
        learner.save(update_fields=["user"])
    return learner


@transaction.atomic
def add_child(*, user: User, workspace_id: int, first_name: str, last_name: str) -> Learner:
    """A child as a learner of the workspace, reached by the parent's proven address, with the parent as guardian.

    The same name again is the same child.
    """
    learner, _ = find_or_create_learner(
        workspace_id=workspace_id, email=user.email, first_name=first_name, last_name=last_name
    )
    attach_payer(workspace_id=workspace_id, guardian_id=None, learner_id=learner.pk, email=user.email)
    return learner
