"""Guardians: known by the id of the workspace's own system, by the address they pay with, or by both."""

from django.db import IntegrityError, transaction

from enrollment_project.core.addresses import canonical_address
from enrollment_project.core.rows import insert_unless_present

from .models import Guardian, Guardianship


def find_or_create_guardian(*, workspace_id: int, external_id: str) -> Guardian:
    """The workspace's guardian with this id, made if unknown. Call it inside a transaction."""
    guardian = Guardian(workspace_id=workspace_id, external_id=external_id)
    if insert_unless_present(guardian, unless_same=("workspace_id", "external_id")):
        return guardian
    return Guardian.objects.get(workspace_id=workspace_id, external_id=external_id)


def link_guardian(*, guardian_id: int, learner_id: int) -> None:
    """Record that the guardian answers for the learner; doing so again changes nothing. Both are of one workspace."""
    insert_unless_present(Guardianship(guardian_id=guardian_id, learner_id=learner_id))


@transaction.atomic(savepoint=False)  # payments end here, inside their own transaction
def attach_payer(*, workspace_id: int, guardian_id: int | None, learner_id: int, email: str) -> Guardian | None:
    """Remember who pays for a learner by the address they gave to the payment provider.

    A guardian named by the request gets the address if they have none and nobody else of the workspace has it.
    Without one, the guardian with that address (made if unknown) becomes the learner's. None if there is nothing to
    go by.
    """
    address = canonical_address(email)
    if guardian_id is not None:
        guardian = Guardian.objects.select_for_update().get(pk=guardian_id, workspace_id=workspace_id)
        if address and not guardian.email:
            _give_address(guardian, address)
    elif address:
        guardian = Guardian(workspace_id=workspace_id, email=address)
        if not insert_unless_present(guardian):
            guardian = Guardian.objects.get(workspace_id=workspace_id, email=address)
    else:
        return None
    link_guardian(guardian_id=guardian.pk, learner_id=learner_id)
    return guardian


def _give_address(guardian: Guardian, address: str) -> None:
    try:
        with transaction.atomic():
            guardian.email = address
            guardian.save(update_fields=["email"])
    except IntegrityError:  # another guardian has it; which of the two pays is for staff to tell
        guardian.email = None
