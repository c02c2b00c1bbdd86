"""The waiting list of a full cohort: a place is held for the next in line for a while, and then for the one after.

A place that becomes free is held for the next in line in the same transaction, so nobody can jump the line.
"""

import datetime as dt

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Exists, Max, OuterRef, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import Learner
from billing.checkout import request_cancellation
from billing.states import LIVE_CHECKOUTS, CheckoutStatus
from core.actors import SYSTEM, Actor
from core.compiled import compiled
from core.errors import invalid_field
from core.local_time import is_not_over
from core.text import fit
from events.publishing import publish

from ..errors import (
    AlreadyInLine,
    AlreadyOwned,
    CohortNotActive,
    CohortNotFound,
    NotInLine,
    PlaceAwaitsPayment,
    PlacesFree,
    TooManyPlacesHeld,
)
from ..events import WaitlistEnded, WaitlistEvent, WaitlistJoined, WaitlistOffered
from ..locks import lock_cohort, lock_learner, lock_owner_of_place, lock_place
from ..models import Cohort, CohortPlace, StudentPackage, WaitlistEntry, WaitlistQuerySet
from ..states import PlaceStatus, WaitStatus
from .limits import account_of, refuse_hoarding
from .places import hold_place, release_place

log = structlog.get_logger(__name__)


@transaction.atomic
def join_waitlist(*, learner_id: int, cohort_id: int, actor: Actor = SYSTEM, now: dt.datetime) -> WaitlistEntry:
    """Join the end of the line.

    Raises CohortNotFound for a cohort of another workspace than the learner's, CohortNotActive, AlreadyOwned,
    AlreadyInLine, PlaceAwaitsPayment, PlacesFree if there is no need to wait, and TooManyPlacesHeld if the account that
    asks, or the learner's family, has reached its limit.
    """
    learner = lock_learner(learner_id)
    excess = _find_excess(learner, actor)  # this locks what comes before the cohort
    cohort = lock_cohort(cohort_id)
    if learner.workspace_id != cohort.instance.workspace_id:
        raise CohortNotFound(f"There is no cohort {cohort_id}.")
    _refuse_joining(learner_id, cohort, now)
    if excess is not None:
        raise excess
    last = _line_of(cohort_id).aggregate(last=Max("rank"))["last"] or 0.0
    entry = WaitlistEntry.objects.create(
        cohort=cohort, learner=learner, rank=last + 1.0, joined_by_id=account_of(actor), created_at=now
    )
    publish(_event(WaitlistJoined, entry, now))
    return entry


def _find_excess(learner: Learner, actor: Actor) -> TooManyPlacesHeld | None:
    """Find the limit to report, which is raised only for learners who could join otherwise: one who is already in line
    should be told that.
    """
    try:
        refuse_hoarding(learner=learner, actor=actor)
    except TooManyPlacesHeld as excess:
        return excess
    return None


def _refuse_joining(learner_id: int, cohort: Cohort, now: dt.datetime) -> None:
    if not cohort.takes_enrollments(now):
        raise CohortNotActive(_("%(cohort)s is no longer taking enrollments.") % {"cohort": cohort.name})
    if StudentPackage.objects.live().filter(learner=learner_id, program=cohort.instance.program_id).exists():
        raise AlreadyOwned(_("You are already enrolled in this course."))
    if _line_of(cohort.pk).in_line().filter(learner=learner_id).exists():
        raise AlreadyInLine(_("You are already on this waiting list."))
    if CohortPlace.objects.occupying().filter(cohort=cohort, learner=learner_id).exists():
        raise PlaceAwaitsPayment(
            _("A place in %(cohort)s is held for you: pay for it instead of waiting.") % {"cohort": cohort.name}
        )
    if cohort.has_room:
        free = cohort.places_left
        told = ngettext("%(cohort)s has %(count)d free place.", "%(cohort)s has %(count)d free places.", free)
        raise PlacesFree(told % {"cohort": cohort.name, "count": free})


