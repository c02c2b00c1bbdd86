"""What staff do for learners in courses: sessions, attendance, packages, the waiting list; and what they see."""

import datetime as dt
import re

import pytest
from django.urls import reverse

from accounts.models import Workspace
from accounts.states import Role
from accounts.tests.factories import LearnerFactory
from backoffice.tests.staff_client import StaffClient, said
from cohorts.course.scheduling import schedule_cohort
from cohorts.models import (
    ClassSession,
    Cohort,
    CohortPlace,
    StudentPackage,
    WaitlistEntry,
)
from cohorts.tests.factories import CohortFactory, buy, buy_on_rows, start
from cohorts.tests.staff_pages import begin_now, cohort_in, counters, faults, press, wait_for
from core.clock import utc_now
from enrollments.lifecycle import unenroll_enrollment
from enrollments.tests.factories import STAFF
from sandbox.testing import SandboxProcess
from tests.lock_order import recorded_locks

pytestmark = pytest.mark.django_db(transaction=True)


class TestASession:
    def test_keeps_seats_for_those_who_booked(self, workspace: Workspace, manager: StaffClient) -> None:
        cohort = cohort_in(workspace, options=(1,))
        buy_on_rows(cohort)
        buy_on_rows(cohort)
        session = ClassSession.objects.get()
        form = {"date": session.date, "start_time": "17:00", "end_time": "18:00"}

        response = press(manager, session, "reschedule", **form, max_students=1)

        assert "Seats booked: 2" in faults(response)["__all__"][0]
        assert ClassSession.objects.get().max_students == 10

    def test_moves_with_its_bookings(self, workspace: Workspace, manager: StaffClient) -> None:
        buy_on_rows(cohort_in(workspace, options=(1,)))
        session = ClassSession.objects.get()
        day = session.date + dt.timedelta(days=1)

        response = press(manager, session, "reschedule", date=day, start_time="09:00", end_time="10:00", max_students=3)

        moved = ClassSession.objects.get()
        assert (moved.date, moved.max_students, moved.booked_count) == (day, 3, 1)
        assert re.search(r"9:00 to 10:00 AM C[SD]T, 2 seats left\.$", said(response)[0])

    def test_is_not_moved_by_a_reviewer(self, workspace: Workspace, reviewer: StaffClient) -> None:
        cohort_in(workspace, options=(1,))
        session = ClassSession.objects.get()

        response = press(reviewer, session, "reschedule", date="2027-01-01")

        assert response.status_code == 403
        assert ClassSession.objects.get().date == session.date


class TestAttendance:
    def test_is_taken_for_all_at_once(self, workspace: Workspace, reviewer: StaffClient) -> None:
        cohort = cohort_in(workspace, options=(1,))
        came, missed = buy_on_rows(cohort), buy_on_rows(cohort)
        session = ClassSession.objects.get()
        begin_now(session)

        response = press(reviewer, session, "take_attendance", came=[came.progress.get().pk])

        assert said(response) == [f"{session}: 1 of 2 came."]
        assert (came.progress.get().status, missed.progress.get().status) == ("COMPLETED", "MISSED")
        assert type(came.enrollment).objects.get(pk=came.enrollment_id).participation_status == "completed"

    def test_locks_in_the_order_of_the_keys_though_it_is_listed_by_name(
        self, workspace: Workspace, reviewer: StaffClient
    ) -> None:
        cohort = cohort_in(workspace, options=(1,))
        packages = [
            buy_on_rows(cohort, LearnerFactory(workspace=workspace, last_name=name)) for name in ("Young", "Adams")
        ]
        session = ClassSession.objects.get()
        begin_now(session)

        with recorded_locks() as recorder:
            press(reviewer, session, "take_attendance", came=[each.progress.get().pk for each in packages])

        assert recorder.rows_out_of_order() == []
        assert [each.progress.get().status for each in packages] == ["COMPLETED", "COMPLETED"]

    def test_can_be_corrected_after_the_course_of_one_has_ended(
        self, workspace: Workspace, reviewer: StaffClient
    ) -> None:
        cohort = cohort_in(workspace, options=(1,))
        left, stayed = buy_on_rows(cohort), buy_on_rows(cohort)
        session = ClassSession.objects.get()
        begin_now(session)
        press(reviewer, session, "take_attendance", came=[left.progress.get().pk])
        unenroll_enrollment(enrollment_id=left.enrollment_id, actor=STAFF, reason="Asked to", now=utc_now())

        response = press(reviewer, session, "take_attendance", came=[stayed.progress.get().pk])

        assert said(response)[-1] == f"{session}: 1 of 1 came."
        assert (left.progress.get().status, stayed.progress.get().status) == ("COMPLETED", "COMPLETED")

    def test_waits_for_the_session(self, workspace: Workspace, reviewer: StaffClient) -> None:
        package = buy_on_rows(cohort_in(workspace, options=(1,)))

        response = press(reviewer, ClassSession.objects.get(), "take_attendance", came=[])

        assert "is no longer possible" in said(response)[0]
        assert package.progress.get().status == "BOOKED"

    def test_of_selected_bookings_counts_the_refused(self, workspace: Workspace, reviewer: StaffClient) -> None:
        cohort = cohort_in(workspace, options=(1, 1))
        package = buy_on_rows(cohort)
        begun, coming = package.progress.order_by("step__order")
        assert begun.class_session is not None
        begin_now(begun.class_session)
        form = {"action": "attended_selected", "_selected_action": [begun.pk, coming.pk], "_confirmed": "1"}

        response = reviewer.confirm(reverse("admin:cohorts_stepprogress_changelist"), form)

        assert said(response)[0] == "Attended: 1 done."
        assert "not possible" in said(response)[1]
        assert list(package.progress.order_by("step__order").values_list("status", flat=True)) == [
            "COMPLETED",
            "BOOKED",
        ]

    def test_is_not_taken_by_a_viewer(self, workspace: Workspace) -> None:
        package = buy_on_rows(cohort_in(workspace, options=(1,)))
        session = ClassSession.objects.get()
        begin_now(session)

        response = press(StaffClient(workspace=workspace, role=Role.VIEWER), session, "take_attendance", came=[])

        assert response.status_code == 403
        assert package.progress.get().status == "BOOKED"


