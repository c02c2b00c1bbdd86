"""Leaving a program today, or on a later day by a plan."""

import datetime as dt
from collections.abc import Callable

import pytest
from django.db.models import DateField, Value
from django.test import Client
from django.urls import reverse

from accounts.models import Workspace
from accounts.states import Role
from accounts.tests.factories import WorkspaceFactory, proven_user
from backoffice.tests.staff_client import StaffClient, said
from core.actors import Actor
from core.errors import Invalid, NotFound, TransitionNotAllowed
from core.local_time import has_come, known_zones, local_date
from enrollments import exit as leaving
from enrollments.errors import EnrollmentOver, ExitSettled, StatusMoved
from enrollments.exit import carry_out_due_exits, find_planned_exit, plan_exit, withdraw_exit
from enrollments.lifecycle import finish_participation, lock_to_end, unenroll_enrollment
from enrollments.models import DistrictSeatAllocation, Enrollment, EnrollmentTransition, PlannedExit
from enrollments.tests.factories import STAFF, CandidateFactory, InstanceFactory, approved_enrollment, route, seats
from events.models import OutboxEvent
from notifications.models import Notification
from notifications.sending import send_due_notifications

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2026, 9, 2, 15, 0, tzinfo=dt.UTC)  # 10:00 in Chicago
TODAY = dt.date(2026, 9, 2)
LATER = dt.date(2026, 9, 10)
DAY_BEGINS = dt.datetime(2026, 9, 10, 5, 0, tzinfo=dt.UTC)  # midnight in Chicago
MINUTE = dt.timedelta(minutes=1)


@pytest.fixture
def enrolled() -> Enrollment:
    """Return an approved enrollment without payment, in Chicago, whose family has already been told."""
    workspace = _chicago()
    candidate = CandidateFactory(instance=InstanceFactory(workspace=workspace), workspace=workspace)
    enrollment = approved_enrollment(candidate, now=NOW)
    Notification.objects.all().delete()
    return enrollment


def _chicago() -> Workspace:
    workspace: Workspace = WorkspaceFactory(timezone="America/Chicago")
    return workspace


def plan(enrollment: Enrollment, *, on: dt.date | None = LATER, reason: str = "Moves away", **more: object) -> None:
    given: dict[str, object] = {"actor": STAFF, "now": NOW} | more
    plan_exit(enrollment_id=enrollment.pk, effective_date=on, reason=reason, **given)  # type: ignore[arg-type]


def saved(enrollment: Enrollment) -> Enrollment:
    return Enrollment.objects.get(pk=enrollment.pk)


def told() -> list[tuple[str, str]]:
    return list(Notification.objects.order_by("pk").values_list("kind", "status"))


class TestLeaving:
    @pytest.mark.parametrize("day", [None, TODAY])
    def test_today_ends_the_enrollment_at_once(self, enrolled: Enrollment, day: dt.date | None) -> None:
        plan(enrolled, on=day, metadata={"exitInterview": "Was happy"})

        after = saved(enrolled)
        assert (after.eligibility_status, after.participation_status) == ("unenrolled", "withdrawn")
        assert after.metadata == {"exitInterview": "Was happy"}
        assert not PlannedExit.objects.exists()

    def test_today_is_the_day_in_the_workspace(self, enrolled: Enrollment) -> None:
        """It is already the third in Europe."""
        plan(enrolled, on=TODAY, now=dt.datetime(2026, 9, 3, 4, 59, tzinfo=dt.UTC))

        assert saved(enrolled).eligibility_status == "unenrolled"

    @pytest.mark.parametrize("day", [TODAY - dt.timedelta(days=1), dt.date(1066, 10, 14)])
    def test_on_a_day_that_is_over_is_refused(self, enrolled: Enrollment, day: dt.date) -> None:
        with pytest.raises(Invalid) as refusal:
            plan(enrolled, on=day)

        assert [fault.field for fault in refusal.value.errors] == ["effectiveDate"]
        assert saved(enrolled).eligibility_status == "approved"
        assert not PlannedExit.objects.exists()

    @pytest.mark.parametrize("day", [TODAY, LATER])
    def test_needs_a_reason(self, enrolled: Enrollment, day: dt.date) -> None:
        with pytest.raises(Invalid):
            plan(enrolled, on=day, reason="  ")

        assert saved(enrolled).eligibility_status == "approved"
        assert not PlannedExit.objects.exists()

    @pytest.mark.parametrize("day", [TODAY, LATER])
    def test_with_more_metadata_than_may_be_kept_is_refused(self, enrolled: Enrollment, day: dt.date) -> None:
        with pytest.raises(Invalid) as refusal:
            plan(enrolled, on=day, metadata={"exitInterview": "x" * 20_000})

        assert [fault.field for fault in refusal.value.errors] == ["metadata"]
        assert (saved(enrolled).eligibility_status, saved(enrolled).metadata) == ("approved", {})
        assert not PlannedExit.objects.exists()

    def test_is_only_for_the_approved(self) -> None:
        candidate = CandidateFactory()

        with pytest.raises(TransitionNotAllowed) as refusal:
            plan(candidate)

        assert refusal.value.detail == "An enrollment that is candidate can't become unenrolled."
        assert not PlannedExit.objects.exists()

    @pytest.mark.parametrize("day", [TODAY, LATER])
    def test_refuses_a_caller_who_saw_another_status(self, enrolled: Enrollment, day: dt.date) -> None:
        with pytest.raises(StatusMoved):
            plan(enrolled, on=day, expected_status="submitted")

        assert saved(enrolled).eligibility_status == "approved"
        assert not PlannedExit.objects.exists()