@transaction.atomic
def leave_waitlist(*, learner_id: int, cohort_id: int, now: dt.datetime) -> WaitlistEntry:
    """Leave the line, or decline the place on offer, which goes to the next. Raises NotInLine, LearnerMerged."""
    lock_learner(learner_id)  # they may be paying for it at this moment
    lock_cohort(cohort_id)
    entry = _line_of(cohort_id).in_line().filter(learner=learner_id).first()
    if entry is None:
        raise NotInLine(_("You are not on this waiting list."))
    offered = entry.status == WaitStatus.OFFERED
    _end(entry, WaitStatus.DECLINED if offered else WaitStatus.LEFT, now)
    if offered:
        _free_offer(entry, "The offer was declined", now)
    return entry


@transaction.atomic
def reorder_entry(*, entry_id: int, position: int, reason: str) -> WaitlistEntry:
    """Move a waiting learner to a position (1 is next) and store the reason. Raises Invalid without one, NotInLine."""
    if not reason.strip():
        raise invalid_field("reason", "required", "Say why.")
    cohort_id = WaitlistEntry.objects.values_list("cohort_id", flat=True).get(pk=entry_id)
    lock_cohort(cohort_id)
    entry = _line_of(cohort_id).get(pk=entry_id)
    if entry.status != WaitStatus.WAITING:
        raise NotInLine("Only a learner who is waiting can be moved in the line.")
    others = list(_line_of(cohort_id).waiting().exclude(pk=entry_id))
    entry.note = fit(WaitlistEntry, "note", reason.strip())
    entry.save(update_fields=["note"])
    others.insert(max(0, position - 1), entry)
    for rank, row in enumerate(others, start=1):
        row.rank = float(rank)
    WaitlistEntry.objects.bulk_update(others, ["rank"])
    return entry


def position_of(entry: WaitlistEntry) -> int:
    """Return how many are served up to and including this entry; 1 is next."""
    ahead = WaitlistEntry.objects.ahead_of(cohort=entry.cohort_id, rank=entry.rank)
    return ahead.count() + 1


def offer_free_places(*, cohort_id: int, now: dt.datetime) -> list[WaitlistEntry]:
    """Hold each free place for the next in line while the cohort is locked; returns the entries that got an offer."""
    cohort = lock_cohort(cohort_id)
    offered: list[WaitlistEntry] = []
    if not cohort.takes_enrollments(now):
        return offered
    until = now + dt.timedelta(hours=settings.WAITLIST_OFFER_HOURS)
    for entry in _next_in_line(cohort, now):
        entry.place = hold_place(cohort=cohort, learner=entry.learner, enrollment=None, held_until=until, now=now)
        entry.status = WaitStatus.OFFERED
        entry.offered_at = now
        entry.offer_expires_at = until
        entry.save(update_fields=["place", "status", "offered_at", "offer_expires_at"])
        publish(_event(WaitlistOffered, entry, now))
        offered.append(entry)
    return offered


def _next_in_line(cohort: Cohort, now: dt.datetime) -> list[WaitlistEntry]:
    """Return who gets the free places. Learners who have bought the course in another cohort no longer wait, and those
    who have a place here need no second one.
    """
    for entry in _line_of(cohort.pk).waiting().filter(_has_the_course(cohort)):
        _end(entry, WaitStatus.LEFT, now)
    return list(_entitled(cohort)[: max(0, cohort.places_left)])


def find_served(cohort: Cohort, *, freed: int, now: dt.datetime) -> list[WaitlistEntry]:
    """Return who would be offered a place if `freed` more were free, the next in line first. Changes nothing."""
    if not cohort.takes_enrollments(now):
        return []
    return list(_entitled(cohort)[: max(0, cohort.places_left + freed)])


def _entitled(cohort: Cohort) -> WaitlistQuerySet:
    """Return those who wait and have neither the course nor a place here."""
    placed = CohortPlace.objects.occupying().filter(cohort=cohort, learner=OuterRef("learner"))
    return _line_of(cohort.pk).waiting().exclude(_has_the_course(cohort)).exclude(Exists(placed))


