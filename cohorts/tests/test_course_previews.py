"""What the buttons of courses, their learners, and the line foretell, and that they do that; who may press them."""

import pytest

from accounts.models import Workspace
from accounts.states import Role
from accounts.tests.factories import LearnerFactory
from backoffice.tests.staff_client import StaffClient, foreseen, listed, said
from cohorts.admin.display import meeting_time
from cohorts.consequences import find_stake_of_payment, tell_completions, tell_end_of_holding
from cohorts.course.curriculum import add_step
from cohorts.learning.attendance import excuse_step, mark_attended, mark_missed
from cohorts.learning.booking import cancel_booking
from cohorts.models import (
    ClassSession,
    Cohort,
    CourseStep,
    StepProgress,
    StudentPackage,
    WaitlistEntry,
)
from cohorts.sale.waitlist import leave_waitlist, offer_free_places
from cohorts.tests.factories import CohortFactory, buy_on_rows, cohort_with, reserve
from cohorts.tests.staff_pages import ask, begin_now, cohort_in, counters, list_of, press, url_of, wait_for
from core.clock import utc_now
from enrollments.lifecycle import unenroll_enrollment
from enrollments.tests.factories import STAFF

pytestmark = pytest.mark.django_db


class TestThePlacesOfACohort:
    def test_are_foretold_not_to_fall_below_those_in_use(self, manager: StaffClient, package: StudentPackage) -> None:
        reserve(package.cohort, LearnerFactory(workspace=package.program.workspace))

        told = ask(manager, package.cohort, "change_places", max_enrollment=1)
        fits = ask(manager, package.cohort, "change_places", max_enrollment=2)

        assert told == ("Not possible. Places taken or held: 2.", "No mail is sent.")
        assert fits[:2] == ("Fall has 2 places instead of 10.", "Places left then: 0.")

    def test_are_not_on_sale_before_what_is_missing_is_there(self, manager: StaffClient, workspace: Workspace) -> None:
        cohort = CohortFactory(instance__workspace=workspace, is_active=False)

        told = foreseen(manager.get(url_of(cohort, "open_sale")))

        assert told[-1] == "No mail is sent."
        assert told[:-1]
        assert all(line.startswith("Not possible yet: ") for line in told[:-1])
        assert not Cohort.objects.get().is_active

    def test_come_without_sessions_if_the_course_has_no_classes(
        self, manager: StaffClient, workspace: Workspace
    ) -> None:
        cohort = CohortFactory(instance__workspace=workspace)
        form = {"name": "Next", "start_date": "2094-01-11", "instance": cohort.instance_id}

        told = ask(manager, cohort, "clone", **form)

        assert told[3] == "No session is put on the calendar: the course has no classes."
        assert Cohort.objects.count() == 1


class TestTheLine:
    @pytest.fixture
    def full(self, workspace: Workspace) -> Cohort:
        cohort = cohort_in(workspace, max_enrollment=1, name="Fall")
        buy_on_rows(cohort)
        return cohort

    def offer(self, cohort: Cohort) -> None:
        Cohort.objects.filter(pk=cohort.pk).update(max_enrollment=2)
        offer_free_places(cohort_id=cohort.pk, now=utc_now())

    def test_is_left_by_one_who_has_no_offer_without_freeing_a_place(self, reviewer: StaffClient, full: Cohort) -> None:
        entry = wait_for(full)

        told = foreseen(reviewer.get(url_of(entry, "remove")))

        assert told == (f"{entry.learner} is no longer in the line for Fall.", "No mail is sent.")

    def test_is_left_with_the_payment_page_that_was_opened(self, reviewer: StaffClient, full: Cohort) -> None:
        entry = wait_for(full)
        self.offer(full)
        reserve(full, entry.learner)

        told = foreseen(reviewer.get(url_of(entry, "remove")))
        answer = press(reviewer, entry, "remove")

        assert told == (
            f"{entry.learner} is no longer in the line for Fall.",
            "Their payment page over 49.00 USD ends, and the place is free then.",
            "No other mail is sent.",
        )
        assert said(answer) == [f"{entry.learner} is no longer on the waiting list."]
        assert counters() == (1, 1)

    def test_stays_as_it_is_for_one_who_is_put_where_they_are(self, reviewer: StaffClient, full: Cohort) -> None:
        entry = wait_for(full)

        told = ask(reviewer, entry, "move_in_line", position=7, note="Asked")

        assert told == (f"{entry.learner} is number 1 of 1 in the line, instead of 1.", "No mail is sent.")

    def test_is_not_for_one_with_an_offer_to_move_in(self, reviewer: StaffClient, full: Cohort) -> None:
        entry = wait_for(full)
        self.offer(full)

        answer = press(reviewer, entry, "move_in_line", position=1, note="Asked")

        assert "Move in the line is no longer possible" in said(answer)[0]
        assert WaitlistEntry.objects.get().note == ""

    def test_is_listed_with_the_position_of_those_who_wait(self, reviewer: StaffClient, full: Cohort) -> None:
        first, second, third, left = (wait_for(full) for _ in range(4))
        elsewhere = cohort_with(max_enrollment=1)
        buy_on_rows(elsewhere)
        wait_for(elsewhere)
        leave_waitlist(learner_id=left.learner_id, cohort_id=full.pk, now=utc_now())
        self.offer(full)
        cohort = f"{full.instance.program}, Fall"

        rows = listed(reviewer, list_of("waitlistentry"))

        assert [row[:4] for row in rows] == [
            [str(first.learner), cohort, "—", "Offered"],
            [str(second.learner), cohort, "next", "Waiting"],
            [str(third.learner), cohort, "2", "Waiting"],
            [str(left.learner), cohort, "—", "Left"],
        ]