class TestPlanning:
    def test_changes_nothing_before_the_day(self, enrolled: Enrollment) -> None:
        plan(enrolled, note="Called us", metadata={"exitInterview": "Was happy"})

        planned = PlannedExit.objects.get()
        after = saved(enrolled)
        assert (after.eligibility_status, after.metadata) == ("approved", {})
        assert (planned.effective_date, planned.reason, planned.note) == (LATER, "Moves away", "Called us")
        assert (planned.status, planned.planned_by) == ("planned", "user:1")
        event = OutboxEvent.objects.get(type="enrollment.exit_planned")
        assert event.payload == {
            "enrollmentId": enrolled.cuid,
            "programInstanceId": enrolled.instance.cuid,
            "effectiveDate": "2026-09-10",
        }

    def test_again_for_another_day_replaces_the_plan(self, enrolled: Enrollment) -> None:
        plan(enrolled)

        plan(enrolled, on=LATER + dt.timedelta(days=1), actor=Actor("key", 3))

        first, second = PlannedExit.objects.order_by("pk")
        assert (first.status, first.settled_by, first.settled_at) == ("replaced", "key:3", NOW)
        assert (second.status, second.effective_date) == ("planned", dt.date(2026, 9, 11))
        assert find_planned_exit(enrolled.pk) == second
        assert OutboxEvent.objects.filter(type="enrollment.exit_planned").count() == 2

    def test_the_same_again_changes_and_tells_nothing(self, enrolled: Enrollment) -> None:
        plan(enrolled)

        plan(enrolled)

        assert PlannedExit.objects.get().status == "planned"
        assert OutboxEvent.objects.filter(type="enrollment.exit_planned").count() == 1
        assert told() == [("enrollment_exit_planned", "pending")]

    def test_is_overtaken_by_an_end_before_the_day(self, enrolled: Enrollment) -> None:
        plan(enrolled)

        unenroll_enrollment(enrollment_id=enrolled.pk, actor=STAFF, reason="Left today", now=NOW)

        planned = PlannedExit.objects.get()
        assert (planned.status, planned.settled_by, planned.settled_at) == ("overtaken", "system", NOW)

    def test_is_overtaken_by_the_completion(self, enrolled: Enrollment) -> None:
        plan(enrolled)

        finish_participation(enrollment_id=enrolled.pk, actor=STAFF, reason="Done", now=NOW)
        carry_out_due_exits(now=DAY_BEGINS)

        assert PlannedExit.objects.get().status == "overtaken"
        assert saved(enrolled).eligibility_status == "approved"

    def test_is_refused_for_what_is_completed(self, enrolled: Enrollment) -> None:
        finish_participation(enrollment_id=enrolled.pk, actor=STAFF, reason="Done", now=NOW)

        with pytest.raises(EnrollmentOver):
            plan(enrolled)

        assert not PlannedExit.objects.exists()


class TestWithdrawing:
    def test_lets_the_enrollment_go_on(self, enrolled: Enrollment) -> None:
        plan(enrolled)

        withdraw_exit(planned_exit_id=PlannedExit.objects.get().pk, actor=STAFF, now=NOW)
        carry_out_due_exits(now=DAY_BEGINS)

        assert PlannedExit.objects.get().status == "withdrawn"
        assert saved(enrolled).eligibility_status == "approved"
        assert OutboxEvent.objects.get(type="enrollment.exit_withdrawn").payload["effectiveDate"] == "2026-09-10"

    def test_what_no_longer_waits_is_refused(self, enrolled: Enrollment) -> None:
        plan(enrolled)
        carry_out_due_exits(now=DAY_BEGINS)

        with pytest.raises(ExitSettled) as refusal:
            withdraw_exit(planned_exit_id=PlannedExit.objects.get().pk, actor=STAFF, now=DAY_BEGINS)

        assert refusal.value.detail == "The exit on 2026-09-10 is carried out already."
        assert not OutboxEvent.objects.filter(type="enrollment.exit_withdrawn").exists()

    def test_what_was_never_planned_is_not_found(self) -> None:
        with pytest.raises(NotFound):
            withdraw_exit(planned_exit_id=1, actor=STAFF, now=NOW)