class TestAPackage:
    def test_gets_the_sessions_that_staff_choose(self, workspace: Workspace, reviewer: StaffClient) -> None:
        package = buy_on_rows(cohort_in(workspace, options=(1, 2)))
        row = package.progress.get(status="UNBOOKED")
        option = row.step.options.order_by("id").last()
        assert option is not None

        response = press(reviewer, package, "book_steps", **{f"step_{row.step_id}": option.pk})

        assert said(response) == [f"{package.learner}, {package}: 1 session booked."]
        assert package.progress.get(step=row.step_id).option_id == option.pk

    def test_is_told_when_the_chosen_session_is_full(self, workspace: Workspace, reviewer: StaffClient) -> None:
        package = buy_on_rows(cohort_in(workspace, options=(2,)))
        row = package.progress.get()
        ClassSession.objects.update(max_students=0)
        option = row.step.options.order_by("id").first()
        assert option is not None

        response = press(reviewer, row, "choose_session", option=option.pk)

        assert "filled up" in faults(response)["__all__"][0]
        assert package.progress.get().status == "UNBOOKED"

    def test_changes_one_session_for_another(self, workspace: Workspace, reviewer: StaffClient) -> None:
        package = buy_on_rows(cohort_in(workspace, options=(2,)))
        row = package.progress.get()
        first, second = row.step.options.order_by("pk")

        press(reviewer, row, "choose_session", option=first.pk)
        press(reviewer, row, "choose_session", option=second.pk)

        assert package.progress.get().option_id == second.pk
        booked = ClassSession.objects.order_by("group_class__options__pk").values_list("booked_count", flat=True)
        assert list(booked) == [0, 1]

    def test_gives_a_session_back(self, workspace: Workspace, reviewer: StaffClient) -> None:
        package = buy_on_rows(cohort_in(workspace, options=(1,)))

        press(reviewer, package.progress.get(), "give_back")

        assert package.progress.get().status == "UNBOOKED"
        assert ClassSession.objects.get().booked_count == 0

    def test_moves_to_another_cohort_with_its_place(self, workspace: Workspace, reviewer: StaffClient) -> None:
        old = cohort_in(workspace, max_enrollment=1)
        new = CohortFactory(instance=old.instance, start_date=old.start_date + dt.timedelta(weeks=2))
        schedule_cohort(cohort_id=new.pk)
        package = buy_on_rows(old)

        response = press(reviewer, package, "move", cohort=new.pk)

        assert said(response) == [f"{package.learner} is in {new} now."]
        taken = dict(Cohort.objects.values_list("pk", "current_enrollment"))
        assert taken == {old.pk: 0, new.pk: 1}

    def test_does_not_move_into_a_full_cohort(
        self, workspace: Workspace, reviewer: StaffClient, stripe: SandboxProcess
    ) -> None:
        old = cohort_in(workspace)
        full = CohortFactory(instance=old.instance, max_enrollment=1)
        CohortFactory(instance=old.instance)
        start(full)
        package = buy(stripe, old)

        response = press(reviewer, package, "move", cohort=full.pk)

        assert list(faults(response)) == ["cohort"]
        assert StudentPackage.objects.get().cohort_id == old.pk


class TestTheWaitingList:
    def test_is_reordered_with_a_note_only(
        self, workspace: Workspace, reviewer: StaffClient, stripe: SandboxProcess
    ) -> None:
        cohort = cohort_in(workspace, max_enrollment=1)
        start(cohort)
        first, second = wait_for(cohort), wait_for(cohort)

        silent = press(reviewer, second, "move_in_line", position=1, note="")
        unmoved = line_of(cohort)
        press(reviewer, second, "move_in_line", position=1, note="A sibling is in the cohort")

        assert list(faults(silent)) == ["note"]
        assert unmoved == [first.pk, second.pk]
        assert line_of(cohort) == [second.pk, first.pk]
        assert WaitlistEntry.objects.get(pk=second.pk).note == "A sibling is in the cohort"

    def test_passes_the_place_on_when_the_offered_is_removed(
        self, workspace: Workspace, reviewer: StaffClient, manager: StaffClient, stripe: SandboxProcess
    ) -> None:
        cohort = cohort_in(workspace, max_enrollment=1)
        start(cohort)
        first, second = wait_for(cohort), wait_for(cohort)
        press(manager, cohort, "change_places", max_enrollment=2)

        press(reviewer, first, "remove")

        assert dict(WaitlistEntry.objects.values_list("pk", "status")) == {first.pk: "declined", second.pk: "offered"}
        assert counters() == (0, 2)
        assert CohortPlace.objects.filter(status="held").count() == 2


def line_of(cohort: Cohort) -> list[int]:
    return list(
        WaitlistEntry.objects.filter(cohort=cohort, status="waiting").order_by("rank").values_list("pk", flat=True)
    )
