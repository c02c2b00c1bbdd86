"""Enrollments whose end has passed: completed in batches, with their history and their seats."""

import datetime as dt
import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import OperationalError

from accounts.models import StaffTask
from core.actors import SYSTEM
from core.clock import utc_now
from core.invariants import Extent
from enrollments import expiry, invariants
from enrollments.expiry import EXPIRED, expire_enrollments, expire_in_batches
from enrollments.lifecycle import finish_participation
from enrollments.models import DistrictSeatAllocation, Enrollment, EnrollmentTransition, ProgramInstance
from enrollments.tasks import expire_enrollments as sweep
from enrollments.tests.factories import CandidateFactory, InstanceFactory, approved_enrollment, route, seats
from enrollments.tests.integrators import Api
from events.models import OutboxEvent
from events.publishing import publish

pytestmark = pytest.mark.django_db

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


def expire(now: dt.datetime | None = None) -> list[int]:
    batch = expire_enrollments(limit=10, now=now or utc_now())
    return batch.completed if batch else []


def participation(*ids: int) -> list[str]:
    return list(Enrollment.objects.filter(pk__in=ids).order_by("pk").values_list("participation_status", flat=True))


class TestAnEnrollmentPastItsEnd:
    def test_is_completed_with_one_transition_and_one_event(self, course: ProgramInstance) -> None:
        (pk,) = active(course)
        ended(course)
        before = OutboxEvent.objects.count()

        assert expire() == [pk]

        last = EnrollmentTransition.objects.filter(enrollment=pk).latest("number")
        assert (last.to_status, last.reason, last.actor) == ("completed", "expired", "system")
        assert OutboxEvent.objects.count() == before + 1
        assert expire() == []

    def test_is_left_alone_on_its_last_day_by_the_workspace_s_clock(self, course: ProgramInstance) -> None:
        course.workspace.timezone = "Pacific/Auckland"
        course.workspace.save()
        (pk,) = active(course)
        ended(course, on=dt.date(2030, 5, 10))
        last_evening = dt.datetime(2030, 5, 10, 11, 59, tzinfo=dt.UTC)  # 23:59 in Auckland

        assert expire(now=last_evening) == []
        assert expire(now=last_evening + dt.timedelta(minutes=1)) == [pk]

    def test_follows_a_course_that_was_extended(self, course: ProgramInstance) -> None:
        (pk,) = active(course)
        Enrollment.objects.filter(pk=pk).update(end_date=LONG_AGO)
        ended(course, on=dt.date(2199, 1, 1))

        assert expire() == []

    def test_has_its_own_end_where_the_course_has_none(self, course: ProgramInstance) -> None:
        (pk,) = active(course)
        Enrollment.objects.filter(pk=pk).update(end_date=LONG_AGO)

        assert expire() == [pk]

    def test_that_is_not_active_stays_as_it_is(self, course: ProgramInstance) -> None:
        CandidateFactory(instance=course, workspace=course.workspace)
        (deleted,) = active(course)
        Enrollment.objects.filter(pk=deleted).update(deleted_at=utc_now())
        ended(course)

        assert expire() == []

    def test_gives_its_seat_back(self, course: ProgramInstance) -> None:
        seats(course.workspace, total=1)
        decision = route(course.workspace, instance=course).decision
        ended(course)

        expire()

        allocation = DistrictSeatAllocation.objects.get()
        assert (allocation.reserved_seats, allocation.used_seats) == (0, 0)
        decision.refresh_from_db(fields=["message"])
        assert type(decision).objects.get(pk=decision.pk).status == "released"
        extent = Extent(now=utc_now(), workspace_id=None)
        assert {rule.__name__ for rule in invariants.INVARIANTS if list(rule(extent))} == set()


class TestABatch:
    def test_leaves_what_completing_each_by_itself_leaves(self, course: ProgramInstance) -> None:
        ids = active(course, 6)
        alone, together = ids[:3], ids[3:]
        Enrollment.objects.filter(pk__in=[alone[1], together[1]]).update(payment_status="paid")
        ended(course)
        now = utc_now()

        for pk in alone:
            finish_participation(enrollment_id=pk, actor=SYSTEM, reason=EXPIRED, now=now)
        completed = expire(now)

        assert completed == together
        assert [self.left_by(pk) for pk in together] == [self.left_by(pk) for pk in alone]

    def left_by(self, pk: int) -> tuple[Any, ...]:
        """Return the row, its transitions, and its events, without what distinguishes one enrollment from another."""
        row = Enrollment.objects.filter(pk=pk).values_list(
            "participation_status", "payment_status", "eligibility_status", "transition_count", "updated_at"
        )
        names = [each.name for each in EnrollmentTransition._meta.fields if each.name not in ("id", "enrollment")]
        transitions = EnrollmentTransition.objects.filter(enrollment=pk).order_by("number").values(*names)
        cuid = Enrollment.objects.get(pk=pk).cuid
        events = OutboxEvent.objects.filter(aggregate=f"enrollment:{cuid}").order_by("sequence")
        said = [
            (each.type, each.sequence, each.occurred_at, each.payload | {"enrollmentId": "its own"}) for each in events
        ]
        # Earlier ones have times of their own.
        return row.get(), transitions[len(transitions) - 1], len(transitions), said[-1], len(said)