def cohort_of(package: StudentPackage, *, step: CourseStep) -> Cohort:
    """Return another cohort of the course, which has a session for this step alone."""
    made: Cohort = CohortFactory(instance=package.cohort.instance, name="Late")
    made.sessions.exclude(step=step).delete()
    return made


class TestAMove:
    def test_tells_which_steps_count_as_attended_and_whose_course_that_completes(
        self, reviewer: StaffClient, package: StudentPackage
    ) -> None:
        first, second = package.progress.select_related("step").order_by("step__order")
        late = cohort_of(package, step=second.step)
        form = {"cohort": late.pk, "stranded": "excuse", "excuse": "Joined late"}
        with_more_to_do = ask(reviewer, package, "move", **form)
        mark_attended(progress_id=second.pk, actor=STAFF, now=utc_now())

        told = ask(reviewer, package, "move", **form)
        waits = ask(reviewer, package, "move", **{**form, "stranded": "catch_up"})
        answer = press(reviewer, package, "move", **form)

        assert with_more_to_do[-2:] == (
            "Steps that have no session there and count as attended: Week 1.",
            "The family gets a mail.",
        )
        assert told[2:] == (
            "Steps that have no session there and count as attended: Week 1.",
            f"Ana Ruiz completes {package.program.title} by it.",
            "The family gets a mail.",
        )
        assert waits[2:-1] == (
            "Steps that have no session there and wait for another session: you get a task for each: Week 1.",
        )
        assert said(answer) == ["Ana Ruiz is in Late now."]
        assert StepProgress.objects.get(pk=first.pk).status == "EXCUSED"
        assert StudentPackage.objects.get().completed_at is not None

    def test_of_a_completed_course_promises_no_task_about_a_step_that_came_later(
        self, reviewer: StaffClient, package: StudentPackage
    ) -> None:
        first, second = package.progress.order_by("step__order")
        excuse_step(progress_id=first.pk, reason="Ill", actor=STAFF, now=utc_now())
        mark_attended(progress_id=second.pk, actor=STAFF, now=utc_now())
        add_step(step=CourseStep(program=package.program, order=9, label="Week 9", title="More"))
        late = CohortFactory(instance=package.cohort.instance, name="Late", scheduled=False)

        told = ask(reviewer, package, "move", cohort=late.pk)
        press(reviewer, package, "move", cohort=late.pk)

        assert told == (
            "Ana Ruiz takes a place in Late: 9 of 10 are left then.",
            "The place in Fall is free again; nobody waits for it.",
            "The family gets a mail.",
        )
        assert StudentPackage.objects.get().cohort == late

    def test_offers_the_other_cohorts_with_their_places(self, reviewer: StaffClient, package: StudentPackage) -> None:
        one = CohortFactory(instance=package.cohort.instance, name="Late", max_enrollment=1)
        two = CohortFactory(instance=package.cohort.instance, name="Later", max_enrollment=2)
        CohortFactory(instance=package.cohort.instance, name="Full", max_enrollment=0)
        term = f"{one.start_date} to {one.end_date}"

        form = reviewer.get(url_of(package, "move")).context["form"]

        assert [label for _, label in form.fields["cohort"].choices][1:] == [
            f"{one}, {term}, 1 place left",
            f"{two}, {term}, 2 places left",
        ]


