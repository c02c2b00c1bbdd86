"""Places in a cohort. One conditional UPDATE decides whether one is held or taken; the rows prove the counters."""

import datetime as dt
from typing import Any

from django.db import transaction
from django.db.models import Count, F, Q, QuerySet
from django.utils.translation import gettext as _

from accounts.models import Learner
from core.compiled import compiled_update
from core.rows import insert_unless_present, update_row
from core.text import fit
from enrollments.models import Enrollment
from events.publishing import publish

from ..errors import CapacityBelowUse, CohortFull, PlaceAwaitsPayment
from ..events import PlaceEvent, PlaceHeld, PlaceReleased, PlaceTaken
from ..locks import lock_cohort
from ..models import Cohort, CohortPlace
from ..states import PlaceStatus


def hold_place(
    *, cohort: Cohort, learner: Learner, enrollment: Enrollment | None, held_until: dt.datetime, now: dt.datetime
) -> CohortPlace:
    """Hold a free place, inside the caller's transaction, which a refusal rolls back: CohortFull if none is free,
    PlaceAwaitsPayment if one was held for the learner a moment ago.
    """
    if not Cohort.objects.with_room().filter(pk=cohort.pk).update(held_places=F("held_places") + 1):
        raise CohortFull
    place = CohortPlace(cohort=cohort, learner=learner, enrollment=enrollment, held_until=held_until, created_at=now)
    if not insert_unless_present(place):
        raise PlaceAwaitsPayment(
            _("A place in %(cohort)s was just held for this learner: try again to pay for it.")
            % {"cohort": cohort.name}
        )
    publish(place_event(PlaceHeld, place, now))
    return place


def can_be_taken(place: CohortPlace) -> bool:
    """Return whether a (locked) place can become the learner's: always while it is held; if it was released in the
    meantime, only if its cohort, which is locked, has room.
    """
    if place.status == PlaceStatus.HELD:
        return True
    return not _has_another(place) and Cohort.objects.with_room().filter(pk=place.cohort_id).exists()


def take_place(*, place: CohortPlace, now: dt.datetime) -> PlaceEvent:
    """Give the learner a (locked) place permanently; returns the event to publish. From here on its cohort is locked,
    if it was not before. Raises CohortFull for a place that can't be taken.
    """
    if place.status == PlaceStatus.HELD:
        _held_to_taken.run(place.cohort_id)
    elif (
        not Cohort.objects.with_room().filter(pk=place.cohort_id).update(current_enrollment=F("current_enrollment") + 1)
    ):
        raise CohortFull
    place.status = PlaceStatus.TAKEN
    place.taken_at = now
    place.released_at = None
    place.release_reason = ""
    update_row(place, "status", "taken_at", "released_at", "release_reason")
    return place_event(PlaceTaken, place, now)


@compiled_update
def _held_to_taken(cohort_id: int) -> tuple[QuerySet[Cohort], dict[str, Any]]:
    changes = {"held_places": F("held_places") - 1, "current_enrollment": F("current_enrollment") + 1}
    return Cohort.objects.filter(pk=cohort_id), changes


def take_free_place(
    *, cohort: Cohort, learner: Learner, enrollment: Enrollment | None, now: dt.datetime
) -> CohortPlace:
    """Take a place at once, without a checkout, inside the caller's transaction. Raises CohortFull."""
    if not Cohort.objects.with_room().filter(pk=cohort.pk).update(current_enrollment=F("current_enrollment") + 1):
        raise CohortFull(_("%(cohort)s is full.") % {"cohort": cohort.name})
    place = CohortPlace.objects.create(
        cohort=cohort,
        learner=learner,
        enrollment=enrollment,
        status=PlaceStatus.TAKEN,
        held_until=now,
        created_at=now,
        taken_at=now,
    )
    publish(place_event(PlaceHeld, place, now), place_event(PlaceTaken, place, now))
    return place


def release_place(*, place: CohortPlace, reason: str, now: dt.datetime) -> bool:
    """Free a held or taken place, which is locked. Returns False if it was already free. From here on its cohort is
    locked, if it was not before; for a taken place it must be.
    """
    counter = {PlaceStatus.HELD: "held_places", PlaceStatus.TAKEN: "current_enrollment"}.get(PlaceStatus(place.status))
    if counter is None:
        return False
    Cohort.objects.filter(pk=place.cohort_id).update(**{counter: F(counter) - 1})
    place.status = PlaceStatus.RELEASED
    place.released_at = now
    place.release_reason = fit(CohortPlace, "release_reason", reason)
    place.save(update_fields=["status", "released_at", "release_reason"])
    publish(place_event(PlaceReleased, place, now))
    return True


def resize(*, cohort_id: int, max_enrollment: int) -> None:
    """Set how many places a cohort has, inside the caller's transaction. Raises CapacityBelowUse, changing nothing."""
    fits = {"current_enrollment__lte": max_enrollment - F("held_places")}
    if not Cohort.objects.filter(pk=cohort_id, **fits).update(max_enrollment=max_enrollment):
        cohort = Cohort.objects.get(pk=cohort_id)
        raise CapacityBelowUse(
            f"Places taken: {cohort.current_enrollment}, held: {cohort.held_places}. "
            f"The capacity can't go below {cohort.current_enrollment + cohort.held_places}."
        )


@transaction.atomic
def recount_places(*, cohort_id: int) -> tuple[int, int]:
    """Set a cohort's counters to its places; returns the number of held and of taken ones.

    Raises CapacityBelowUse if there are more than it has room for.
    """
    cohort = lock_cohort(cohort_id)
    places = CohortPlace.objects.filter(cohort=cohort_id).aggregate(
        held=Count("pk", filter=Q(status=PlaceStatus.HELD)), taken=Count("pk", filter=Q(status=PlaceStatus.TAKEN))
    )
    used = places["held"] + places["taken"]
    if used > cohort.max_enrollment:
        raise CapacityBelowUse(
            f"Places taken or held: {used} of {cohort.max_enrollment}. Raise the cohort's places, and count again."
        )
    cohort.held_places = places["held"]
    cohort.current_enrollment = places["taken"]
    cohort.save(update_fields=["held_places", "current_enrollment"])
    return places["held"], places["taken"]


def place_event(kind: type[PlaceEvent], place: CohortPlace, now: dt.datetime) -> PlaceEvent:
    """Return an event about a place."""
    return kind(
        workspace_id=place.learner.workspace_id,
        occurred_at=now,
        place_id=place.pk,
        cohort_id=place.cohort_id,
        learner_cuid=place.learner.cuid,
    )


def _has_another(place: CohortPlace) -> bool:
    others = CohortPlace.objects.occupying().filter(cohort=place.cohort_id, learner=place.learner_id)
    return others.exclude(pk=place.pk).exists()
