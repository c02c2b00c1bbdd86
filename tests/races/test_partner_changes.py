"""Staff who change a partner while its messages come in."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from core.clock import utc_now
from enrollments.tests.factories import InstanceFactory
from operations.doctor import examine
from partners import history, providers
from partners.inbox import handle_due_events
from partners.models import EnrollmentStep, PartnerEvent
from partners.providers import change_provider, list_postponed
from partners.tests.factories import accept, approved, define, group, steps_of
from tests.processes import KEPT_OUT, Failure, Meeting, at_once

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]

HOUR = dt.timedelta(hours=1)


def two_that_were_not_polled() -> list[EnrollmentStep]:
    """Create two learners of one partner, which did not answer when it was asked about them, and then reported on both:
    on the second one first.
    """
    instance = InstanceFactory(price=None)
    define(instance, group(instance, 1))
    steps = [accept(steps_of(approved(instance))[0]) for _ in range(2)]
    EnrollmentStep.objects.update(attempts=1, next_attempt_at=utc_now() + HOUR)
    for step in reversed(steps):
        PartnerEvent.objects.create(
            provider=step.provider,
            event_id=f"msg-{step.pk}",
            type="progress.updated",
            external_enrollment_id=f"their-{step.pk}",
            payload={"progress": step.pk % 100 + 1},
            next_attempt_at=utc_now(),
        )
    return steps


def change(provider_id: int) -> int:
    return change_provider(provider_id=provider_id, timeout_seconds=20, now=utc_now()).timeout_seconds


def postpone_all(provider_id: int, now: dt.datetime) -> None:
    """Make the steps due without looking whether somebody else holds them."""
    providers.list_postponed(provider_id=provider_id, now=now).update(next_attempt_at=now)


class SecondCallMeets:
    """Wraps a function; its second call meets another process, and then lets it go ahead for half a second."""

    def __init__(self, function: Callable[..., Any], meet: Meeting) -> None:
        self.function = function
        self.meet = meet
        self.linger = Meeting(lambda _: None, patience=KEPT_OUT)
        self.calls = 0

    def __call__(self, *args: Any) -> Any:
        self.calls += 1
        if self.calls == 2:
            self.meet(None)
            self.linger(None)
        return self.function(*args)


class TestAPartnerChangedWhileItReports:
    def test_leaves_the_steps_to_its_reports(self, monkeypatch: pytest.MonkeyPatch) -> None:
        steps = two_that_were_not_polled()

        assert self.do_both(steps, monkeypatch) == [2, 20]
        told = [step.pk % 100 + 1 for step in steps]
        assert list(EnrollmentStep.objects.order_by("pk").values_list("progress", flat=True)) == told
        assert not PartnerEvent.objects.filter(handled_at=None).exists()
        assert examine() == {}

    def test_would_deadlock_if_it_waited_for_them(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control."""
        monkeypatch.setattr(providers, "_try_at_once", postpone_all)

        answers = self.do_both(two_that_were_not_polled(), monkeypatch)

        assert ["deadlock detected" in each.message for each in answers if isinstance(each, Failure)] == [True]

    def do_both(self, steps: list[EnrollmentStep], monkeypatch: pytest.MonkeyPatch) -> list[Any]:
        """Change the partner when one step is saved and the other is not, which takes a moment longer."""
        meet = Meeting(lambda answer: answer)
        monkeypatch.setattr(history, "find_unmoved", SecondCallMeets(history.find_unmoved, meet))
        monkeypatch.setattr(providers, "list_postponed", lambda **which: meet(list_postponed(**which)))
        return at_once(lambda: handle_due_events(now=utc_now()), lambda: change(steps[0].provider_id))
