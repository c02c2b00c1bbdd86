"""A course is completed when its last required step is done, for whatever reason; once, and permanently."""

from collections.abc import Callable

import pytest
from django.core import mail
from django.urls import reverse

from accounts.models import Workspace
from backoffice.tests.staff_client import StaffClient
from cohorts import invariants
from cohorts.course.curriculum import add_step, remove_step, save_step
from cohorts.course.scheduling import schedule_cohort
from cohorts.errors import StepNotBooked, StepNotOpen
from cohorts.learning.attendance import excuse_step, mark_attended, mark_missed, withdraw_excuse
from cohorts.learning.booking import Selection, book_sessions
from cohorts.learning.completion import complete_due_courses
from cohorts.models import ClassSession, Cohort, CohortSession, CourseStep, StepProgress, StudentPackage
from cohorts.sale.transfer import move_package
from cohorts.tests.breaches import breaches
from cohorts.tests.browsing import child_of, page_of, signed_in
from cohorts.tests.factories import CohortFactory, buy_on_rows, cohort_with
from cohorts.tests.staff_pages import begin_now, cohort_in, url_of
from core.clock import utc_now
from core.errors import Invalid
from core.invariants import Breach, Extent
from enrollments.lifecycle import unenroll_enrollment
from enrollments.states import ParticipationStatus
from enrollments.tests.factories import STAFF
from events.models import OutboxEvent
from notifications.models import Notification
from notifications.sending import send_due_notifications

pytestmark = pytest.mark.django_db

Change = Callable[[StudentPackage], None]


def row(package: StudentPackage, order: int) -> StepProgress:
    return package.progress.select_related("step", "class_session").get(step__order=order)


def attend(package: StudentPackage, *orders: int) -> None:
    for order in orders:
        mark_attended(progress_id=row(package, order).pk, actor=STAFF, now=utc_now())


def miss(package: StudentPackage, order: int) -> None:
    mark_missed(progress_id=row(package, order).pk, actor=STAFF, now=utc_now())


def excuse(package: StudentPackage, order: int) -> None:
    excuse_step(progress_id=row(package, order).pk, reason="Was ill", actor=STAFF, now=utc_now())


def make_optional(package: StudentPackage, order: int) -> None:
    require(package, order, required=False)


def require(package: StudentPackage, order: int, *, required: bool = True) -> None:
    step = row(package, order).step
    step.required = required
    save_step(step=step, actor=STAFF, now=utc_now())


def take_out(package: StudentPackage, order: int) -> None:
    StepProgress.objects.filter(package=package, step__order=order, status="BOOKED").update(
        status="UNBOOKED", class_session=None, option=None
    )
    ClassSession.objects.filter(cohort_sessions__step__order=order).update(booked_count=0)
    remove_step(step_id=CourseStep.objects.get(program=package.program, order=order).pk, actor=STAFF, now=utc_now())


def add(package: StudentPackage) -> None:
    add_step(step=CourseStep(program=package.program, order=9, label="Week 9", title="Added later"))


def move(package: StudentPackage) -> None:
    target: Cohort = CohortFactory(instance=package.cohort.instance)
    schedule_cohort(cohort_id=target.pk)
    move_package(package_id=package.pk, cohort_id=target.pk, now=utc_now())


def stands(package: StudentPackage) -> tuple[bool, bool, int, int, int]:
    """Return whether package and participation are completed, and the numbers of events, mails, and breaches."""
    fresh = StudentPackage.objects.select_related("enrollment").get(pk=package.pk)
    return (
        fresh.completed_at is not None,
        fresh.enrollment.participation_status == ParticipationStatus.COMPLETED,
        OutboxEvent.objects.filter(type="package.completed").count(),
        Notification.objects.filter(kind="course_completed").count(),
        len(list(invariants.completion_follows_the_steps(Extent(now=utc_now(), workspace_id=None)))),
    )


COMPLETED = (True, True, 1, 1, 0)
GOES_ON = (False, False, 0, 0, 0)

