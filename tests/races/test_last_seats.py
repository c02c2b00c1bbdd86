"""The last seats of one allocation, requested by many processes at once."""

import datetime as dt
import random
from collections import Counter
from collections.abc import Callable

import pytest
from django.db.models import F

from accounts.models import Learner, Workspace
from enrollments.errors import NotForSale, SeatsExhausted
from enrollments.models import DistrictSeatAllocation, EnrollmentDecision, SeatAssignment
from enrollments.routing import decide as deciding
from enrollments.seats import SeatCounts
from enrollments.states import SeatStatus
from enrollments.tests.factories import InstanceFactory, route, seats
from events.models import OutboxEvent
from operations.doctor import examine
from tests.constraints import without_constraints
from tests.processes import Meeting, at_once

pytestmark = [pytest.mark.race, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

PROCESSES = 16
SEATS = 24  # more than processes and far fewer than learners: all meet while there are seats, and after the last
REFUSED = None


def attempts(count: int, *, repeats: float, seed: int = 1) -> list[int]:
    """Return the numbers of learners in a random order; this share of them asks a second time (or a third …)."""
    rng = random.Random(seed)
    learners = range(round(count * (1 - repeats)))
    asked = [*learners, *rng.choices(learners, k=count - len(learners))]
    rng.shuffle(asked)
    return asked


def ask_all(workspace: Workspace, asked: list[int]) -> dict[int, set[int | None]]:
    """Route the learners from PROCESSES processes; return each learner's answers: decision ids, or REFUSED."""

    def ask(share: list[int]) -> list[tuple[int, int | None]]:
        answers: list[tuple[int, int | None]] = []
        for learner in share:
            try:
                answers.append((learner, route(workspace, email=f"learner{learner}@school.test").decision.pk))
            except NotForSale:
                answers.append((learner, REFUSED))
        return answers

    shares = [asked[start::PROCESSES] for start in range(PROCESSES)]
    answers: dict[int, set[int | None]] = {}
    for answered in at_once(*[lambda share=share: ask(share) for share in shares], seconds=180):
        assert isinstance(answered, list), answered
        for learner, decision in answered:
            answers.setdefault(learner, set()).add(decision)
    return answers


def everybody_looks(parties: int) -> Meeting:
    """Read an allocation so that all readers have seen the same when the first of them continues."""
    return Meeting(DistrictSeatAllocation.objects.get, parties=parties)


def check_then_count(look: Callable[..., DistrictSeatAllocation]) -> Callable[..., SeatCounts]:
    """Replace the guard with the router document's code: look, then count."""

    def take(*, allocation_id: int, as_status: SeatStatus, now: dt.datetime, today: dt.date) -> SeatCounts:
        allocation = look(pk=allocation_id)
        if allocation.available_seats <= 0:
            raise SeatsExhausted(allocation_id=allocation_id)
        DistrictSeatAllocation.objects.filter(pk=allocation_id).update(used_seats=F("used_seats") + 1)
        return SeatCounts(allocation.total_seats, allocation.reserved_seats, allocation.used_seats + 1)

    return take


def read_then_write(look: Callable[..., DistrictSeatAllocation]) -> Callable[..., SeatCounts]:
    """Do the same, with the counter written back as it was read: no constraint sees anything wrong with it."""

    def take(*, allocation_id: int, as_status: SeatStatus, now: dt.datetime, today: dt.date) -> SeatCounts:
        allocation = look(pk=allocation_id)
        if allocation.available_seats <= 0:
            raise SeatsExhausted(allocation_id=allocation_id)
        allocation.used_seats += 1
        allocation.save(update_fields=["used_seats"])
        return SeatCounts(allocation.total_seats, allocation.reserved_seats, allocation.used_seats)

    return take


class TestTheLastSeats:
    def test_go_to_exactly_as_many_learners_as_there_are_seats(self) -> None:
        instance = InstanceFactory(price=None)
        allocation = seats(instance.workspace, total=SEATS)

        answers = ask_all(instance.workspace, attempts(320, repeats=0.3))

        granted = {learner: ids for learner, ids in answers.items() if ids != {REFUSED}}
        allocation.refresh_from_db()
        assert len(answers) == 224
        assert len(granted) == SEATS
        assert all(len(ids) == 1 for ids in granted.values())  # everybody with a seat was told so every time
        assert (allocation.used_seats, allocation.reserved_seats) == (SEATS, 0)
        assert SeatAssignment.objects.filter(allocation=allocation, status=SeatStatus.USED).count() == SEATS
        assert EnrollmentDecision.objects.filter(status="completed").count() == SEATS
        assert EnrollmentDecision.objects.count() == Learner.objects.count() == SEATS  # refused learners left no trace
        told = Counter(OutboxEvent.objects.values_list("type", flat=True))
        assert (told["seat.reserved"], told["seat.used"], told["ENROLLMENT_DECISION"]) == (SEATS, SEATS, SEATS)
        assert examine() == {}


class TestWithoutTheGuard:
    """Controls: the same race with `take_seat` replaced by looking first and then counting. Everybody has looked before
    anybody counts, so the outcome does not depend on the machine.
    """

    def test_seats_are_oversold(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(deciding, "take_seat", check_then_count(everybody_looks(PROCESSES)))
        with without_constraints((DistrictSeatAllocation, "allocation_never_oversold")):
            instance = InstanceFactory(price=None)
            allocation = seats(instance.workspace, total=5)

            ask_all(instance.workspace, attempts(PROCESSES, repeats=0))

            allocation.refresh_from_db()
            assert allocation.used_seats == PROCESSES
            assert "enrollments.no_allocation_is_oversold" in examine()

    def test_seats_are_oversold_and_not_even_counted(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(deciding, "take_seat", read_then_write(everybody_looks(PROCESSES)))
        instance = InstanceFactory(price=None)
        allocation = seats(instance.workspace, total=5)

        ask_all(instance.workspace, attempts(PROCESSES, repeats=0))

        held = SeatAssignment.objects.filter(allocation=allocation, status=SeatStatus.USED).count()
        allocation.refresh_from_db()
        assert (held, allocation.used_seats) == (PROCESSES, 1)
        assert {"enrollments.no_allocation_is_oversold", "enrollments.seat_counters_equal_their_holders"} <= set(
            examine()
        )