def _has_the_course(cohort: Cohort) -> Exists:
    """Return the condition that a learner in the line has the course, by this cohort or by another."""
    live = StudentPackage.objects.live()
    return Exists(live.filter(learner=OuterRef("learner"), program=cohort.instance.program_id))


def free_unpaid_place(*, place: CohortPlace, reason: str, now: dt.datetime) -> bool:
    """Free a held place whose checkout ended unpaid, or whose money goes back, with itself locked; False if it was
    already free. From here on its cohort is locked, if it was not before.

    An offer that has not expired stays open, under a new hold, unless the learner has the course by now; any other
    place goes to the next in line.
    """
    if not release_place(place=place, reason=reason, now=now):
        return False
    if not _renew_offer(place, now):
        end_offer(place=place, now=now)
        offer_free_places(cohort_id=place.cohort_id, now=now)
    return True


def _renew_offer(place: CohortPlace, now: dt.datetime) -> bool:
    """Hold the place again for an offer that was made until a certain time, however often its payment page is opened
    and left before. The place that just ended keeps its checkout on record; the new one has none yet.
    """
    entries = WaitlistEntry.objects.filter(place=place, status=WaitStatus.OFFERED).select_related("learner")
    entry = entries.filter(offer_expires_at__gt=now).exclude(_has_the_course(place.cohort)).first()
    if entry is None or entry.offer_expires_at is None:
        return False
    entry.place = hold_place(
        cohort=place.cohort, learner=place.learner, enrollment=None, held_until=entry.offer_expires_at, now=now
    )
    entry.save(update_fields=["place"])
    return True


def withdraw_renewed_offer(*, place: CohortPlace, now: dt.datetime) -> None:
    """Release the new hold of an offer after money came late for its earlier place, which can then be taken.
    The cohort and the place are locked.
    """
    if place.status != PlaceStatus.RELEASED:
        return
    renewed = CohortPlace.objects.offers().filter(cohort=place.cohort_id, learner=place.learner_id)
    for place_id in renewed.order_by("pk").values_list("pk", flat=True):
        release_place(place=lock_place(place_id), reason="An earlier payment arrived", now=now)


def end_accepted(*, place: CohortPlace, now: dt.datetime) -> None:
    """End the entry of a learner who paid. One who waited but bought in another way is out of the line too."""
    for entry in _entries_of.all(place.cohort_id, place.learner_id):
        _end(entry, WaitStatus.ACCEPTED, now)


@compiled
def _entries_of(cohort_id: int, learner_id: int) -> QuerySet[WaitlistEntry]:
    """Return their entries. There is hardly ever one, so nothing is joined."""
    return WaitlistEntry.objects.in_line().filter(cohort=cohort_id, learner=learner_id).order_by("pk")


def end_offer(*, place: CohortPlace, now: dt.datetime) -> None:
    """End the offer: the place is gone again, unpaid."""
    for entry in (
        WaitlistEntry.objects.filter(place=place, status=WaitStatus.OFFERED)
        .select_related("learner")
        .order_by("rank", "id")
    ):
        _end(entry, WaitStatus.EXPIRED, now)


def expire_due_offers(*, now: dt.datetime, limit: int = 100) -> int:
    """End the offers that have expired and offer their places to the next in line; returns how many ended."""
    due = CohortPlace.objects.due_offers(now=now)
    places = list(due.order_by("held_until", "pk").values_list("pk", flat=True)[:limit])
    return sum(_try_to_expire(place_id, now) for place_id in places)


def _try_to_expire(place_id: int, now: dt.datetime) -> bool:
    """End one offer. A failure must not delay the others; the next sweep tries it again."""
    try:
        return end_overdue_hold(place_id=place_id, now=now)
    except Exception:
        log.exception("offer_not_ended", place=place_id)
        return False