class TestTheSweep:
    def test_goes_on_batch_after_batch(self, course: ProgramInstance) -> None:
        ids = active(course, 5)
        ended(course)

        batches = list(expire_in_batches(at_most=100, size=2, clock=utc_now))

        assert [batch.completed for batch in batches] == [ids[:2], ids[2:4], ids[4:]]
        assert participation(*ids) == ["completed"] * 5

    def test_leaves_to_the_next_one_what_is_too_much_for_it(
        self, course: ProgramInstance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ids = active(course, 3)
        ended(course)
        monkeypatch.setattr("enrollments.tasks.EXPIRED_AT_ONCE", 2)

        sweep()
        after_one = participation(*ids)
        sweep()

        assert (after_one, participation(*ids)) == (["completed", "completed", "active"], ["completed"] * 3)


class TestAnEnrollmentThatCanNotBeCompleted:
    """The reactions to its end fail every time."""

    @pytest.fixture
    def ids(self, course: ProgramInstance, monkeypatch: pytest.MonkeyPatch) -> list[int]:
        found = active(course, 5)
        ended(course)
        poisoned = Enrollment.objects.get(pk=found[2]).cuid

        def choke(*events: Any) -> None:
            if any(getattr(event, "enrollment_cuid", None) == poisoned for event in events):
                raise ValueError("a handler that can't cope")
            publish(*events)

        monkeypatch.setattr(expiry, "publish", choke)
        return found

    def test_does_not_keep_the_others_of_its_batch_from_being_completed(self, ids: list[int]) -> None:
        before = OutboxEvent.objects.count()

        (batch,) = expire_in_batches(at_most=100, clock=utc_now)

        assert (batch.completed, batch.failed) == ([*ids[:2], *ids[3:]], [ids[2]])
        assert participation(*ids) == ["completed", "completed", "active", "completed", "completed"]
        assert EnrollmentTransition.objects.filter(to_status="completed").count() == 4
        assert OutboxEvent.objects.count() == before + 4

    def test_is_told_to_staff_once(self, ids: list[int]) -> None:
        sweep()
        sweep()

        task = StaffTask.objects.get()
        assert (task.kind, task.subject) == ("enrollment_not_completed", f"enrollment:{ids[2]}")
        assert task.summary.endswith("is past its end and can't be completed: ValueError.")

    def test_is_completed_with_its_task_once_it_is_put_right(
        self, ids: list[int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sweep()
        monkeypatch.setattr(expiry, "publish", publish)

        sweep()

        assert participation(ids[2]) == ["completed"]
        assert StaffTask.objects.get().status == "done"

    def test_is_counted_by_the_command(self, ids: list[int]) -> None:
        assert TestTheCommand().run() == {"dry_run": False, "due": 5, "expired": 4, "failed": 1}

    def test_is_counted_as_left_by_the_integrator_s_call(self, course: ProgramInstance, ids: list[int]) -> None:
        answer = Api(course.workspace).patch("/api/enrolment/expired", {})

        assert [each["id"] for each in answer.json()["enrolments"]] == [*ids[:2], *ids[3:]]
        assert answer["X-Remaining"] == "1"

    def test_is_not_blamed_for_a_database_that_goes_away(self, ids: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
        def is_away(*events: Any) -> None:
            raise OperationalError("the server closed the connection")

        monkeypatch.setattr(expiry, "publish", is_away)

        with pytest.raises(OperationalError):
            sweep()

        assert not StaffTask.objects.exists()
        assert participation(*ids) == ["active"] * 5


class TestPatchExpired:
    @pytest.mark.sqlite
    def test_lists_what_it_completed_and_says_how_many_are_left(
        self, course: ProgramInstance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ids = active(course, 3)
        foreign = InstanceFactory(price=None)
        (elsewhere,) = active(foreign)
        ended(course)
        ended(foreign)
        monkeypatch.setattr("enrollments.api.enrolment.expired.AT_MOST", 2)

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

        assert self.run("--dry-run") == {"dry_run": True, "due": 2, "expired": 0, "failed": 0}
        assert participation(*ids) == ["active"] * 2

    def test_stops_at_its_limit_and_goes_on_the_next_time(self, course: ProgramInstance) -> None:
        ids = active(course, 3)
        ended(course)

        assert self.run("--limit", "2") == {"dry_run": False, "due": 3, "expired": 2, "failed": 0}
        assert self.run() == {"dry_run": False, "due": 1, "expired": 1, "failed": 0}
        assert participation(*ids) == ["completed"] * 3
        assert not Enrollment.objects.due_to_expire(now=utc_now()).exists()
