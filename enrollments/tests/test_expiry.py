"""Enrollments whose end has passed: completed in batches, with their history and their seats."""

import datetime as dt
import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command

from core.clock import utc_now
from core.invariants import Extent
from enrollments import invariants
from enrollments.expiry import due_to_expire, expire_enrollments
from enrollments.models import DistrictSeatAllocation, Enrollment, EnrollmentTransition, ProgramInstance
from enrollments.tasks import expire_enrollments as sweep
from enrollments.tests.factories import CandidateFactory, InstanceFactory, approved_enrollment, route, seats
from enrollments.tests.integrators import Api
from events.models import OutboxEvent

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite, pytest.mark.ordered_locks]

LONG_AGO = dt.date(2020, 1, 31)


@pytest.fixture
def course() -> ProgramInstance:
    made: ProgramInstance = InstanceFactory(price=None)
    return made


def ended(course: ProgramInstance, *, on: dt.date | None = LONG_AGO) -> ProgramInstance:
    ProgramInstance.objects.filter(pk=course.pk).update(end_date=on)
    return course


def active(course: ProgramInstance, count: int = 1) -> list[int]:
    made = [CandidateFactory(instance=course, workspace=course.workspace) for _ in range(count)]
    return [approved_enrollment(each).pk for each in made]


def participation(*ids: int) -> list[str]:
    return list(Enrollment.objects.filter(pk__in=ids).order_by("pk").values_list("participation_status", flat=True))


class TestAnEnrollmentPastItsEnd:
    def test_is_completed_with_one_transition_and_one_event(self, course: ProgramInstance) -> None:
        (pk,) = active(course)
        ended(course)
        before = OutboxEvent.objects.count()

        assert expire_enrollments(limit=10, now=utc_now()) == [pk]

        last = EnrollmentTransition.objects.filter(enrollment=pk).latest("number")
        assert (last.to_status, last.reason, last.actor) == ("completed", "expired", "system")
        assert OutboxEvent.objects.count() == before + 1
        assert expire_enrollments(limit=10, now=utc_now()) == []

    def test_is_left_alone_on_its_last_day_by_the_workspace_s_clock(self, course: ProgramInstance) -> None:
        course.workspace.timezone = "Pacific/Auckland"
        course.workspace.save()
        (pk,) = active(course)
        ended(course, on=dt.date(2030, 5, 10))
        last_evening = dt.datetime(2030, 5, 10, 11, 59, tzinfo=dt.UTC)  # 23:59 in Auckland

        assert expire_enrollments(limit=10, now=last_evening) == []
        assert expire_enrollments(limit=10, now=last_evening + dt.timedelta(minutes=1)) == [pk]

    def test_follows_a_course_that_was_extended(self, course: ProgramInstance) -> None:
        (pk,) = active(course)
        Enrollment.objects.filter(pk=pk).update(end_date=LONG_AGO)
        ended(course, on=dt.date(2199, 1, 1))

        assert expire_enrollments(limit=10, now=utc_now()) == []

    def test_has_its_own_end_where_the_course_has_none(self, course: ProgramInstance) -> None:
        (pk,) = active(course)
        Enrollment.objects.filter(pk=pk).update(end_date=LONG_AGO)

        assert expire_enrollments(limit=10, now=utc_now()) == [pk]

    def test_that_is_not_active_stays_as_it_is(self, course: ProgramInstance) -> None:
        CandidateFactory(instance=course, workspace=course.workspace)
        (deleted,) = active(course)
        Enrollment.objects.filter(pk=deleted).update(deleted_at=utc_now())
        ended(course)

        assert expire_enrollments(limit=10, now=utc_now()) == []

    def test_gives_its_seat_back(self, course: ProgramInstance) -> None:
        seats(course.workspace, total=1)
        decision = route(course.workspace, instance=course).decision
        ended(course)

        expire_enrollments(limit=10, now=utc_now())

        allocation = DistrictSeatAllocation.objects.get()
        assert (allocation.reserved_seats, allocation.used_seats) == (0, 0)
        decision.refresh_from_db(fields=["message"])
        assert type(decision).objects.get(pk=decision.pk).status == "released"
        extent = Extent(now=utc_now(), workspace_id=None)
        assert {rule.__name__ for rule in invariants.INVARIANTS if list(rule(extent))} == set()


class TestTheSweep:
    def test_goes_on_batch_after_batch(self, course: ProgramInstance, monkeypatch: pytest.MonkeyPatch) -> None:
        ids = active(course, 5)
        ended(course)
        monkeypatch.setattr("enrollments.tasks.EXPIRED_AT_ONCE", 2)

        sweep()

        assert participation(*ids) == ["completed"] * 5


class TestPatchExpired:
    def test_lists_what_it_completed_and_says_how_many_are_left(
        self, course: ProgramInstance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ids = active(course, 3)
        foreign = InstanceFactory(price=None)
        (elsewhere,) = active(foreign)
        ended(course)
        ended(foreign)
        monkeypatch.setattr("enrollments.api.enrolment.expired.AT_MOST", 2)
        monkeypatch.setattr("enrollments.api.enrolment.expired.BATCH", 1)

        answer = Api(course.workspace).patch("/api/enrolment/expired", {})

        assert answer.status_code == 200
        told = [(each["id"], each["status"]) for each in answer.json()["enrolments"]]
        assert told == [(ids[0], "completed"), (ids[1], "completed")]
        assert answer["X-Remaining"] == "1"
        assert participation(elsewhere) == ["active"]

    def test_lists_nothing_once_nothing_is_due(self, course: ProgramInstance) -> None:
        answer = Api(course.workspace).patch("/api/enrolment/expired", {})

        assert (answer.json(), answer["X-Remaining"]) == ({"enrolments": []}, "0")


class TestTheCommand:
    def run(self, *options: str) -> dict[str, Any]:
        out = StringIO()
        call_command("expire_enrollments", "--json", *options, stdout=out)
        report: dict[str, Any] = json.loads(out.getvalue())
        return report

    def test_counts_and_changes_nothing_when_it_is_only_tried(self, course: ProgramInstance) -> None:
        ids = active(course, 2)
        ended(course)

        assert self.run("--dry-run") == {"dry_run": True, "due": 2, "expired": 0}
        assert participation(*ids) == ["active"] * 2

    def test_stops_at_its_limit_and_goes_on_the_next_time(self, course: ProgramInstance) -> None:
        ids = active(course, 3)
        ended(course)

        assert self.run("--limit", "2") == {"dry_run": False, "due": 3, "expired": 2}
        assert self.run() == {"dry_run": False, "due": 1, "expired": 1}
        assert participation(*ids) == ["completed"] * 3
        assert not due_to_expire(now=utc_now()).exists()
