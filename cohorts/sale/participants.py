"""Who takes a course: the signed-in user, a child they are responsible for, or a child nobody knows yet."""

from dataclasses import dataclass

from django.db import transaction

from accounts.families import learners_of
from accounts.learners import find_or_create_learner
from accounts.models import Learner, User, person_key
from accounts.newcomers import find_or_add_child
from core.errors import FieldError, NotFound

from ..errors import LearnerNameMissing
from .limits import refuse_more_learners


@transaction.atomic
def add_myself(*, user: User, workspace_id: int, first_name: str, last_name: str) -> Learner:
    """Add the user as a learner of the workspace, by their own proven address. Raises TooManyLearners."""
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
    """Add a child as a learner of the workspace, reached by the parent's proven address, with the parent as guardian.

    The same name again is the same child. Raises TooManyLearners.
    """
    learner, is_new = find_or_add_child(
        workspace_id=workspace_id,
        address=user.email,
        first_name=first_name,
        last_name=last_name,
        account_id=user.pk,
    )
    if is_new:
        refuse_more_learners(user=user, workspace_id=workspace_id)
    return learner


@dataclass(frozen=True, slots=True)
class Newcomer:
    """A learner who is added by name with their first purchase or waiting-list entry, and only with it."""

    is_child: bool
    first_name: str
    last_name: str

    def add(self, *, user: User, workspace_id: int) -> Learner:
        """Add them inside the transaction that gives them what they ask for: a refusal leaves no trace of them."""
        add = add_child if self.is_child else add_myself
        return add(user=user, workspace_id=workspace_id, first_name=self.first_name, last_name=self.last_name)


@dataclass(frozen=True, slots=True)
class Participant:
    """Who takes the course: a learner by CUID, or the user, with these names if theirs are unknown."""

    cuid: str | None = None
    first_name: str = ""
    last_name: str = ""


def find_participant(*, user: User, workspace_id: int, participant: Participant) -> Learner | None:
    """Return the participant if the workspace knows them. Raises NotFound for a CUID outside the user's learners.

    Without a CUID it is the learner with these names and the user's address. Without names it is the learner who has
    this account, or else the only one known by its address.
    """
    mine = learners_of(user).filter(workspace=workspace_id)
    if participant.cuid is not None:
        learner = mine.known_as(participant.cuid).first()
        if learner is None:
            fault = FieldError("learnerId", "not_found", "There is no such learner among yours.")
            raise NotFound(f"{fault.field}: {fault.detail}", errors=(fault,))
        return learner
    if participant.first_name:
        person = person_key(user.email, participant.first_name, participant.last_name)
        return mine.filter(person=person).order_by("pk").first()
    own = mine.filter(user=user).order_by("pk").first()
    if own is not None or user.get_full_name():
        return own
    by_address = list(mine.filter(email=user.email)[:2])
    return by_address[0] if len(by_address) == 1 else None


def find_or_add_participant(*, user: User, workspace_id: int, participant: Participant) -> Learner:
    """Return the participant; the user becomes a learner if needed, inside the caller's transaction.

    Raises NotFound, and LearnerNameMissing if nothing tells what the user is called.
    """
    known = find_participant(user=user, workspace_id=workspace_id, participant=participant)
    if known is not None and not participant.first_name:
        return known
    first_name = participant.first_name or user.first_name
    last_name = participant.last_name or user.last_name
    faults = tuple(
        FieldError(field, "required", "Give your name, or the learnerId of a child of yours.")
        for field, name in (("firstName", first_name), ("lastName", last_name))
        if not name
    )
    if faults:
        raise LearnerNameMissing(f"{faults[0].field}: {faults[0].detail}", errors=faults)
    return add_myself(user=user, workspace_id=workspace_id, first_name=first_name, last_name=last_name)
