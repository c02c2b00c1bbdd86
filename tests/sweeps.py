"""The schedule's sweeps, run as if time had passed."""

import datetime as dt

from billing.checkout import check_due_checkouts
from billing.inbox import handle_due_events
from billing.refunds import submit_due_refunds
from core.clock import utc_now
from events.relay import relay_due_events

SOON = dt.timedelta(minutes=10)  # by when every sweep finds what a lost nudge left


def sweep(after: dt.timedelta = SOON) -> None:
    """Run every sweep once, `after` from now."""
    now = utc_now() + after
    handle_due_events(now=now)
    check_due_checkouts(now=now)
    submit_due_refunds(now=now)
    relay_due_events(now=now)
