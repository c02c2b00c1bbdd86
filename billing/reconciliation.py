"""Compares our books with Stripe's: events whose webhook never came, and checkouts that are out of date."""

import datetime as dt
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from core.clock import utc_now

from .checkout import adopt_session, try_to_settle
from .gateways.contract import EventSnapshot, SessionOutcome, SessionSnapshot
from .gateways.stripe import get_gateway
from .inbox import HANDLED_TYPES, handle_event, store_event
from .models import Checkout, ReconciliationRun, StripeEvent
from .states import CheckoutStatus, EventSource

T = TypeVar("T")

# Stripe may list an event a little late, and our clocks differ: each run starts well before the last one did.
OVERLAP = dt.timedelta(hours=1)
FIRST_WINDOW = dt.timedelta(hours=24)
LONGEST_WINDOW = dt.timedelta(days=30)  # Stripe keeps events no longer than this
# A session lives for a day at most; a window of sessions must reach back to the start of the open ones.
SESSION_LIFE = dt.timedelta(hours=25)
CHUNK = 100


@dataclass(slots=True)
class Differences:
    """What was compared, and what our side was missing."""

    window_start: dt.datetime
    events_seen: int = 0
    missed_event_ids: list[str] = field(default_factory=list)
    sessions_seen: int = 0
    stale_checkout_ids: list[int] = field(default_factory=list)


def reconcile_stripe(*, since: dt.timedelta | None = None, dry_run: bool = False, now: dt.datetime) -> Differences:
    """Fetch Stripe's events and sessions of the last `since` (by default, since the last run ended), store and handle
    the events we missed, and settle the checkouts that are out of date. A dry run only reports.

    Raises PaymentProviderDown; the next run starts where this one did.
    """
    found = Differences(window_start=_window_start(since, now))
    events = get_gateway().list_events(created_since=found.window_start, types=HANDLED_TYPES)
    for snapshots in _chunks(events):
        _compare_events(snapshots, found, dry_run=dry_run, now=now)
    for event_id in [] if dry_run else found.missed_event_ids:
        handle_event(event_id=event_id, now=utc_now())
    for sessions in _chunks(get_gateway().list_sessions(created_since=found.window_start - SESSION_LIFE)):
        _compare_sessions(sessions, found, dry_run=dry_run, now=now)
    if not dry_run:
        for checkout_id in found.stale_checkout_ids:
            try_to_settle(checkout_id=checkout_id, now=utc_now())
        _record_run(found, now)
    return found


def _window_start(since: dt.timedelta | None, now: dt.datetime) -> dt.datetime:
    if since is not None:
        return now - min(since, LONGEST_WINDOW)
    last = ReconciliationRun.objects.order_by("-started_at", "-pk").first()
    return max(last.started_at - OVERLAP, now - LONGEST_WINDOW) if last else now - FIRST_WINDOW


def _compare_events(snapshots: list[EventSnapshot], found: Differences, *, dry_run: bool, now: dt.datetime) -> None:
    found.events_seen += len(snapshots)
    ids = [snapshot.id for snapshot in snapshots]
    known = set(StripeEvent.objects.filter(event_id__in=ids).values_list("event_id", flat=True))
    for snapshot in snapshots:
        if snapshot.id in known:
            continue
        if dry_run or store_event(snapshot=snapshot, source=EventSource.RECONCILIATION, now=now):
            found.missed_event_ids.append(snapshot.id)


def _compare_sessions(sessions: list[SessionSnapshot], found: Differences, *, dry_run: bool, now: dt.datetime) -> None:
    found.sessions_seen += len(sessions)
    ids = [session.id for session in sessions]
    ours = {checkout.stripe_session_id: checkout for checkout in Checkout.objects.filter(stripe_session_id__in=ids)}
    for session in sessions:
        checkout = ours.get(session.id)
        if checkout is not None and _is_behind(checkout, session):
            found.stale_checkout_ids.append(checkout.pk)
        elif checkout is None and not dry_run and (adopted := adopt_session(session=session, now=now)):
            found.stale_checkout_ids.append(adopted)


def _is_behind(checkout: Checkout, session: SessionSnapshot) -> bool:
    if session.outcome is SessionOutcome.PAID:
        return bool(checkout.status != CheckoutStatus.PAID)
    return session.outcome is not SessionOutcome.OPEN and bool(checkout.status == CheckoutStatus.OPEN)


def _record_run(found: Differences, started_at: dt.datetime) -> None:
    ReconciliationRun.objects.create(
        started_at=started_at,
        window_start=found.window_start,
        events_seen=found.events_seen,
        events_missed=len(found.missed_event_ids),
        sessions_seen=found.sessions_seen,
        checkouts_settled=len(found.stale_checkout_ids),
    )


def _chunks(things: Iterable[T]) -> Iterator[list[T]]:
    iterator = iter(things)
    while chunk := list(itertools.islice(iterator, CHUNK)):
        yield chunk
