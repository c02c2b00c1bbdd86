"""Guardians: known by the workspace's own id, by their address, or by both. Paying makes nobody a guardian.

A person who proves a guardian's address sees the guardian's children, and from then on only they do: the address is
looked up anew each time (`families.py`), so a replaced or removed address no longer opens anything.
"""

import datetime as dt
from typing import Any

import structlog
from allauth.account.models import EmailAddress
from django.db import IntegrityError, transaction
from django.db.models import Exists, F, OuterRef, QuerySet

from core.addresses import canonical_address
from core.database_errors import violates
from core.errors import DomainError, FieldError, NotFound, invalid_field
from core.rows import hold_row, insert_unless_present

from .invitation_links import OPEN
from .models import Guardian, Guardianship
from .staff_tasks import raise_staff_task, settle_staff_task
from .task_kinds import NO_ADDRESS, UNANSWERED
from .twins import notice_twins_by_guardian

log = structlog.get_logger(__name__)


class AddressOfAnother(DomainError):
    """Two guardians of a workspace can't share an address: it would not identify either of them."""

    code = "address_of_another_guardian"
    title = "Another guardian of the workspace has this address"


def find_or_create_guardian(*, workspace_id: int, external_id: str) -> Guardian:
    """Return the workspace's guardian with this id, created if unknown. Call it inside a transaction."""
    guardian = Guardian(workspace_id=workspace_id, external_id=external_id)
    if insert_unless_present(guardian, unless_same=("workspace_id", "external_id")):
        return guardian
    return Guardian.objects.get(workspace_id=workspace_id, external_id=external_id)


def link_guardian(*, guardian_id: int, learner_id: int) -> None:
    """Record that the guardian answers for the learner, whom the caller has locked; repeating it changes nothing. Both
    belong to one workspace."""
    if insert_unless_present(Guardianship(guardian_id=guardian_id, learner_id=learner_id)):
        notice_twins_by_guardian(guardian_id=guardian_id, learner_id=learner_id)


@transaction.atomic
def add_guardian(*, workspace_id: int, learner_id: int, email: str) -> Guardian:
    """Make the holder of this proven address a guardian of the (locked) learner, in addition to any others."""
    address = canonical_address(email)
    guardian = None
    while guardian is None:
        guardian = Guardian(workspace_id=workspace_id, email=address)
        if not insert_unless_present(guardian):
            guardian = _lock_by_address(workspace_id, address)  # none if it was united with another a moment ago
    link_guardian(guardian_id=guardian.pk, learner_id=learner_id)
    return guardian


@transaction.atomic
def set_guardian_address(*, guardian_id: int, email: str | None, now: dt.datetime) -> Guardian:
    """Set or remove a guardian's address; the holder of the previous one loses access at once.

    Open invitations of other addresses end, and the task that asked for an address is completed. Raises NotFound,
    Invalid if nothing would be left to identify the guardian, AddressOfAnother.
    """
    guardian = lock_guardian(guardian_id)
    address = canonical_address(email) if email else None
    if address is None and guardian.external_id is None:
        raise invalid_field("email", "required", "A guardian without an external id is known only by the address.")
    other = Guardian.objects.filter(workspace_id=guardian.workspace_id, email=address).exclude(pk=guardian_id).first()
    if address is not None and other is not None:
        raise address_of_another(other)
    guardian.email = address
    try:
        with transaction.atomic():
            guardian.save(update_fields=["email"])
    except IntegrityError as error:  # another guardian got it a moment ago
        if not violates(error, "guardian_email_unique"):
            raise
        raise address_of_another(None) from error
    if address is not None:
        superseded = guardian.invitations.filter(OPEN).exclude(email=address)
        superseded.update(revoked_at=now)
        end_search(guardian_id=guardian.pk, resolution="The guardian has an address now.", now=now)
    return guardian


