"""What the workspace's own system says about a guardian: their name, contact details, and learners."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Prefetch, Q, QuerySet

from core.database_errors import violates
from core.errors import DomainError, FieldError, Invalid, NotFound, invalid_field, item_of

from .guardians import address_of_another, link_guardian, lock_guardian, set_guardian_address, with_proof
from .invitation_links import OPEN
from .learners import lock_live_learners
from .models import Guardian, GuardianInvitation, Learner


class GuardianExists(DomainError):
    """The workspace has a guardian with this external id. The answer names the guardian to change instead."""

    code = "guardian_exists"
    title = "A guardian with this external id already exists"


def list_guardians(*, workspace_id: int) -> QuerySet[Guardian]:
    """Return the workspace's guardians with their learners, whether their address is proven, and open invitations."""
    waiting = GuardianInvitation.objects.filter(OPEN)
    return with_proof(Guardian.objects.filter(workspace_id=workspace_id)).prefetch_related(
        Prefetch("learners", queryset=Learner.objects.order_by("pk")),
        Prefetch("invitations", queryset=waiting, to_attr="open_invitations"),
    )


def get_guardian(*, workspace_id: int, guardian_id: int) -> Guardian:
    """Return one of them. Raises NotFound."""
    found = list_guardians(workspace_id=workspace_id).filter(pk=guardian_id).first()
    if found is None:
        raise NotFound(f"There is no guardian {guardian_id} in this workspace.")
    return found


@transaction.atomic
def register_guardian(
    *,
    workspace_id: int,
    external_id: str | None,
    email: str | None,
    first_name: str = "",
    last_name: str = "",
    learner_ids: Sequence[str] = (),
) -> Guardian:
    """Create a guardian of these learners, each named by their CUID or the workspace's own id for them.

    Raises Invalid for unknown learners or if nothing identifies the guardian, GuardianExists, AddressOfAnother.
    """
    if not external_id and not email:
        raise invalid_field("externalId", "required", "Give externalId, email or both.")
    learners = _find_learners(workspace_id, learner_ids)
    guardian = Guardian(
        workspace_id=workspace_id,
        external_id=external_id or None,
        email=email or None,
        first_name=first_name,
        last_name=last_name,
    )
    _save(guardian)
    for learner in learners:
        link_guardian(guardian_id=guardian.pk, learner_id=learner.pk)
    return guardian


@transaction.atomic
def change_guardian(*, workspace_id: int, guardian_id: int, changes: dict[str, Any], now: dt.datetime) -> Guardian:
    """Change the fields passed among `external_id`, `email`, `first_name`, `last_name`, and `learner_ids`, which
    replaces the guardian's whole list. Repeating the same changes has no effect.

    A removed address or learner loses access at once. Raises NotFound, Invalid, GuardianExists, AddressOfAnother.
    """
    learners = _find_learners(workspace_id, changes.get("learner_ids", ()))
    if not Guardian.objects.filter(pk=guardian_id, workspace_id=workspace_id).exists():
        raise NotFound(f"There is no guardian {guardian_id} in this workspace.")
    guardian = lock_guardian(guardian_id)
    named = [field for field in ("external_id", "first_name", "last_name") if field in changes]
    for field in named:
        setattr(guardian, field, changes[field] or (None if field == "external_id" else ""))
    email = changes.get("email", guardian.email) or None
    if guardian.external_id is None and email is None:
        raise Invalid("A guardian is known by externalId, email or both: keep at least one of them.")
    if guardian.external_id is not None:
        _save(guardian, *named)
    set_guardian_address(guardian_id=guardian_id, email=email, now=now)
    if guardian.external_id is None:  # now known by the address alone, so that is set first
        _save(guardian, *named)
    if "learner_ids" in changes:
        guardian.guardianships.exclude(learner__in=learners).delete()
        for learner in learners:
            link_guardian(guardian_id=guardian_id, learner_id=learner.pk)
    return guardian


def _find_learners(workspace_id: int, learner_ids: Sequence[str]) -> list[Learner]:
    """Return the learners, each once, locked as all linking code locks them. Raises Invalid naming unknown ones, and
    LearnerMerged if one is being merged at the moment; NotFound for one who was erased."""
    by_either = Q(cuid__in=learner_ids) | Q(external_id__in=learner_ids)
    named = Learner.objects.filter(by_either, workspace_id=workspace_id, erased_at=None).select_related("merged_into")
    known: dict[str, Learner] = {}
    for learner in named:
        known.setdefault(str(learner.external_id), learner.merged_into or learner)
    known |= {learner.cuid: learner.merged_into or learner for learner in named}
    unknown = [number for number, learner_id in enumerate(learner_ids) if learner_id not in known]
    if unknown:
        remedy = "There is no such learner in this workspace: give a CUID, or your own id as enrolled."
        faults = tuple(FieldError(item_of("learnerIds", number), "unknown", remedy) for number in unknown)
        raise Invalid(f"learnerIds: {remedy}", errors=faults)
    return list(lock_live_learners({known[learner_id].pk for learner_id in learner_ids}).values())


def _save(guardian: Guardian, *fields: str) -> None:
    if guardian.pk is not None and not fields:
        return
    try:
        with transaction.atomic():
            guardian.save(update_fields=fields or None)
    except IntegrityError as error:
        others = Guardian.objects.filter(workspace_id=guardian.workspace_id).exclude(pk=guardian.pk)
        if violates(error, "guardian_external_id_unique"):
            raise _id_of_another(others.filter(external_id=guardian.external_id).first()) from error
        if violates(error, "guardian_email_unique"):
            raise address_of_another(others.filter(email=guardian.email).first()) from error
        raise


def _id_of_another(other: Guardian | None) -> GuardianExists:
    who = f"Guardian {other.pk}" if other else "Another guardian"
    remedy = f"{who} has this external id. Change that guardian instead."
    known = {"guardianId": other.pk} if other else {}
    return GuardianExists(remedy, errors=(FieldError("externalId", "taken", remedy),), **known)
