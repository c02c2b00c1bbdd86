"""Guardians: known by the id of the workspace's own system, by their address, or by both. Paying makes nobody one."""

from django.db import transaction

from core.addresses import canonical_address
from core.rows import insert_unless_present

from .models import Guardian, Guardianship
from .staff_tasks import raise_staff_task


def find_or_create_guardian(*, workspace_id: int, external_id: str) -> Guardian:
    """The workspace's guardian with this id, made if unknown. Call it inside a transaction."""
    guardian = Guardian(workspace_id=workspace_id, external_id=external_id)
    if insert_unless_present(guardian, unless_same=("workspace_id", "external_id")):
        return guardian
    return Guardian.objects.get(workspace_id=workspace_id, external_id=external_id)


def link_guardian(*, guardian_id: int, learner_id: int) -> None:
    """Record that the guardian answers for the learner; doing so again changes nothing. Both are of one workspace."""
    insert_unless_present(Guardianship(guardian_id=guardian_id, learner_id=learner_id))


@transaction.atomic
def add_guardian(*, workspace_id: int, learner_id: int, email: str) -> Guardian:
    """Make the holder of this proven address a guardian of the learner, beside those there are."""
    address = canonical_address(email)
    guardian = Guardian(workspace_id=workspace_id, email=address)
    if not insert_unless_present(guardian):
        guardian = Guardian.objects.get(workspace_id=workspace_id, email=address)
    link_guardian(guardian_id=guardian.pk, learner_id=learner_id)
    return guardian


def ask_who_is_guardian(*, guardian_id: int) -> None:
    """Ask staff for the address of a guardian who is known by an id alone, now that there is something to see.

    Whoever paid is not asked: paying is no proof of being the parent. Joins the caller's transaction.
    """
    unreachable = Guardian.objects.filter(pk=guardian_id, email__isnull=True)
    for workspace_id in unreachable.values_list("workspace_id", flat=True):
        raise_staff_task(
            workspace_id=workspace_id,
            kind="guardian_without_address",
            subject=f"guardian:{guardian_id}",
            summary=f"A payment arrived, but guardian {guardian_id} has no email address and sees nothing. "
            "Find out who the guardian is, and enter the address.",
        )
