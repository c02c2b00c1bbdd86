"""Everything that is known of people, of all apps: in the order in which it is erased, which is that of locks."""

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

# The top ones first: what they find by rows of the lower ones must be found before those change.
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
    """The personal columns of a model, each with what is said of it."""
    return {column: each for each in PERSONAL if each.model is model for column in each.columns}


def entry_of(model: type[Model]) -> Personal:
    """What is said of a model of which one thing is said."""
    (found,) = (each for each in PERSONAL if each.model is model)
    return found
