"""Steps that can't be booked any more: staff decide what happens to them, and no family is asked to book them."""

import datetime as dt
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.core import mail

from accounts.models import StaffTask, Workspace
from backoffice.tests.staff_client import StaffClient
from cohorts.course.curriculum import add_step
from cohorts.errors import StepsStranded
from cohorts.learning import stranded
from cohorts.learning.attendance import excuse_step, mark_attended, withdraw_excuse
from cohorts.learning.booking import Selection, book_sessions, cancel_booking
from cohorts.learning.stranded import report_stranded_steps, settle_needless_tasks
from cohorts.models import ClassSession, Cohort, CohortSession, CourseStep, StudentPackage
from cohorts.sale.transfer import Stranded, move_package
from cohorts.tests.breaches import breaches
from cohorts.tests.browsing import child_of, course_url, page_of, signed_in, text
from cohorts.tests.factories import CohortFactory, buy_on_rows, cohort_with
from cohorts.tests.staff_pages import cohort_in, faults, press, url_of
from core.clock import utc_now
from core.errors import Invalid
from enrollments.lifecycle import unenroll_enrollment
from enrollments.tests.factories import STAFF
from notifications.sending import send_due_notifications

pytestmark = pytest.mark.django_db


def begin(cohort: Cohort, *orders: int) -> None:
    """Move the sessions of these steps into the past."""
    over = utc_now() - dt.timedelta(hours=1)
    ClassSession.objects.filter(cohort_sessions__cohort=cohort, cohort_sessions__step__order__in=orders).update(
        starts_at=over - dt.timedelta(hours=1), ends_at=over
    )


def under_way(package: StudentPackage) -> Cohort:
    """Return another cohort of the same course, whose first week is over and whose classes meet on other days."""
    made: Cohort = CohortFactory(
        instance=package.cohort.instance,
        name="Under way",
        start_date=package.cohort.start_date + dt.timedelta(weeks=1),
    )
    begin(made, 1)
    return made


def statuses(package: StudentPackage) -> list[str]:
    return list(package.progress.order_by("step__order").values_list("status", flat=True))


def tasks() -> list[str]:
    return list(StaffTask.objects.filter(kind="step_without_session").order_by("pk").values_list("subject", flat=True))


def open_tasks() -> list[str]:
    about_steps = StaffTask.objects.filter(status="open", subject__contains="/step:")
    return list(about_steps.order_by("pk").values_list("subject", flat=True))


def offer(package: StudentPackage) -> None:
    coming = utc_now() + dt.timedelta(days=40)
    sessions = ClassSession.objects.filter(cohort_sessions__cohort=package.cohort, cohort_sessions__step__order=2)
    sessions.update(starts_at=coming, ends_at=coming + dt.timedelta(hours=1))


def excuse(package: StudentPackage) -> None:
    row = package.progress.get(step__order=2)
    excuse_step(progress_id=row.pk, reason="Joined late", actor=STAFF, now=utc_now())


def make_optional(package: StudentPackage) -> None:
    CourseStep.objects.filter(program=package.program, order=2).update(required=False)


def leave(package: StudentPackage) -> None:
    unenroll_enrollment(enrollment_id=package.enrollment_id, reason="Moved away", actor=STAFF, now=utc_now())


def subject(package: StudentPackage, order: int) -> str:
    return f"package:{package.pk}/step:{CourseStep.objects.get(program=package.program, order=order).pk}"


def mails(words: str) -> list[Any]:
    send_due_notifications(now=utc_now())
    return [message for message in mail.outbox if words in message.subject]


