"""What a workspace offers."""

from django.db import transaction

from accounts.models import Workspace
from core.errors import NotFound, invalid_field

from .models import ProgramInstance


@transaction.atomic
def make_default(*, instance_id: int) -> ProgramInstance:
    """Make an instance the one where the router enrolls learners who name none; the one before stops being it.

    Raises NotFound, and Invalid for an instance that takes no enrollments.
    """
    found = ProgramInstance.objects.filter(pk=instance_id).values_list("workspace_id", flat=True).first()
    if found is None:
        raise NotFound("There is no such program instance.")
    Workspace.objects.select_for_update().get(pk=found)  # two changes of the default wait for each other
    instance = ProgramInstance.objects.select_related("program").get(pk=instance_id)
    if not (instance.active and instance.program.active):
        raise invalid_field("active", "inactive", "Only an active instance of an active program can be the default.")
    ProgramInstance.objects.filter(workspace=found, is_default=True).update(is_default=False)
    instance.is_default = True
    instance.save(update_fields=["is_default"])
    return instance