# For a course with two required steps, both booked: what happens, and the result.
PATHS: dict[str, tuple[tuple[Change, ...], tuple[bool, bool, int, int, int]]] = {
    "nothing": ((), GOES_ON),
    "one attended": ((lambda p: attend(p, 1),), GOES_ON),
    "both attended": ((lambda p: attend(p, 1, 2),), COMPLETED),
    "in the other order": ((lambda p: attend(p, 2, 1),), COMPLETED),
    "marked twice": ((lambda p: attend(p, 1, 2), lambda p: attend(p, 1, 2)), COMPLETED),
    "one missed": ((lambda p: attend(p, 1), lambda p: miss(p, 2)), GOES_ON),
    "a mistake corrected": ((lambda p: miss(p, 1), lambda p: attend(p, 2), lambda p: attend(p, 1)), COMPLETED),
    "corrected after the end": ((lambda p: attend(p, 1, 2), lambda p: miss(p, 2)), COMPLETED),
    "and back again": ((lambda p: attend(p, 1, 2), lambda p: miss(p, 2), lambda p: attend(p, 2)), COMPLETED),
    "the other made optional": ((lambda p: attend(p, 1), lambda p: make_optional(p, 2)), COMPLETED),
    "made optional first": ((lambda p: make_optional(p, 2), lambda p: attend(p, 1)), COMPLETED),
    "made optional and back": (
        (lambda p: attend(p, 1), lambda p: make_optional(p, 2), lambda p: require(p, 2)),
        COMPLETED,
    ),
    "nothing required": ((lambda p: make_optional(p, 1), lambda p: make_optional(p, 2)), GOES_ON),
    "nothing required, all attended": (
        (lambda p: make_optional(p, 1), lambda p: make_optional(p, 2), lambda p: attend(p, 1, 2)),
        GOES_ON,
    ),
    "required again, all attended": (
        (lambda p: make_optional(p, 1), lambda p: make_optional(p, 2), lambda p: attend(p, 1), lambda p: require(p, 1)),
        COMPLETED,
    ),
    "the other taken out": ((lambda p: attend(p, 1), lambda p: take_out(p, 2)), COMPLETED),
    "a missed one made optional": (
        (lambda p: attend(p, 1), lambda p: miss(p, 2), lambda p: make_optional(p, 2)),
        COMPLETED,
    ),
    "a missed one excused": ((lambda p: attend(p, 1), lambda p: miss(p, 2), lambda p: excuse(p, 2)), COMPLETED),
    "a step added before the last": ((lambda p: attend(p, 1), add, lambda p: attend(p, 2)), GOES_ON),
    "a step added after the last": ((lambda p: attend(p, 1, 2), add), COMPLETED),
    "added, then excused": ((lambda p: attend(p, 1, 2), add, lambda p: excuse(p, 9)), COMPLETED),
    "added, then excused before": ((add, lambda p: attend(p, 1, 2), lambda p: excuse(p, 9)), COMPLETED),
    "moved half way": ((lambda p: attend(p, 1), move), GOES_ON),
    "moved half way and attended": ((lambda p: attend(p, 1), move, lambda p: attend(p, 2)), COMPLETED),
    "moved when done": ((lambda p: attend(p, 1, 2), move), COMPLETED),
}


@pytest.mark.sqlite
class TestACourseOfTwoRequiredSteps:
    @pytest.mark.parametrize("path", PATHS)
    def test_stands_alike_in_state_event_mail_and_doctor_after(self, path: str) -> None:
        package = buy_on_rows(cohort_with(options=(1, 1)))
        changes, expected = PATHS[path]

        for change in changes:
            change(package)

        assert stands(package) == expected
        assert breaches() == set()


class TestAnOptionalStep:
    def test_is_not_waited_for(self) -> None:
        package = buy_on_rows(cohort_with(options=(1, 1, 2)))
        make_optional(package, 3)

        attend(package, 1, 2)

        assert stands(package) == COMPLETED

    def test_that_is_all_that_was_attended_completes_nothing(self) -> None:
        package = buy_on_rows(cohort_with(options=(1, 1)))
        make_optional(package, 1)

        attend(package, 1)

        assert stands(package) == GOES_ON


class TestAChangeOfTheCourse:
    def test_completes_everybody_whom_it_leaves_nothing_to_do(self) -> None:
        cohort = cohort_with(options=(1, 1))
        packages = [buy_on_rows(cohort) for _ in range(3)]
        for package in packages[:2]:
            attend(package, 1)

        make_optional(packages[0], 2)

        assert [stands(package)[:2] for package in packages] == [(True, True), (True, True), (False, False)]
        assert OutboxEvent.objects.filter(type="package.completed").count() == 2

    def test_leaves_a_course_that_was_taken_back_alone(self) -> None:
        package = buy_on_rows(cohort_with(options=(1, 1)))
        attend(package, 1)
        StudentPackage.objects.filter(pk=package.pk).update(revoked_at=utc_now())

        make_optional(package, 2)

        assert stands(package)[:2] == (False, False)

    @pytest.mark.sqlite
    @pytest.mark.parametrize("page", ["program", "step"])
    def test_on_either_page_of_the_back_office_completes_it(
        self, workspace: Workspace, manager: StaffClient, page: str
    ) -> None:
        package = buy_on_rows(cohort_in(workspace, options=(1, 1)))
        attend(package, 1)

        response = manager.post(*(on_program(package) if page == "program" else on_its_own(package)))

        assert response.status_code == 302
        assert stands(package) == COMPLETED


