"""Who takes a course: the person who is signed in, a child they answer for, or a child nobody knows yet."""

from dataclasses import dataclass

from django.db import transaction

from accounts.guardians import add_guardian
from accounts.learners import find_or_create_learner
from accounts.models import Learner, User

from .limits import refuse_more_learners


@transaction.atomic
def add_myself(*, user: User, workspace_id: int, first_name: str, last_name: str) -> Learner:
    """The person as a learner of the workspace, by their own address, which a code has proven. Raises
    TooManyLearners."""
    learner, is_new = find_or_create_learner(
        workspace_id=workspace_id, email=user.email, first_name=first_name, last_name=last_name
    )
    if learner.user_id is None:
        learner.user = user
        learner.save(update_fields=["user"])
    if is_new:
        refuse_more_learners(user=user, workspace_id=workspace_id)
    return learner


@transaction.atomic
def add_child(*, user: User, workspace_id: int, first_name: str, last_name: str) -> Learner:
    """A child as a learner of the workspace, reached by the parent's proven address, with the parent as guardian.

    The same name again is the same child. Raises TooManyLearners.
    """
    learner, is_new = find_or_create_learner(
        workspace_id=workspace_id, email=user.email, first_name=first_name, last_name=last_name
    )
    add_guardian(workspace_id=workspace_id, learner_id=learner.pk, email=user.email)
    if is_new:
        refuse_more_learners(user=user, workspace_id=workspace_id)
    return learner


@dataclass(frozen=True, slots=True)
class Newcomer:
    """A learner who is added by name with their first purchase or their place in line, and only with it."""

    is_child: bool
    first_name: str
    last_name: str

    def add(self, *, user: User, workspace_id: int) -> Learner:
        """Inside the transaction that gives them what they ask for: a refusal leaves no trace of them."""
        add = add_child if self.is_child else add_myself
        return add(user=user, workspace_id=workspace_id, first_name=self.first_name, last_name=self.last_name)
