"""Staff who schedule cohorts, and move sessions, at the same moment."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from cohorts.course import scheduling
from cohorts.course.replanning import change_class_zone
from cohorts.course.scheduling import clone_cohort, reschedule_session, schedule_cohort
from cohorts.models import ClassSession, Cohort, CohortSession, CourseStepOption, GroupClass
from cohorts.tests.factories import CohortFactory, GroupClassFactory, cohort_with
from core.clock import utc_now
from core.errors import DomainError
from core.local_time import local_date
from operations.doctor import examine
from tests.processes import BOTH_COME, KEPT_OUT, Failure, Meeting, at_once

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]


def said(call: Callable[[], object]) -> str:
    try:
        call()
    except DomainError as refusal:
        return refusal.detail
    return "done"


class TestTwoSessionsMovedToOneDay:
    """Both sessions of a class are moved to the same free day."""

    def test_is_refused_to_the_second(self, monkeypatch: pytest.MonkeyPatch) -> None:
        answers = self.move_both(monkeypatch, patience=KEPT_OUT)

        (refusal,) = [answer for answer in answers if answer != "done"]
        assert "already meets on" in refusal
        assert examine() == {}

    def test_without_the_lock_on_the_class_is_an_error(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control: both have seen that the day is free."""
        monkeypatch.setattr(scheduling, "lock_classes", lambda class_ids: None)

        answers = self.move_both(monkeypatch, patience=BOTH_COME)

        (failure,) = [answer for answer in answers if isinstance(answer, Failure)]
        assert "class_session_one_a_day" in failure.message

    def move_both(self, monkeypatch: pytest.MonkeyPatch, *, patience: float) -> list[Any]:
        cohort = cohort_with(options=(1,))
        CohortFactory(instance=cohort.instance, start_date=cohort.start_date + dt.timedelta(weeks=2))
        sessions = list(ClassSession.objects.order_by("date"))
        free = sessions[0].date + dt.timedelta(weeks=1)
        monkeypatch.setattr(scheduling, "refuse_taken_day", Meeting(scheduling.refuse_taken_day, patience=patience))

        def move(session: ClassSession) -> str:
            return said(
                lambda: reschedule_session(
                    session_id=session.pk,
                    date=free,
                    start_time=dt.time(17),
                    end_time=dt.time(18),
                    max_students=3,
                    now=utc_now(),
                )
            )

        return at_once(*[lambda each=each: move(each) for each in sessions])