class TestAMoveToACohortUnderWay:
    def test_is_refused_until_staff_say_what_becomes_of_the_lost_step(self) -> None:
        package = buy_on_rows(cohort_with(options=(1, 1)))
        target = under_way(package)

        with pytest.raises(StepsStranded, match="Under way has no session left for Week 1"):
            move_package(package_id=package.pk, cohort_id=target.pk, now=utc_now())

        assert StudentPackage.objects.get().cohort == package.cohort
        assert statuses(package) == ["BOOKED", "BOOKED"]
        assert breaches() == set()

    def test_excuses_it_if_they_say_so(self) -> None:
        package = buy_on_rows(cohort_with(options=(1, 1)))
        target = under_way(package)

        move_package(
            package_id=package.pk,
            cohort_id=target.pk,
            stranded=Stranded.EXCUSE,
            excuse="Joined late",
            actor=STAFF,
            now=utc_now(),
        )

        assert statuses(package) == ["EXCUSED", "BOOKED"]
        assert package.progress.get(step__order=1).excuse == "Joined late"
        assert tasks() == []
        assert breaches() == set()

    def test_can_be_completed_after_the_excuse(self) -> None:
        package = buy_on_rows(cohort_with(options=(1, 1)))
        move_package(
            package_id=package.pk,
            cohort_id=under_way(package).pk,
            stranded=Stranded.EXCUSE,
            excuse="Late",
            actor=STAFF,
            now=utc_now(),
        )

        mark_attended(progress_id=package.progress.get(step__order=2).pk, actor=STAFF, now=utc_now())

        assert StudentPackage.objects.get().completed_at is not None

    def test_leaves_them_a_task_if_they_find_another_session(self) -> None:
        package = buy_on_rows(cohort_with(options=(1, 1)))

        move_package(
            package_id=package.pk,
            cohort_id=under_way(package).pk,
            stranded=Stranded.CATCH_UP,
            actor=STAFF,
            now=utc_now(),
        )

        assert statuses(package) == ["UNBOOKED", "BOOKED"]
        assert tasks() == [subject(package, 1)]

    def test_without_a_reason_for_the_excuse_is_refused(self) -> None:
        package = buy_on_rows(cohort_with(options=(1, 1)))

        with pytest.raises(Invalid) as refusal:
            move_package(
                package_id=package.pk,
                cohort_id=under_way(package).pk,
                stranded=Stranded.EXCUSE,
                actor=STAFF,
                now=utc_now(),
            )

        assert [fault.field for fault in refusal.value.errors] == ["excuse"]
        assert statuses(package) == ["BOOKED", "BOOKED"]

    def test_excuses_no_optional_step_and_nobody_elses(self) -> None:
        package = buy_on_rows(cohort_with(options=(1, 1, 1)))
        other = buy_on_rows(package.cohort)
        CourseStep.objects.filter(program=package.program, order=2).update(required=False)
        target = under_way(package)
        begin(target, 2)
        move = partial(move_package, cohort_id=target.pk, actor=STAFF, now=utc_now())
        move(package_id=other.pk, stranded=Stranded.CATCH_UP)

        move(package_id=package.pk, stranded=Stranded.EXCUSE, excuse="Joined late")

        assert statuses(package) == ["EXCUSED", "UNBOOKED", "BOOKED"]
        assert statuses(other) == ["UNBOOKED", "UNBOOKED", "BOOKED"]

    def test_needs_no_word_about_an_optional_step(self) -> None:
        package = buy_on_rows(cohort_with(options=(1, 1)))
        target = under_way(package)
        CourseStep.objects.filter(program=package.program, order=1).update(required=False)

        move_package(package_id=package.pk, cohort_id=target.pk, now=utc_now())

        assert statuses(package) == ["UNBOOKED", "BOOKED"]
        assert tasks() == []

    def test_needs_no_word_about_a_step_that_was_attended(self) -> None:
        package = buy_on_rows(cohort_with(options=(1, 1)))
        target = under_way(package)
        mark_attended(progress_id=package.progress.get(step__order=1).pk, actor=STAFF, now=utc_now())

        move_package(package_id=package.pk, cohort_id=target.pk, now=utc_now())

        assert statuses(package) == ["COMPLETED", "BOOKED"]
        assert tasks() == []

    def test_tells_the_family_the_truth(self) -> None:
        cohort = cohort_with(options=(1, 2, 1))
        package = buy_on_rows(cohort, child_of(cohort))

        move_package(
            package_id=package.pk,
            cohort_id=under_way(package).pk,
            stranded=Stranded.CATCH_UP,
            actor=STAFF,
            now=utc_now(),
        )

        told = mails("is now in Under way")[0]
        choose, left = told.body.index("Still to choose:"), told.body.index("No session is left for:")
        assert "- Week 1: Topic 1" in told.body[left:choose]
        assert "You do not have to do anything about it" in told.body[left:choose]
        assert "- Week 2: Topic 2" in told.body[choose:]
        assert "Week 1" not in told.body[choose:]