def address_of_another(other: Guardian | None) -> AddressOfAnother:
    who = f"Guardian {other.pk}" if other else "Another guardian"
    known = f" (external id {other.external_id})" if other and other.external_id else ""
    remedy = f"{who}{known} has this address. Link the learners to that guardian, or change its address first."
    fields = (FieldError("email", "taken", remedy),)
    return AddressOfAnother(remedy, errors=fields, **({"guardianId": other.pk} if other else {}))


def lock_guardian(guardian_id: int) -> Guardian:
    """Return the guardian, locked so that nobody can change their address; new links don't wait. Raises NotFound."""
    guardian = Guardian.objects.select_for_update(no_key=True).filter(pk=guardian_id).first()
    if guardian is None:
        raise NotFound("There is no such guardian.")
    return guardian


def unite_guardians(*, keep: Guardian, gone: Guardian, now: dt.datetime) -> None:
    """Unite two guardian rows of one person: everything of `gone`, known by its address alone, goes to `keep`. The
    caller has locked both, and both belong to one workspace."""
    known = set(Guardianship.objects.filter(guardian=keep).values_list("learner", flat=True))
    moving = Guardianship.objects.filter(guardian=gone).exclude(learner__in=known)
    moved = sorted(moving.values_list("learner", flat=True))
    moving.update(guardian=keep)
    for learner_id in moved:  # a child may have been added here whom the workspace's system knows too
        notice_twins_by_guardian(guardian_id=keep.pk, learner_id=learner_id)
    gone.invitations.filter(OPEN).update(revoked_at=now)
    end_search(guardian_id=gone.pk, resolution=f"This is guardian {keep.pk}.", now=now)
    for relation in Guardian._meta.related_objects:
        if relation.related_model is not Guardianship:
            rows = relation.related_model._default_manager.filter(**{relation.field.name: gone})
            rows.update(**{relation.field.name: keep})
    keep.first_name = keep.first_name or gone.first_name
    keep.last_name = keep.last_name or gone.last_name
    gone.delete()
    keep.save(update_fields=["first_name", "last_name"])
    log.info("guardians_united", kept=keep.pk, gone=gone.pk)


def with_proof(guardians: QuerySet[Guardian]) -> QuerySet[Any]:
    """Return the rows, each with `is_proven`: whether a code has shown that the guardian reads their mailbox."""
    proven = EmailAddress.objects.filter(email=OuterRef("email"), user__email=F("email"), verified=True)
    return guardians.annotate(is_proven=Exists(proven))


def has_proven_address(guardian: Guardian) -> bool:
    """Return whether a code has shown that the guardian reads their mailbox."""
    return with_proof(Guardian.objects.filter(pk=guardian.pk)).filter(is_proven=True).exists()


def ask_who_is_guardian(*, guardian_id: int) -> None:
    """Ask staff for the address of a guardian who is known by an id alone, now that there is something to see.

    The payer is not asked: paying does not prove that somebody is the parent. Joins the caller's transaction. Raises
    OperationalError if somebody is changing the guardian at the moment, who would not see the task.
    """
    unreachable = Guardian.objects.filter(pk=guardian_id, email__isnull=True)
    if unreachable.exists():
        hold_row(Guardian, guardian_id)
    for workspace_id in unreachable.values_list("workspace_id", flat=True):
        raise_staff_task(
            workspace_id=workspace_id,
            kind=NO_ADDRESS,
            subject=f"guardian:{guardian_id}",
            summary="A payment arrived, but the guardian has no email address and sees nothing. "
            "Find out who the guardian is, and invite them.",
        )


def end_search(*, guardian_id: int, resolution: str, now: dt.datetime) -> None:
    """Close the tasks that wait for the guardian's address, now that it is known."""
    for kind in (NO_ADDRESS, UNANSWERED):
        settle_staff_task(kind=kind, subject=f"guardian:{guardian_id}", resolution=resolution, now=now)


def _lock_by_address(workspace_id: int, address: str) -> Guardian | None:
    rows = Guardian.objects.select_for_update(no_key=True)
    return rows.filter(workspace_id=workspace_id, email=address).first()
