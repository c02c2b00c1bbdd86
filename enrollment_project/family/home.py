"""A family's home page: what to do now, then each learner's current enrollments, with past ones folded away."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from accounts.models import Learner, User
from billing.queries import PaymentMade, list_payments_made
from cohorts.family import waiting_entries
from cohorts.learning.calendar import feed_url, find_feed, subscribe_url
from cohorts.models import WaitlistEntry
from cohorts.states import WaitStatus

from .actions import Action, find_actions
from .belongings import Belonging, list_belongings


@dataclass(frozen=True, slots=True)
class Child:
    """One learner on the page."""

    learner: Learner
    going_on: list[Belonging] = field(default_factory=list)
    waiting: list[WaitlistEntry] = field(default_factory=list)
    over: list[Belonging] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Home:
    actions: list[Action]
    children: list[Child]
    payments: list[PaymentMade]  # made for others with the person's address
    has_courses: bool
    has_partners: bool
    feed_url: str
    subscribe_url: str


def view_home(*, user: User, zone: ZoneInfo | None, now: dt.datetime) -> Home:
    """Return everything the page shows, in a constant number of queries, whatever the family's size."""
    belongings = list_belongings(user=user, zone=zone, now=now)
    entries = list(waiting_entries(user=user))
    told = [each.view.payment.pk for each in belongings if each.view.payment]
    feed = find_feed(user=user)
    return Home(
        actions=find_actions(user=user, belongings=belongings, entries=entries, now=now),
        children=_by_child(belongings, entries, now),
        payments=list_payments_made(user=user, besides=told),
        has_courses=any(each.course for each in belongings),
        has_partners=any(each.progress for each in belongings),
        feed_url=feed_url(feed) if feed else "",
        subscribe_url=subscribe_url(feed) if feed else "",
    )


def _by_child(belongings: Sequence[Belonging], entries: Sequence[WaitlistEntry], now: dt.datetime) -> list[Child]:
    children: dict[int, Child] = {}

    def of(learner: Learner) -> Child:
        return children.setdefault(learner.pk, Child(learner))

    for each in belongings:
        if each.enrollment.learner is not None:
            child = of(each.enrollment.learner)
            (child.over if each.is_over(now) else child.going_on).append(each)
    for entry in entries:
        if entry.status != WaitStatus.OFFERED:
            of(entry.learner).waiting.append(entry)
    return sorted(children.values(), key=lambda child: (str(child.learner), child.learner.pk))