class TestTwoCohortsThatShareTheirClasses:
    """Each meets in a class where the other is about to meet too, but they come to the two classes in another order."""

    def test_are_scheduled_one_after_the_other(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert self.schedule_both(monkeypatch, patience=KEPT_OUT) == ["done", "done"]
        assert CohortSession.objects.count() == 8
        assert ClassSession.objects.count() == 6  # two are shared
        assert examine() == {}

    def test_without_the_lock_on_the_classes_deadlock(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control: each has made the session that the other needs next."""
        monkeypatch.setattr(scheduling, "lock_classes", lambda class_ids: None)

        answers = self.schedule_both(monkeypatch, patience=BOTH_COME)

        (failure,) = [answer for answer in answers if isinstance(answer, Failure)]
        assert "deadlock detected" in failure.message

    def schedule_both(self, monkeypatch: pytest.MonkeyPatch, *, patience: float) -> list[Any]:
        """They meet once each has made the first session that both need."""
        first = self.two_cohorts()
        second = Cohort.objects.exclude(pk=first.pk).get()
        shared = second.start_date
        make = scheduling.find_or_create_session
        meet = Meeting(lambda: None, patience=patience)
        met: list[dt.date] = []

        def make_and_meet(*, group_class: GroupClass, day: dt.date) -> ClassSession:
            session = make(group_class=group_class, day=day)
            if shared <= day < shared + dt.timedelta(weeks=1) and not met:
                met.append(day)
                meet()
            return session

        monkeypatch.setattr(scheduling, "find_or_create_session", make_and_meet)

        return at_once(*[lambda pk=each.pk: said(lambda: schedule_cohort(cohort_id=pk)) for each in (first, second)])

    def two_cohorts(self) -> Cohort:
        """The second starts a week later. The classes of the second step are chosen in the other order."""
        first: Cohort = CohortFactory()
        program = first.instance.program
        classes = GroupClassFactory.create_batch(2, workspace=program.workspace)
        for order in (1, 2):
            step = program.steps.create(order=order, label=f"Week {order}", title="Topic")
            for each in classes if order == 1 else reversed(classes):
                CourseStepOption.objects.create(step=step, group_class=each)
        CohortFactory(instance=first.instance, scheduled=False, start_date=first.start_date + dt.timedelta(weeks=1))
        return first


class TestASessionScheduledWhileItsClassChangesItsTimeZone:
    def test_meets_by_the_new_clock(self, monkeypatch: pytest.MonkeyPatch) -> None:
        session = self.schedule_meanwhile(monkeypatch, patience=KEPT_OUT)

        assert session.date == local_date(session.starts_at, "Asia/Tokyo")

    def test_without_the_lock_on_the_class_has_the_day_of_the_old_one(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control: the change of the zone has not seen the session, whose class had the old one."""
        monkeypatch.setattr(scheduling, "lock_classes", lambda class_ids: None)

        session = self.schedule_meanwhile(monkeypatch, patience=BOTH_COME)

        assert session.date != local_date(session.starts_at, "Asia/Tokyo")

    def schedule_meanwhile(self, monkeypatch: pytest.MonkeyPatch, *, patience: float) -> ClassSession:
        cohort: Cohort = CohortFactory()
        program = cohort.instance.program
        group_class = GroupClassFactory(workspace=program.workspace)
        step = program.steps.create(order=1, label="Week 1", title="Topic")
        CourseStepOption.objects.create(step=step, group_class=group_class)
        planned, changed = Meeting(lambda: None), Meeting(lambda: None, patience=patience)
        plan = scheduling.plan_meetings

        def plan_and_wait(*asked: Any, **more: Any) -> Any:
            found = plan(*asked, **more)
            planned()
            changed()
            return found

        def change() -> None:
            planned()
            change_class_zone(group_class_id=group_class.pk, timezone="Asia/Tokyo", keep_clock=False, now=utc_now())
            changed()

        monkeypatch.setattr(scheduling, "plan_meetings", plan_and_wait)
        answers = at_once(
            lambda: said(lambda: schedule_cohort(cohort_id=cohort.pk)),
            lambda: said(change),
        )

        assert answers == ["done", "done"]
        return ClassSession.objects.get()


class TestTwoClonesOfOneName:
    def test_are_refused_to_the_second(self, monkeypatch: pytest.MonkeyPatch) -> None:
        answers = self.clone_both(monkeypatch)

        (refusal,) = [answer for answer in answers if answer != "done"]
        assert refusal.endswith("already has a cohort of this name.")
        assert Cohort.objects.filter(name="Next term").count() == 1

    def test_saved_without_care_are_an_error(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control."""
        monkeypatch.setattr(scheduling, "_save_new", lambda cohort: cohort.save())

        answers = self.clone_both(monkeypatch)

        (failure,) = [answer for answer in answers if isinstance(answer, Failure)]
        assert failure.kind == "IntegrityError"

    def clone_both(self, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
        """Both have seen that the name is free."""
        cohort = cohort_with(options=(1,))
        other = CohortFactory(instance=cohort.instance)
        monkeypatch.setattr(scheduling, "draft_clone", Meeting(scheduling.draft_clone))
        start = cohort.start_date + dt.timedelta(weeks=20)

        return at_once(
            *[
                lambda pk=each.pk: said(lambda: clone_cohort(cohort_id=pk, name="Next term", start_date=start))
                for each in (cohort, other)
            ]
        )