@pytest.mark.sqlite
class TestMovingInTheBackOffice:
    def test_warns_first_and_moves_with_an_answer(self, workspace: Workspace, reviewer: StaffClient) -> None:
        package = buy_on_rows(cohort_in(workspace, options=(1, 1)))
        target = under_way(package)

        warned = press(reviewer, package, "move", cohort=target.pk)
        unmoved = StudentPackage.objects.get().cohort
        without_reason = press(reviewer, package, "move", cohort=target.pk, stranded="excuse")
        moved = press(reviewer, package, "move", cohort=target.pk, stranded="excuse", excuse="Joined late")

        assert faults(warned) == {
            "stranded": ["Under way has no session left for Week 1. Choose what becomes of that."]
        }
        assert unmoved == package.cohort
        assert list(faults(without_reason)) == ["excuse"]
        assert moved.status_code == 302
        assert statuses(package) == ["EXCUSED", "BOOKED"]

    def test_counts_apart_what_can_not_be_booked(self, workspace: Workspace, reviewer: StaffClient) -> None:
        cohort = cohort_in(workspace, options=(2, 2))
        buy_on_rows(cohort)
        begin(cohort, 1)

        page = text(reviewer.get(url_of(cohort)))

        assert "0 of 2 done, 1 to book, 1 without a session" in page


class TestAPurchaseInACohortUnderWay:
    def test_is_warned_of_before_anything_is_paid(self) -> None:
        cohort = cohort_with(options=(1, 1))
        begin(cohort, 1)
        client, _ = signed_in()

        page = text(client.get(course_url("course-enroll", cohort)))

        assert "This group is under way" in page
        assert f"Can no longer be attended in {cohort.name}: <strong>Week 1</strong>." in page

    def test_of_one_that_has_not_begun_warns_of_nothing(self) -> None:
        client, _ = signed_in()

        page = text(client.get(course_url("course-enroll", cohort_with(options=(1, 1)))))

        assert "under way" not in page

    def test_is_told_as_it_is(self) -> None:
        cohort = cohort_with(options=(1, 1))
        begin(cohort, 1)

        buy_on_rows(cohort, child_of(cohort))

        told = mails("is enrolled in")[0]
        assert "No session is left for:\n\n- Week 1: Topic 1" in told.body
        assert "Still to choose" not in told.body
        assert "Everything is booked" not in told.body