class TestAChosenSession:
    def test_tells_which_other_step_is_booked_along(self, reviewer: StaffClient, package: StudentPackage) -> None:
        first, second = package.progress.select_related("step").order_by("step__order")
        only = second.seat
        cancel_booking(package_id=package.pk, step_id=second.step_id, is_by_staff=True, now=utc_now())
        option = first.step.options.order_by("pk")[0]
        session = ClassSession.objects.get(group_class=option.group_class_id)

        told = ask(reviewer, first, "choose_session", option=option.pk)
        answer = press(reviewer, first, "choose_session", option=option.pk)

        assert told == (
            f"A seat in {session} is taken: 9 of 10 are left then.",
            f"Booked along, as its step leaves no choice: A seat in {only} is taken: 9 of 10 are left then.",
            "The family gets a mail.",
        )
        assert said(answer) == [f"Ana Ruiz, Week 1: {meeting_time(session)}."]
        assert list(package.progress.values_list("status", flat=True)) == ["BOOKED", "BOOKED"]

    def test_instead_of_another_frees_that_one_alone(self, reviewer: StaffClient, package: StudentPackage) -> None:
        first, second = package.progress.select_related("step").order_by("step__order")
        old, new = first.step.options.order_by("pk")
        press(reviewer, first, "choose_session", option=old.pk)
        cancel_booking(package_id=package.pk, step_id=second.step_id, is_by_staff=True, now=utc_now())
        freed, taken = (ClassSession.objects.get(group_class=option.group_class_id) for option in (old, new))

        told = ask(reviewer, first, "choose_session", option=new.pk)
        press(reviewer, first, "choose_session", option=new.pk)

        assert told == (
            f"A seat in {taken} is taken: 9 of 10 are left then.",
            f"A seat in {freed} is free again: 10 of 10 are left then.",
            "The family gets a mail.",
        )
        assert StepProgress.objects.get(pk=second.pk).status == "UNBOOKED"

    @pytest.mark.parametrize("has_one", [True, False])
    def test_that_is_full_is_refused_before_the_preview(
        self, reviewer: StaffClient, package: StudentPackage, has_one: bool
    ) -> None:
        row = package.progress.select_related("step").get(step__order=1)
        old, new = row.step.options.order_by("pk")
        if has_one:
            press(reviewer, row, "choose_session", option=old.pk)
        ClassSession.objects.filter(group_class=new.group_class_id).update(max_students=0)

        answer = reviewer.post(url_of(row, "choose_session"), {"option": new.pk})

        assert "filled up" in answer.context["form"].errors["__all__"][0]
        assert answer.context["previews"] is None

    def test_is_offered_with_its_seats(self, reviewer: StaffClient, package: StudentPackage) -> None:
        row = package.progress.select_related("step").get(step__order=1)
        sessions = [
            ClassSession.objects.select_related("group_class").get(group_class=option.group_class_id)
            for option in row.step.options.order_by("pk")
        ]
        ClassSession.objects.filter(pk=sessions[0].pk).update(max_students=1)
        ClassSession.objects.filter(pk=sessions[1].pk).update(max_students=0)

        form = reviewer.get(url_of(row, "choose_session")).context["form"]

        assert [label for _, label in form.fields["option"].choices] == [
            "---------",
            f"{sessions[0].group_class}, {meeting_time(sessions[0])} (America/Chicago), 1 seat left",
            f"{sessions[1].group_class}, {meeting_time(sessions[1])} (America/Chicago), full",
        ]