def end_lines_of_past_cohorts(*, now: dt.datetime, limit: int = 100) -> int:
    """End the waiting for cohorts whose last day is over; returns how many waited in vain."""
    lasting = is_not_over(now=now, date="cohort__end_date", zone="cohort__timezone")
    past = WaitlistEntry.objects.waiting().exclude(lasting)
    cohorts = list(past.order_by("cohort").values_list("cohort", flat=True).distinct()[:limit])
    return sum(_end_line(cohort_id, now) for cohort_id in cohorts)


def end_lines_of_owners(*, limit: int = 100, now: dt.datetime) -> int:
    """Remove learners who have bought the course in another cohort from the line: their offers go to the next at once,
    not when they expire. Returns how many.
    """
    owned = StudentPackage.objects.live().filter(
        learner=OuterRef("learner"), program=OuterRef("cohort__instance__program")
    )
    needless = WaitlistEntry.objects.in_line().filter(Exists(owned))
    found = list(needless.order_by("pk").values_list("learner", "cohort")[:limit])
    return sum(_try_to_leave(learner_id, cohort_id, now) for learner_id, cohort_id in found)


def _try_to_leave(learner_id: int, cohort_id: int, now: dt.datetime) -> bool:
    """Remove one learner. A failure must not delay the others; the next sweep tries it again."""
    try:
        leave_waitlist(learner_id=learner_id, cohort_id=cohort_id, now=now)
    except NotInLine:
        return False
    except Exception:
        log.exception("line_not_left", learner=learner_id, cohort=cohort_id)
        return False
    return True


@transaction.atomic
def _end_line(cohort_id: int, now: dt.datetime) -> int:
    lock_cohort(cohort_id)
    waiting = list(_line_of(cohort_id).waiting())
    for entry in waiting:
        _end(entry, WaitStatus.EXPIRED, now)
    return len(waiting)


@transaction.atomic
def end_overdue_hold(*, place_id: int, now: dt.datetime) -> bool:
    """Free a held place whose offer has expired, or whose checkout ended unpaid without anybody noticing; False if
    neither is the case, or if the place was free.
    """
    lock_owner_of_place(place_id)
    cohort_id = CohortPlace.objects.values_list("cohort_id", flat=True).get(pk=place_id)
    lock_cohort(cohort_id)
    place = lock_place(place_id)
    if place.status != PlaceStatus.HELD:
        return False
    if place.checkout is not None:
        ended_unpaid = place.checkout.status not in (*LIVE_CHECKOUTS, CheckoutStatus.PAID)
        return ended_unpaid and free_unpaid_place(place=place, reason="The checkout ended", now=now)
    if place.held_until > now:
        return False
    return free_unpaid_place(place=place, reason="The offer ended", now=now)


def _free_offer(entry: WaitlistEntry, reason: str, now: dt.datetime) -> None:
    if entry.place_id is None:
        return
    place = lock_place(entry.place_id)
    if place.checkout_id is not None:  # they opened the payment page and came back: Stripe knows how that ends
        request_cancellation(checkout_id=place.checkout_id, now=now)
    elif release_place(place=place, reason=reason, now=now):
        offer_free_places(cohort_id=entry.cohort_id, now=now)


def _end(entry: WaitlistEntry, status: WaitStatus, now: dt.datetime) -> None:
    entry.status = status
    entry.save(update_fields=["status"])
    publish(_event(WaitlistEnded, entry, now, status=status.value))


def _event(kind: type[WaitlistEvent], entry: WaitlistEntry, now: dt.datetime, **more: str) -> WaitlistEvent:
    return kind(
        workspace_id=entry.learner.workspace_id,
        occurred_at=now,
        entry_id=entry.pk,
        cohort_id=entry.cohort_id,
        learner_cuid=entry.learner.cuid,
        **more,
    )


def _line_of(cohort_id: int) -> WaitlistQuerySet:
    """Return the waiting list of a cohort, whose row is locked: that alone prevents concurrent changes of the line."""
    rows = WaitlistEntry.objects.filter(cohort=cohort_id)
    return rows.select_related("learner", "cohort__instance").order_by("rank", "id")
