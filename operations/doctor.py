"""All invariants of all apps, examined at once. `manage.py doctor` reports them; race and fault tests end with them."""

import datetime as dt

from accounts.invariants import INVARIANTS as ACCOUNTS
from backoffice.invariants import INVARIANTS as BACKOFFICE
from billing.invariants import INVARIANTS as BILLING
from cohorts.invariants import INVARIANTS as COHORTS
from core.clock import utc_now
from core.invariants import Breach, Extent, Invariant
from core.jobs import INVARIANTS as JOBS
from core.resealing import INVARIANTS as SECRETS
from enrollments.invariants import INVARIANTS as ENROLLMENTS
from events.invariants import INVARIANTS as EVENTS
from notifications.invariants import INVARIANTS as NOTIFICATIONS
from partners.invariants import INVARIANTS as PARTNERS
from privacy.invariants import INVARIANTS as PRIVACY

from .partitions import INVARIANTS as PARTITIONS

INVARIANTS: dict[str, Invariant] = {
    f"{app}.{invariant.__name__}": invariant
    for app, invariants in {
        "core": (*SECRETS, *JOBS),
        "accounts": ACCOUNTS,
        "backoffice": BACKOFFICE,
        "notifications": NOTIFICATIONS,
        "events": EVENTS,
        "billing": BILLING,
        "enrollments": ENROLLMENTS,
        "cohorts": COHORTS,
        "partners": PARTNERS,
        "privacy": PRIVACY,
        "operations": PARTITIONS,
    }.items()
    for invariant in invariants
}


def examine(*, workspace_id: int | None = None, now: dt.datetime | None = None) -> dict[str, list[Breach]]:
    """Return the breaches found, by the invariant's name; empty if all is well. Reads only.

    The statements that judge an invariant see one moment, so concurrent writers do not disturb it.
    """
    extent = Extent(now=now or utc_now(), workspace_id=workspace_id)
    found = {name: list(invariant(extent)) for name, invariant in INVARIANTS.items()}
    return {name: breaches for name, breaches in found.items() if breaches}