class TestTheSweep:
    @pytest.mark.sqlite
    def test_raises_a_task_for_each_required_step_that_has_no_session_left_and_once(self) -> None:
        cohort = cohort_with(options=(2, 2, 2))
        package = buy_on_rows(cohort)
        CourseStep.objects.filter(order=2).update(required=False)
        begin(cohort, 1, 2)

        new = [report_stranded_steps(now=utc_now()), report_stranded_steps(now=utc_now())]

        assert new == [1, 0]
        assert tasks() == [subject(package, 1)]

    def test_does_not_ask_again_what_staff_have_closed(self) -> None:
        cohort = cohort_with(options=(2, 2))
        buy_on_rows(cohort)
        begin(cohort, 1)
        report_stranded_steps(now=utc_now())
        StaffTask.objects.update(status="done")

        assert report_stranded_steps(now=utc_now()) == 0

    @pytest.mark.parametrize(
        ("answer", "others_wait"), [(offer, False), (excuse, True), (make_optional, False), (leave, True)]
    )
    def test_completes_the_task_that_no_longer_asks_for_anything(
        self, answer: Callable[[StudentPackage], Any], others_wait: bool
    ) -> None:
        cohort = cohort_with(options=(1, 2), seats=1)
        package, other = (buy_on_rows(cohort) for _ in range(2))
        begin(cohort, 2)
        report_stranded_steps(now=utc_now())
        before = [settle_needless_tasks(now=utc_now()), open_tasks()]

        answer(package)
        settled = settle_needless_tasks(now=utc_now())

        assert before == [0, [subject(other, 1), subject(package, 2), subject(other, 2)]]
        assert settled == (1 if others_wait else 2)
        assert open_tasks() == [subject(other, 1), *([subject(other, 2)] if others_wait else [])]  # the first is full

    def test_completes_a_task_about_a_full_session_once_it_is_booked(self) -> None:
        cohort = cohort_with(options=(1,), seats=1)
        buy_on_rows(cohort)
        package = buy_on_rows(cohort)
        ClassSession.objects.update(max_students=2)
        seat = CohortSession.objects.get()
        book_sessions(package_id=package.pk, selections=[Selection(seat.step_id, seat.option_id)], now=utc_now())

        settled = settle_needless_tasks(now=utc_now())

        task = StaffTask.objects.get(kind="only_session_full")
        assert (settled, task.status, task.resolution) == (1, "done", "The step no longer waits for it.")

    def test_leaves_the_task_of_a_step_that_waits_again_by_the_time_it_is_locked(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        cohort = cohort_with(options=(2, 2))
        package = buy_on_rows(cohort)
        begin(cohort, 1)
        report_stranded_steps(now=utc_now())
        row = package.progress.get(step__order=1)
        excuse_step(progress_id=row.pk, reason="Joined late", actor=STAFF, now=utc_now())
        monkeypatch.setattr(stranded, "lock_package_row", lambda _: withdraw_excuse(progress_id=row.pk, now=utc_now()))

        settled = settle_needless_tasks(now=utc_now())

        assert (settled, open_tasks()) == (0, [subject(package, 1)])

    def test_asks_again_if_a_step_loses_its_session_again(self) -> None:
        cohort = cohort_with(options=(2,))
        package = buy_on_rows(cohort)
        later = utc_now() + dt.timedelta(days=40)
        session = ClassSession.objects.filter(cohort_sessions__cohort=cohort)
        begin(cohort, 1)
        report_stranded_steps(now=utc_now())
        session.update(starts_at=later, ends_at=later + dt.timedelta(hours=1))
        settle_needless_tasks(now=utc_now())
        begin(cohort, 1)

        assert report_stranded_steps(now=utc_now()) == 1
        assert open_tasks() == [subject(package, 1)]

    def test_finds_a_step_added_without_a_class(self) -> None:
        package = buy_on_rows(cohort_with(options=(1,)))
        add_step(step=CourseStep(program=package.program, order=2, label="Week 2", title="Added"))

        assert report_stranded_steps(now=utc_now()) == 1

    @pytest.mark.parametrize("change", [{"revoked_at": utc_now()}, {"completed_at": utc_now()}])
    def test_leaves_alone_who_need_not_attend_any_more(self, change: dict[str, object]) -> None:
        cohort = cohort_with(options=(2, 2))
        buy_on_rows(cohort)
        begin(cohort, 1)
        StudentPackage.objects.update(**change)

        assert report_stranded_steps(now=utc_now()) == 0


class TestTheDashboard:
    def page_of(self, package: StudentPackage) -> str:
        client, _ = signed_in()
        return page_of(client, package)

    def test_counts_only_what_can_be_booked(self) -> None:
        cohort = cohort_with(options=(2, 2, 2))
        package = buy_on_rows(cohort, child_of(cohort))
        begin(cohort, 1)

        page = self.page_of(package)

        assert '<span class="badge tone-wait">2 to book</span>' in page
        assert "Book 2 sessions" in page
        assert "1 step can't be booked: its class has met already or is not on the calendar." in page

    def test_asks_for_nothing_where_nothing_can_be_booked(self) -> None:
        cohort = cohort_with(options=(2, 2))
        package = buy_on_rows(cohort, child_of(cohort))
        begin(cohort, 1, 2)

        page = self.page_of(package)

        assert '<span class="badge tone-info">2 not booked yet</span>' in page
        assert "2 steps can't be booked: their classes have met already or are not on the calendar." in page
        assert not any(f"Book {count} session" in page for count in range(3))

    def test_says_that_a_step_is_full(self) -> None:
        cohort = cohort_with(options=(2, 2), seats=1)
        package = buy_on_rows(cohort, child_of(cohort))
        ClassSession.objects.filter(cohort_sessions__step__order=1).update(max_students=0)

        page = self.page_of(package)

        assert "1 to book" in page
        assert "Every class of 1 step is full at the moment." in page


class TestACancelledBooking:
    def test_is_told_without_a_choice_where_there_is_none(self) -> None:
        cohort = cohort_with(options=(2, 1))
        package = buy_on_rows(cohort, child_of(cohort))
        chosen = CohortSession.objects.filter(step__order=1).earliest("pk")
        book_sessions(package_id=package.pk, selections=[Selection(chosen.step_id, chosen.option_id)], now=utc_now())
        begin(cohort, 1)

        cancel_booking(package_id=package.pk, step_id=chosen.step_id, is_by_staff=True, now=utc_now())

        told = mails("Canceled for Jane")[0]
        assert "There is no other session to choose at the moment." in told.body
        assert "Choose another session" not in told.body
