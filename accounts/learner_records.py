"""What the workspace's own system says about a learner: their name and contact details."""

from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from core.addresses import canonical_address
from core.errors import DomainError, FieldError, NotFound

from .learners import checked_contact, lock_live_learner
from .models import Learner
from .twins import notice_possible_twins


class LearnerExists(DomainError):
    """The workspace has a learner with this external id, or with this email and these names and no external id. The
    answer names it as `learnerId`, to be changed instead."""

    code = "learner_exists"
    title = "This learner already exists"


def list_learners(*, workspace_id: int) -> QuerySet[Learner]:
    """Return the workspace's learners without the merged ones."""
    return Learner.objects.live().filter(workspace=workspace_id)


def get_learner(*, workspace_id: int, cuid: str) -> Learner:
    """Return the learner with this CUID, or the one it was merged into. Raises NotFound."""
    learner = Learner.objects.filter(workspace=workspace_id).known_as(cuid).first()
    if learner is None:
        raise NotFound("There is no such learner in this workspace.")
    return learner


@transaction.atomic
def register_learner(*, workspace_id: int, **known: Any) -> Learner:
    """Create a learner with the known details: first and last name, email; external id, phone, address, grade level,
    school. Raises Invalid, LearnerExists."""
    learner = Learner(workspace_id=workspace_id, **_checked(known))
    _save(learner)
    notice_possible_twins(learner=learner)
    return learner


@transaction.atomic
def change_learner(*, workspace_id: int, cuid: str, changes: dict[str, Any]) -> Learner:
    """Change the given fields among those `register_learner` accepts. Raises NotFound, Invalid, LearnerExists."""
    learner = lock_live_learner(get_learner(workspace_id=workspace_id, cuid=cuid).pk)
    for field, value in _checked(changes).items():
        setattr(learner, field, value)
    _save(learner)
    notice_possible_twins(learner=learner)
    return learner


def _checked(known: dict[str, Any]) -> dict[str, Any]:
    checked = checked_contact(known)
    if "email" in checked:
        checked["email"] = canonical_address(checked["email"])
    return checked


def _save(learner: Learner) -> None:
    try:
        with transaction.atomic():
            learner.save()
    except IntegrityError as error:
        learner.derive_identity()
        others = Learner.objects.filter(workspace=learner.workspace_id).exclude(pk=learner.pk)
        same_id = others.filter(external_id=learner.external_id).first() if learner.external_id else None
        known = same_id or others.filter(identity=learner.identity).first()
        if known is None:  # it has disappeared since
            raise
        field = "externalId" if same_id else "email"
        remedy = "Another learner has this external id." if same_id else "Another learner has this email and name."
        raise LearnerExists(
            f"{remedy} Change that learner instead.",
            errors=(FieldError(field, "taken", remedy),),
            learnerId=known.cuid,
        ) from error