def on_its_own(package: StudentPackage) -> tuple[str, dict[str, object]]:
    """Return the second step's page, submitted without the checkbox for required."""
    step = row(package, 2).step
    option = step.options.get()
    form: dict[str, object] = {"program": step.program_id, "order": 2, "label": step.label, "title": step.title}
    form |= {"options-TOTAL_FORMS": 1, "options-INITIAL_FORMS": 1, "options-0-id": option.pk}
    form |= {"options-0-step": step.pk, "options-0-group_class": option.group_class_id}
    return url_of(step), form


def on_program(package: StudentPackage) -> tuple[str, dict[str, object]]:
    """Return the course's page, submitted without the checkbox at its second step."""
    program = package.program
    form: dict[str, object] = {"title": program.title, "code": program.code, "listed": "on", "active": "on"}
    form |= {"steps-TOTAL_FORMS": 2, "steps-INITIAL_FORMS": 2, "instances-TOTAL_FORMS": 0, "instances-INITIAL_FORMS": 0}
    for number, step in enumerate(program.steps.order_by("order")):
        form |= {f"steps-{number}-id": step.pk, f"steps-{number}-program": program.pk}
        form |= {f"steps-{number}-order": step.order, f"steps-{number}-label": step.label}
        form |= {f"steps-{number}-title": step.title} | ({f"steps-{number}-required": "on"} if number == 0 else {})
    return reverse("admin:enrollments_program_change", args=[program.pk]), form


class TestAttendanceInTheBackOffice:
    @pytest.mark.sqlite
    def test_taken_for_a_session_completes_the_course(self, workspace: Workspace, reviewer: StaffClient) -> None:
        package = buy_on_rows(cohort_in(workspace, options=(1,)))
        session = row(package, 1).class_session
        assert session is not None
        begin_now(session)

        reviewer.confirm(url_of(session, "take_attendance"), {"came": [row(package, 1).pk]})

        assert stands(package) == COMPLETED

    def test_marked_for_many_at_once_completes_each(self, workspace: Workspace, reviewer: StaffClient) -> None:
        cohort = cohort_in(workspace, options=(1,))
        packages = [buy_on_rows(cohort) for _ in range(2)]
        begin_now(ClassSession.objects.get())
        chosen = [row(package, 1).pk for package in packages]

        url = reverse("admin:cohorts_stepprogress_changelist")
        asked = reviewer.post(url, {"action": "attended_selected", "_selected_action": chosen})
        reviewer.confirm(url, {"action": "attended_selected", "_selected_action": chosen, "_confirmed": "1"})

        ((_, told),) = asked.context["previews"]
        completions = [f"{package.learner} completes {package.program.title} by it." for package in packages]
        assert told.sentences == ("2 can be done.", f"Attended: {row(packages[0], 1).step.label}: 2.", *completions)
        assert [stands(package)[:2] for package in packages] == [(True, True), (True, True)]

    @pytest.mark.sqlite
    def test_excuses_a_missed_step_with_a_reason(self, workspace: Workspace, reviewer: StaffClient) -> None:
        package = buy_on_rows(cohort_in(workspace, options=(1,)))
        miss(package, 1)

        reviewer.confirm(url_of(row(package, 1), "excuse"), {"note": "Made up at home"})

        assert (row(package, 1).status, row(package, 1).excuse) == ("EXCUSED", "Made up at home")
        assert stands(package) == COMPLETED