class TestAStepOfALearner:
    def test_that_was_missed_gives_its_seat_back_once_it_is_excused(
        self, reviewer: StaffClient, package: StudentPackage
    ) -> None:
        row = package.progress.get(step__order=2)
        session = row.seat
        mark_missed(progress_id=row.pk, actor=STAFF, now=utc_now())

        told = ask(reviewer, row, "excuse", note="Ill")
        answer = press(reviewer, row, "excuse", note="Ill")

        assert told == (
            "Week 2 counts as attended for Ana Ruiz.",
            f"A seat in {session} is free again: 10 of 10 are left then.",
            "No mail is sent.",
        )
        assert said(answer) == ["Ana Ruiz, Week 2: excused."]
        assert ClassSession.objects.get(pk=session.pk).booked_count == 0

    def test_that_is_excused_can_be_required_again(self, reviewer: StaffClient, package: StudentPackage) -> None:
        row = package.progress.get(step__order=1)
        excuse_step(progress_id=row.pk, reason="Ill", actor=STAFF, now=utc_now())

        told = foreseen(reviewer.get(url_of(row, "withdraw")))
        answer = press(reviewer, row, "withdraw")

        assert told == ("Required steps that Ana Ruiz has to attend then: 2.", "No mail is sent.")
        assert said(answer) == ["Ana Ruiz, Week 1: to be booked."]
        assert StepProgress.objects.get(pk=row.pk).status == "UNBOOKED"

    def test_is_marked_missed_once_its_session_has_started(
        self, reviewer: StaffClient, package: StudentPackage
    ) -> None:
        row = package.progress.get(step__order=2)
        early = press(reviewer, row, "missed")
        begin_now(row.seat)

        told = foreseen(reviewer.get(url_of(row, "missed")))
        answer = press(reviewer, row, "missed")

        assert "Missed is no longer possible" in said(early)[0]
        assert told == ("Missed: Week 2: 1.", "No mail is sent.")
        assert said(answer)[-1] == "Ana Ruiz, Week 2: missed."
        assert StepProgress.objects.get(pk=row.pk).status == "MISSED"

    def test_is_not_changed_by_a_viewer_or_a_colleague_elsewhere(
        self, workspace: Workspace, package: StudentPackage
    ) -> None:
        row = package.progress.get(step__order=2)
        begin_now(row.seat)
        viewer = StaffClient(workspace=workspace, role=Role.VIEWER)
        stranger = StaffClient(workspace=cohort_with().instance.workspace, role=Role.OWNER)

        for button in ("missed", "attended", "excuse", "withdraw", "choose_session", "give_back"):
            assert press(viewer, row, button).status_code == 403
            assert press(stranger, row, button).status_code == 404
        assert StepProgress.objects.get(pk=row.pk).status == "BOOKED"

    def test_is_listed_with_its_session(self, reviewer: StaffClient, package: StudentPackage) -> None:
        buy_on_rows(cohort_with())
        row = package.progress.select_related("class_session__group_class").get(step__order=2)

        rows = listed(reviewer, list_of("stepprogress"))

        learner = f"Ana Ruiz {package}"
        assert sorted(rows) == sorted(
            [
                [learner, str(row.step), "Booked", meeting_time(row.seat), "Fall"],
                [learner, str(package.progress.get(step__order=1).step), "Not booked", "—", "Fall"],
            ]
        )


class TestConsequences:
    def test_name_six_payment_pages_by_five_and_their_number(self) -> None:
        cohort = cohort_with(name="Fall")
        places = [reserve(cohort, LearnerFactory(workspace=cohort.instance.workspace)) for _ in range(6)]
        line = "The payment page over 49.00 USD for a place in Fall ends, and the place is free then."

        told = tell_end_of_holding([place.enrollment_id or 0 for place in places], utc_now())

        assert told == [*[line] * 5, "Other payment pages for places that end: 1."]
        assert tell_end_of_holding([places[0].enrollment_id or 0], utc_now()) == [line]

    def test_name_up_to_five_learners_who_complete_a_course(self) -> None:
        cohort = cohort_with(options=(1,))
        packages = [buy_on_rows(cohort) for _ in range(6)]
        steps = list(StepProgress.objects.order_by("package").values_list("pk", flat=True))

        each = [f"{package.learner} completes {package.program.title} by it." for package in packages]
        assert tell_completions(steps[:5]) == each[:5]
        assert tell_completions(steps) == ["Courses that are completed by it: 6."]

    def test_are_none_of_a_payment_whose_course_was_taken_back(self, package: StudentPackage) -> None:
        payment_id = package.payment_id or 0
        before = find_stake_of_payment(payment_id, utc_now())
        unenroll_enrollment(enrollment_id=package.enrollment_id, actor=STAFF, reason="Moves", now=utc_now())

        assert before is not None
        assert find_stake_of_payment(payment_id, utc_now()) is None
