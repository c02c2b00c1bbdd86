"""Everything known about people in all apps, in the order in which it is erased, which is the lock order."""

from collections.abc import Callable

from django.db.models import Model

from accounts import personal as of_accounts
from backoffice import personal as of_back_office
from billing import personal as of_billing
from cohorts import personal as of_cohorts
from core import personal_answers as of_core
from core.personal import Person, Personal
from enrollments import personal as of_enrollments
from events import personal as of_events
from notifications import personal as of_notifications
from partners import personal as of_partners

# Upper apps first: whatever they find through rows of lower apps must be found before those change.
PERSONAL: tuple[Personal, ...] = (
    *of_partners.PERSONAL,
    *of_cohorts.PERSONAL,
    *of_enrollments.PERSONAL,
    *of_billing.PERSONAL,
    *of_events.PERSONAL,
    *of_notifications.PERSONAL,
    *of_back_office.PERSONAL,
    *of_accounts.PERSONAL,
    *of_core.PERSONAL,
)
OBSTACLES: tuple[Callable[[Person], list[str]], ...] = (
    of_enrollments.obstacles,
    of_cohorts.obstacles,
    of_billing.obstacles,
)


def personal_columns(model: type[Model]) -> dict[str, Personal]:
    """Return a model's personal columns, each with its classification."""
    return {column: each for each in PERSONAL if each.model is model for column in each.columns}


def entry_of(model: type[Model]) -> Personal:
    """Return the entry of a model that has exactly one."""
    (found,) = (each for each in PERSONAL if each.model is model)
    return found