class TestAnExcuse:
    def test_gives_the_seat_of_a_missed_session_back(self) -> None:
        package = buy_on_rows(cohort_with(options=(1,)))
        miss(package, 1)

        excuse(package, 1)

        assert ClassSession.objects.get().booked_count == 0
        assert breaches() == set()

    @pytest.mark.sqlite
    def test_can_be_withdrawn_and_the_step_is_booked_again(self) -> None:
        package = buy_on_rows(cohort_with(options=(2, 1)))
        excuse(package, 1)

        withdraw_excuse(progress_id=row(package, 1).pk, now=utc_now())

        told = OutboxEvent.objects.filter(type__startswith="step.excuse").order_by("pk")
        named = [(event.type, event.payload["stepId"], event.payload["classSessionId"]) for event in told]
        step = row(package, 1).step_id
        assert named == [("step.excused", step, None), ("step.excuse_withdrawn", step, None)]
        chosen = CohortSession.objects.filter(step__order=1).first()
        assert chosen is not None
        book_sessions(package_id=package.pk, selections=[Selection(chosen.step_id, chosen.option_id)], now=utc_now())
        assert (row(package, 1).status, row(package, 1).excuse) == ("BOOKED", "")

    def test_stays_with_a_course_that_has_ended(self) -> None:
        package = buy_on_rows(cohort_with(options=(2, 1)))
        excuse(package, 1)
        unenroll_enrollment(enrollment_id=package.enrollment_id, actor=STAFF, reason="Asked to", now=utc_now())

        with pytest.raises(StepNotOpen, match="The course has ended"):
            withdraw_excuse(progress_id=row(package, 1).pk, now=utc_now())

        assert [row(package, order).status for order in (1, 2)] == ["EXCUSED", "CANCELLED"]

    def test_without_a_reason_is_refused(self) -> None:
        package = buy_on_rows(cohort_with(options=(2,)))

        with pytest.raises(Invalid):
            excuse_step(progress_id=row(package, 1).pk, reason=" ", actor=STAFF, now=utc_now())

        assert row(package, 1).status == "UNBOOKED"

    @pytest.mark.parametrize("attended", [False, True])
    def test_of_a_booked_or_attended_step_is_refused(self, attended: bool) -> None:
        package = buy_on_rows(cohort_with(options=(1, 1)))
        if attended:
            attend(package, 1)
        before = row(package, 1).status

        with pytest.raises(StepNotOpen):
            excuse(package, 1)

        assert row(package, 1).status == before
        assert ClassSession.objects.filter(booked_count=1).count() == 2

    def test_of_a_course_that_was_taken_back_is_refused(self) -> None:
        package = buy_on_rows(cohort_with(options=(2,)))
        StudentPackage.objects.update(revoked_at=utc_now())

        with pytest.raises(StepNotOpen):
            excuse(package, 1)

        assert row(package, 1).status == "UNBOOKED"


class TestAttendanceOfACourseThatWasTakenBack:
    def test_is_refused(self) -> None:
        package = buy_on_rows(cohort_with(options=(1, 1)))
        attend(package, 1)
        StudentPackage.objects.update(revoked_at=utc_now())

        with pytest.raises(StepNotBooked):
            miss(package, 1)

        assert row(package, 1).status == "COMPLETED"


class TestTheSweep:
    def test_completes_what_another_way_left_behind(self) -> None:
        package = buy_on_rows(cohort_with(options=(1, 1)))
        attend(package, 1)
        CourseStep.objects.filter(order=2).update(required=False)
        found = list(invariants.completion_follows_the_steps(Extent(now=utc_now(), workspace_id=None)))

        done = [complete_due_courses(now=utc_now()), complete_due_courses(now=utc_now())]

        assert found == [Breach(f"package {package.pk}", "has every required step done but is not completed")]
        assert done == [1, 0]
        assert stands(package) == COMPLETED


@pytest.mark.sqlite
class TestTheDoctor:
    def test_sees_a_completion_on_one_side_only(self) -> None:
        done, open_one = buy_on_rows(cohort_with(options=(1,))), buy_on_rows(cohort_with(options=(1,)))
        attend(done, 1)
        StudentPackage.objects.filter(pk=done.pk).update(completed_at=None)
        StudentPackage.objects.filter(pk=open_one.pk).update(completed_at=utc_now())

        found = list(invariants.completion_follows_the_steps(Extent(now=utc_now(), workspace_id=None)))

        assert found == [
            Breach(f"package {done.pk}", "has every required step done but is not completed"),
            Breach(f"package {open_one.pk}", "is completed, but its participation is not"),
            Breach(f"package {done.pk}", "is not completed, but its participation is"),
        ]


class TestTheFamily:
    def test_reads_on_the_page_and_in_the_mail_that_it_stays_completed(self) -> None:
        cohort = cohort_with(options=(1,))
        package = buy_on_rows(cohort, child_of(cohort))
        client, _ = signed_in()
        attend(package, 1)

        add(package)
        send_due_notifications(now=utc_now())

        page = page_of(client, package)
        assert '<span class="badge tone-good">Completed</span>' in page
        assert [message.subject for message in mail.outbox if "complete" in message.subject.lower()] != []


@pytest.mark.django_db(transaction=True)
class TestABoughtPackage:
    def test_made_on_rows_equals_one_that_was_paid_on_stripe_s_page(self) -> None:
        cohort = cohort_with(options=(1, 2))

        real, built = buy_on_rows(cohort), buy_on_rows(cohort)

        def facts(package: StudentPackage) -> list[object]:
            place, payment, enrollment = package.place, package.payment, package.enrollment
            assert payment is not None
            assert place.checkout is not None
            steps = list(package.progress.order_by("step").values_list("step", "status", "class_session", "option"))
            paid = (payment.status, payment.money, payment.purpose, place.checkout.status)
            stands = (enrollment.eligibility_status, enrollment.participation_status, enrollment.payment_status)
            return [place.status, paid, stands, steps, package.name, package.cohort_id]

        assert facts(built) == facts(real)
        assert breaches() == set()