class TestTheSweep:
    def test_ends_the_enrollment_when_the_day_begins_where_the_workspace_is(self, enrolled: Enrollment) -> None:
        plan(enrolled, note="Called us", metadata={"exitInterview": "Was happy"})

        before = carry_out_due_exits(now=DAY_BEGINS - MINUTE)
        on_the_day = carry_out_due_exits(now=DAY_BEGINS)

        after = saved(enrolled)
        end = EnrollmentTransition.objects.get(enrollment=enrolled, to_status="unenrolled")
        assert (before, on_the_day) == (0, 1)
        assert (after.eligibility_status, after.participation_status) == ("unenrolled", "withdrawn")
        assert after.metadata == {"exitInterview": "Was happy"}
        assert (end.reason, end.note, end.actor) == ("Moves away", "Called us", "user:1")
        assert PlannedExit.objects.get().status == "carried_out"

    def test_gives_the_seat_back_on_the_day_and_not_before(self) -> None:
        workspace = InstanceFactory(workspace=_chicago()).workspace
        seats(workspace, total=1)
        plan(route(workspace, now=NOW).decision.enrollment)
        held = DistrictSeatAllocation.objects.get().used_seats

        carry_out_due_exits(now=DAY_BEGINS)

        assert (held, DistrictSeatAllocation.objects.get().used_seats) == (1, 0)

    def test_run_twice_ends_once(self, enrolled: Enrollment) -> None:
        plan(enrolled)

        answers = [carry_out_due_exits(now=DAY_BEGINS), carry_out_due_exits(now=DAY_BEGINS)]

        assert answers == [1, 0]
        assert EnrollmentTransition.objects.filter(enrollment=enrolled, to_status="unenrolled").count() == 1

    def test_takes_up_as_many_as_it_is_told(self) -> None:
        instance = InstanceFactory(workspace=_chicago())
        for _ in range(3):
            candidate = CandidateFactory(instance=instance, workspace=instance.workspace)
            plan(approved_enrollment(candidate, now=NOW))

        answers = [carry_out_due_exits(limit=2, now=DAY_BEGINS) for _ in range(2)]

        assert answers == [2, 1]

    def test_goes_on_with_the_others_when_one_fails(
        self, enrolled: Enrollment, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        candidate = CandidateFactory(instance=enrolled.instance, workspace=enrolled.workspace)
        other = approved_enrollment(candidate, now=NOW)
        plan(enrolled)
        plan(other)
        monkeypatch.setattr(leaving, "lock_to_end", fail_for(enrolled.pk, lock_to_end))

        carry_out_due_exits(now=DAY_BEGINS)

        failed = PlannedExit.objects.get(enrollment=enrolled)
        assert saved(enrolled).eligibility_status == "approved"
        assert saved(other).eligibility_status == "unenrolled"
        assert (failed.status, failed.attempts, failed.last_error) == ("planned", 1, "TimeoutError")

    def test_lets_the_learner_enroll_again(self, enrolled: Enrollment) -> None:
        plan(enrolled)
        carry_out_due_exits(now=DAY_BEGINS)

        again = CandidateFactory(
            instance=enrolled.instance, workspace=enrolled.workspace, learner=enrolled.learner, previous=enrolled
        )

        assert approved_enrollment(again, now=DAY_BEGINS).eligibility_status == "approved"


@pytest.mark.sqlite
class TestTheDay:
    @pytest.mark.parametrize("hour", [0, 5, 10, 11, 14, 23])
    def test_has_come_where_the_clock_says_so(self, hour: int) -> None:
        """In every time zone there is, at hours when the world has two or three dates."""
        now = dt.datetime(2026, 9, 10, hour, 1, tzinfo=dt.UTC)
        zones = sorted(known_zones())
        Workspace.objects.bulk_create(
            Workspace(slug=f"zone-{number}", name=zone, timezone=zone) for number, zone in enumerate(zones)
        )

        with_a_plan = Workspace.objects.annotate(effective_date=Value(LATER, output_field=DateField()))
        come = with_a_plan.filter(has_come(now=now, date="effective_date", zone="timezone"))

        there = [zone for zone in zones if local_date(now, zone) >= LATER]
        assert sorted(come.values_list("timezone", flat=True)) == there


class TestTheFamily:
    def test_is_told_of_the_plan_and_again_of_the_end(self, enrolled: Enrollment, mailoutbox: list[object]) -> None:
        plan(enrolled)
        send_due_notifications(now=NOW)
        carry_out_due_exits(now=DAY_BEGINS)
        send_due_notifications(now=DAY_BEGINS)

        first, second = (str(mail.subject) for mail in mailoutbox)  # type: ignore[attr-defined]
        learner, program = enrolled.learner, enrolled.instance.program
        assert learner is not None
        assert first == f"{learner.first_name} leaves {program.title} on September 10, 2026"
        assert second == f"{learner.first_name} is no longer enrolled in {program.title}"

    @pytest.mark.sqlite
    def test_is_told_that_it_goes_on(self, enrolled: Enrollment) -> None:
        plan(enrolled)
        send_due_notifications(now=NOW)

        withdraw_exit(planned_exit_id=PlannedExit.objects.get().pk, actor=STAFF, now=NOW)
        send_due_notifications(now=NOW)

        assert told() == [("enrollment_exit_planned", "sent"), ("enrollment_exit_withdrawn", "sent")]

    def test_is_not_told_of_a_plan_that_was_replaced_before_its_mail_went(
        self, enrolled: Enrollment, mailoutbox: list[object]
    ) -> None:
        plan(enrolled)
        plan(enrolled, on=LATER + dt.timedelta(days=1))

        send_due_notifications(now=NOW)

        assert told() == [("enrollment_exit_planned", "skipped"), ("enrollment_exit_planned", "sent")]
        assert [mail.subject[-18:] for mail in mailoutbox] == ["September 11, 2026"]  # type: ignore[attr-defined]

    @pytest.mark.sqlite
    def test_of_a_district_hears_it_from_the_integrator(self) -> None:
        workspace = InstanceFactory(workspace=_chicago()).workspace
        seats(workspace, total=1)

        plan(route(workspace, now=NOW).decision.enrollment)
        carry_out_due_exits(now=DAY_BEGINS)

        assert told() == []


def fail_for(enrollment_id: int, lock: Callable[[int], object]) -> Callable[[int], object]:
    def lock_or_fail(asked_for: int) -> object:
        if asked_for == enrollment_id:
            raise TimeoutError
        return lock(asked_for)

    return lock_or_fail


class TestThePages:
    @pytest.mark.sqlite
    def test_of_the_family_say_when_the_learner_leaves(self, enrolled: Enrollment) -> None:
        plan(enrolled)
        user = proven_user("mia@home.test")
        assert enrolled.learner is not None
        enrolled.learner.user = user
        enrolled.learner.save()
        client = Client()
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")

        page = client.get("/my/enrollments").content.decode()

        assert "Leaves on September 10, 2026." in page

    @pytest.mark.sqlite
    def test_of_staff_show_the_plan_beside_the_enrollment_and_withdraw_it(self, enrolled: Enrollment) -> None:
        plan(enrolled)
        planned = PlannedExit.objects.get()
        reviewer = StaffClient(workspace=enrolled.workspace, role=Role.REVIEWER)

        page = reviewer.get(reverse("admin:enrollments_enrollment_change", args=[enrolled.pk])).content.decode()
        answer = reviewer.confirm(reverse("admin:enrollments_plannedexit_withdraw", args=[planned.pk]))

        planned.refresh_from_db()
        assert "On Sep 10, 2026" in page
        assert said(answer) == [f"{enrolled.learner}, {enrolled.instance}: the exit on Sep 10, 2026 is withdrawn."]
        assert (planned.status, planned.settled_by) == ("withdrawn", f"user:{reviewer.user.pk}")

    def test_of_staff_plan_an_exit(self, enrolled: Enrollment) -> None:
        reviewer = StaffClient(workspace=enrolled.workspace, role=Role.REVIEWER)

        answer = reviewer.confirm(
            reverse("admin:enrollments_enrollment_unenroll", args=[enrolled.pk]),
            {"reason": "Moves away", "effective_date": "2100-01-01"},
        )

        assert said(answer) == [f"{enrolled.learner} leaves {enrolled.instance} on Jan 1, 2100."]
        assert PlannedExit.objects.get().effective_date == dt.date(2100, 1, 1)

    def test_of_staff_refuse_a_day_that_is_over(self, enrolled: Enrollment) -> None:
        reviewer = StaffClient(workspace=enrolled.workspace, role=Role.REVIEWER)

        page = reviewer.confirm(
            reverse("admin:enrollments_enrollment_unenroll", args=[enrolled.pk]),
            {"reason": "Moves away", "effective_date": "2020-01-01"},
        )

        assert "or a later day." in str(page.context["form"].errors["effective_date"])
        assert saved(enrolled).eligibility_status == "approved"
