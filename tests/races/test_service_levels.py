"""Two sweeps that find one overdue step at a partner, or one that finds it while it moves on."""

import datetime as dt

import pytest

from accounts.models import StaffTask
from core.clock import utc_now
from operations.doctor import examine
from partners import service_levels
from partners.models import EnrollmentStep
from partners.service_levels import raise_breaches
from partners.tests.factories import accept, approved, steps_of
from tests.constraints import without_constraints
from tests.processes import Failure, Meeting, at_once

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]

LATE = dt.timedelta(days=2)


def sweep() -> int:
    return raise_breaches(limit=10, now=utc_now() + LATE)


def queued() -> EnrollmentStep:
    return steps_of(approved(steps=1))[0]


def open_tasks() -> int:
    return StaffTask.objects.filter(kind="partner_acceptance_late", status="open").count()


def read_without_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let both read the step before either changes it."""

    def read(step_id: int) -> tuple[EnrollmentStep, list[EnrollmentStep]]:
        return EnrollmentStep.objects.select_related("enrollment", "provider").get(pk=step_id), []

    monkeypatch.setattr(service_levels, "lock_step", Meeting(read))


class TestTwoSweepsAtOnce:
    @pytest.mark.parametrize("attempt", range(3))
    def test_ask_staff_once(self, attempt: int) -> None:
        queued()

        answers = at_once(sweep, sweep, sweep)

        assert [answer for answer in answers if isinstance(answer, Failure)] == []
        assert (StaffTask.objects.count(), open_tasks()) == (1, 1)
        assert EnrollmentStep.objects.get().breached_at is not None
        assert examine() == {}

    def test_without_lock_and_constraint_would_ask_twice(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control."""
        with without_constraints((StaffTask, "staff_task_one_open_per_subject")):
            queued()
            read_without_lock(monkeypatch)

            at_once(sweep, sweep)

            assert open_tasks() == 2


class TestASweepAgainstAnAcceptance:
    @pytest.mark.parametrize("attempt", range(3))
    def test_leaves_nothing_for_staff_to_do(self, attempt: int) -> None:
        step = queued()

        at_once(sweep, lambda: str(accept(step).status))

        assert (EnrollmentStep.objects.get().status, open_tasks()) == ("in_progress", 0)
        assert examine() == {}

    def test_without_the_lock_would_ask_about_a_step_that_has_moved_on(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control: the sweep reads the step, the partner accepts, and only then are staff asked."""
        step = queued()
        ask = service_levels._ask_staff
        meet = Meeting(lambda: None)

        def ask_after_the_acceptance(step: EnrollmentStep) -> None:
            meet()
            meet()
            ask(step)

        def accept_in_between() -> str:
            meet()
            status = str(accept(step).status)
            meet()
            return status

        monkeypatch.setattr(service_levels, "lock_step", lambda step_id: (step, [step]))
        monkeypatch.setattr(EnrollmentStep, "save", lambda *given, **how: None)
        monkeypatch.setattr(service_levels, "_ask_staff", ask_after_the_acceptance)

        at_once(sweep, accept_in_between)

        assert open_tasks() == 1
