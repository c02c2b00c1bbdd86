"""Which form a URL leads to, and whether it can be filled in now."""

import datetime as dt

from django.utils.translation import gettext as _

from ..admission import has_room
from ..errors import ApplicationsClosed, InstanceFull
from ..models import ProgramInstance
from ..queries import why_closed
from ..states import FormState


def find_form(*, code: str, cuid: str) -> ProgramInstance | None:
    """Return the instance that a form's URL names, whether or not its form is open."""
    instances = ProgramInstance.objects.select_related("program", "workspace", "price")
    return instances.filter(cuid=cuid, program__code=code).first()


def form_state(instance: ProgramInstance, *, now: dt.datetime) -> FormState:
    """Return whether somebody can apply at `now`, and if not, why."""
    closed = why_closed(instance, now)
    can_be_paid = instance.price is None or instance.price.active
    if not (instance.takes_applications and can_be_paid) or closed == "inactive":
        return FormState.OFF
    if closed:
        return FormState.OVER
    return FormState.OPEN if has_room(instance) else FormState.FULL


def require_open(instance: ProgramInstance, *, now: dt.datetime) -> None:
    """Raise ApplicationsClosed or InstanceFull if nobody can apply now."""
    state = form_state(instance, now=now)
    if state == FormState.FULL:
        raise InstanceFull(_("All places of %(instance)s are taken.") % {"instance": instance.name})
    if state != FormState.OPEN:
        raise ApplicationsClosed(f"{instance.name} takes no applications now.")
