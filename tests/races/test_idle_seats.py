"""An idle seat whose time has expired, while its family answers or becomes active."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction

from accounts.models import Learner
from accounts.tests.factories import UserFactory
from core.clock import utc_now
from enrollments.allocations import holders
from enrollments.allocations.idle import asking, reclaiming
from enrollments.allocations.idle.asking import FAMILY, keep_seat
from enrollments.allocations.idle.finding import set_idle_rule
from enrollments.allocations.idle.reclaiming import reclaim_seat
from enrollments.locks import lock_enrollment
from enrollments.models import Enrollment, IdleSeat
from enrollments.tests.factories import STAFF, InstanceFactory, route, seats
from operations.doctor import examine
from tests.processes import BOTH_COME, KEPT_OUT, Failure, Meeting, at_once

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]


def an_idle_seat() -> IdleSeat:
    instance = InstanceFactory(price=None)
    allocation = seats(instance.workspace, total=1)
    set_idle_rule(allocation_id=allocation.pk, idle_days=30, grace_days=7, now=utc_now())
    seat = route(instance.workspace, email="ana@school.test").decision.seat
    now = utc_now()
    return IdleSeat.objects.create(seat=seat, idle_since=now, asked_at=now, due_at=now)


def outcome() -> tuple[str, str]:
    return IdleSeat.objects.get().status, Enrollment.objects.get().eligibility_status


class TestAnAnswerInTheLastMoment:
    def answer_and_reclaim(self) -> list[Any]:
        idle = an_idle_seat()
        return at_once(
            lambda: bool(keep_seat(idle_seat_id=idle.pk, actor=FAMILY, now=utc_now())),
            lambda: bool(reclaim_seat(idle_seat_id=idle.pk, actor=STAFF, now=utc_now())),
        )

    def test_keeps_the_seat_or_is_told_that_it_is_too_late(self) -> None:
        answers = self.answer_and_reclaim()

        (refused,) = [answer for answer in answers if isinstance(answer, Failure)]
        assert refused.kind == "IdleSeatSettled"
        assert outcome() == (("kept", "approved") if answers[0] is True else ("reclaimed", "unenrolled"))
        assert examine() == {}

    def test_without_the_lock_is_accepted_and_the_seat_lost(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control: both find the question open."""
        rows = IdleSeat.objects.select_related("seat__allocation__district__workspace", "seat__enrollment__instance")
        read = Meeting(lambda pk: rows.get(pk=pk))
        monkeypatch.setattr(asking, "lock_idle_seat", read)
        monkeypatch.setattr(reclaiming, "lock_idle_seat", read)

        assert self.answer_and_reclaim() == [True, True]
        assert Enrollment.objects.get().eligibility_status == "unenrolled"


class TestActivityInTheLastMoment:
    """Activity is written behind the lock on the enrollment, as partners' progress is."""

    def be_seen_and_reclaim(
        self, monkeypatch: pytest.MonkeyPatch, lock: Callable[..., None], *, patience: float
    ) -> None:
        idle = an_idle_seat()
        user = UserFactory()
        Learner.objects.update(user=user)
        begin, look = Meeting(lambda: None), Meeting(reclaiming.is_active_since, patience=patience)

        @transaction.atomic
        def be_seen() -> None:
            lock_enrollment(idle.seat.enrollment_id)
            user.last_login = utc_now()
            user.save()
            begin()
            look(idle)

        def begin_and_lock(*given: Any, **more: Any) -> None:
            begin()
            lock(*given, **more)

        def reclaim() -> str:
            return reclaim_seat(idle_seat_id=idle.pk, actor=STAFF, now=utc_now()).status

        monkeypatch.setattr(reclaiming, "lock_to_pass_on", begin_and_lock)
        monkeypatch.setattr(reclaiming, "is_active_since", look)
        at_once(be_seen, reclaim)

    def test_keeps_the_seat(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.be_seen_and_reclaim(monkeypatch, holders.lock_to_pass_on, patience=KEPT_OUT)

        assert outcome() == ("active", "approved")

    def test_without_the_locks_is_overlooked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control: the family's activity is checked before it is committed."""
        self.be_seen_and_reclaim(monkeypatch, lambda *_, **__: None, patience=BOTH_COME)

        assert outcome() == ("reclaimed", "unenrolled")
