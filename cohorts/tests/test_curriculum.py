"""Steps that are added to, or removed from, a course that has already been sold."""

from typing import Any

import pytest
from django.db import transaction
from django.urls import reverse

from accounts.models import Workspace
from accounts.states import Role
from backoffice.tests.staff_client import StaffClient, said
from billing.refunds import request_refund, submit_refund
from billing.states import RefundReason
from cohorts import invariants
from cohorts.admin import courses
from cohorts.course.curriculum import add_step, remove_step, save_step
from cohorts.course.scheduling import schedule_cohort
from cohorts.errors import StepInUse
from cohorts.learning.attendance import excuse_step, mark_attended, mark_missed, withdraw_excuse
from cohorts.learning.booking import Selection, book_sessions, cancel_booking
from cohorts.models import (
    ClassSession,
    Cohort,
    CohortSession,
    CourseStep,
    CourseStepOption,
    StepProgress,
    StudentPackage,
)
from cohorts.tests.browsing import child_of
from cohorts.tests.factories import GroupClassFactory, buy, buy_on_rows, cohort_with
from cohorts.tests.purchases import PACKAGES, bought
from cohorts.tests.staff_pages import cohort_in, faults, press, url_of
from core.clock import utc_now
from core.errors import NotFound
from core.invariants import Extent
from enrollments.models import Program
from enrollments.tests.factories import STAFF
from notifications.models import Notification
from notifications.sending import send_due_notifications
from sandbox.testing import SandboxProcess

pytestmark = pytest.mark.django_db(transaction=True)


def new_step(program: Program, order: int = 3) -> CourseStep:
    return CourseStep(program=program, order=order, label=f"Week {order}", title="Added later")


def offer(step: CourseStep, cohort: Cohort) -> None:
    """Offer two classes to choose from."""
    for name in ("Early", "Late"):
        group_class = GroupClassFactory(workspace=cohort.instance.workspace, name=name)
        CourseStepOption.objects.create(step=step, group_class=group_class)
    schedule_cohort(cohort_id=cohort.pk)


def progress(package: StudentPackage) -> list[tuple[int, str]]:
    """Return (order, status) of each step."""
    return list(package.progress.order_by("step__order").values_list("step__order", "status"))


def packages_without_a_step() -> int:
    return len(list(invariants.packages_have_every_step(Extent(now=utc_now(), workspace_id=None))))


def revoke(package: StudentPackage) -> None:
    assert package.payment_id is not None
    refund = request_refund(
        payment_id=package.payment_id, amount_minor=None, reason=RefundReason.REQUESTED, actor=STAFF, now=utc_now()
    )
    submit_refund(refund_id=refund.pk, now=utc_now())


class TestAStepAddedToASoldCourse:
    def test_reaches_every_package_that_is_live(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with(options=(1, 2))
        live, revoked = buy(stripe, cohort), buy(stripe, cohort)
        revoke(revoked)

        step = add_step(step=new_step(cohort.instance.program))

        assert progress(live) == [(1, "BOOKED"), (2, "UNBOOKED"), (3, "UNBOOKED")]
        assert progress(revoked) == [(1, "CANCELLED"), (2, "CANCELLED")]
        assert step.progress.count() == 1
        assert packages_without_a_step() == 0

    def test_leaves_other_courses_alone(self) -> None:
        cohort, other = cohort_with(options=(2,)), cohort_with(options=(2,))
        package = buy_on_rows(other)

        add_step(step=new_step(cohort.instance.program))

        assert progress(package) == [(1, "UNBOOKED")]

    def test_is_missed_by_the_doctor_where_it_did_not_reach_one(self) -> None:
        """Control: the step was saved in another way."""
        cohort = cohort_with(options=(2,))
        buy_on_rows(cohort)

        new_step(cohort.instance.program).save()

        assert packages_without_a_step() == 1

    def test_is_offered_and_booked_like_the_others(self) -> None:
        family, package = bought(options=(1, 2))
        step = add_step(step=new_step(package.program))
        offer(step, package.cohort)

        offered = family.get(f"{PACKAGES}/{package.pk}/unbooked-steps").json()
        choice = offered[1]["options"][0]["courseStepOptionId"]
        body = {"selections": [{"courseStepId": step.pk, "courseStepOptionId": choice}]}
        answer = family.post(f"{PACKAGES}/{package.pk}/book-sessions", body)

        assert [entry["stepOrder"] for entry in offered] == [2, 3]
        assert answer.json()["manualSelections"] == [step.pk]
        assert progress(package) == [(1, "BOOKED"), (2, "UNBOOKED"), (3, "BOOKED")]

    @pytest.mark.parametrize("page", ["program", "step"])
    def test_on_either_page_of_the_back_office_reaches_them(
        self, workspace: Workspace, manager: StaffClient, page: str
    ) -> None:
        cohort = cohort_in(workspace, options=(2,))
        program, package = cohort.instance.program, buy_on_rows(cohort)

        if page == "program":
            response = manager.post(reverse("admin:enrollments_program_change", args=[program.pk]), on_program(program))
        else:
            response = manager.post(reverse("admin:cohorts_coursestep_add"), on_its_own(program))

        assert response.status_code == 302
        assert progress(package) == [(1, "UNBOOKED"), (2, "UNBOOKED")]

    def test_changed_afterwards_is_not_given_twice(self, workspace: Workspace, manager: StaffClient) -> None:
        cohort = cohort_in(workspace, options=(2,))
        package = buy_on_rows(cohort)
        step = CourseStep.objects.get()
        form = {**on_its_own(step.program), "order": 1, "title": "Renamed", "options-INITIAL_FORMS": 2}
        form |= {"options-TOTAL_FORMS": 2}
        for number, option in enumerate(step.options.order_by("pk")):
            form |= {f"options-{number}-id": option.pk, f"options-{number}-group_class": option.group_class_id}

        response = manager.post(url_of(step), form)

        assert response.status_code == 302
        assert CourseStep.objects.get().title == "Renamed"
        assert progress(package) == [(1, "UNBOOKED")]


def on_program(program: Program) -> dict[str, Any]:
    """Return the program's page with a second step typed in."""
    (step,) = program.steps.order_by("order")
    return {
        "title": program.title,
        "code": program.code,
        "description": "",
        "active": "on",
        "listed": "on",
        "steps-TOTAL_FORMS": 2,
        "steps-INITIAL_FORMS": 1,
        "steps-0-id": step.pk,
        "steps-0-order": 1,
        "steps-0-label": step.label,
        "steps-0-title": step.title,
        "steps-0-required": "on",
        "steps-1-order": 2,
        "steps-1-label": "Week 2",
        "steps-1-title": "Added later",
        "steps-1-required": "on",
    }


def on_its_own(program: Program) -> dict[str, Any]:
    return {
        "program": program.pk,
        "order": 2,
        "label": "Week 2",
        "title": "Added later",
        "required": "on",
        "options-TOTAL_FORMS": 0,
        "options-INITIAL_FORMS": 0,
    }


class TestAStepTakenOutOfASoldCourse:
    def test_takes_its_classes_and_open_steps_along(self) -> None:
        cohort = cohort_with(options=(1, 2))
        package = buy_on_rows(cohort)
        step = CourseStep.objects.get(order=2)

        remove_step(step_id=step.pk, actor=STAFF, now=utc_now())

        assert progress(package) == [(1, "BOOKED")]
        assert not CourseStepOption.objects.filter(step=step.pk).exists()
        assert CohortSession.objects.count() == 1
        assert packages_without_a_step() == 0

    def test_leaves_nothing_to_mark_or_remove_again(self) -> None:
        """Somebody may still have the page open."""
        package = buy_on_rows(cohort_with(options=(1, 2)))
        row = package.progress.get(step__order=2)
        remove_step(step_id=row.step_id, actor=STAFF, now=utc_now())
        marked: dict[str, Any] = {"progress_id": row.pk, "actor": STAFF, "now": utc_now()}

        for act in (
            lambda: mark_attended(**marked),
            lambda: mark_missed(**marked),
            lambda: excuse_step(reason="Ill", **marked),
            lambda: withdraw_excuse(progress_id=row.pk, now=utc_now()),
        ):
            with pytest.raises(NotFound, match="taken out of the course"):
                act()
        with pytest.raises(NotFound, match="already removed"):
            remove_step(step_id=row.step_id, actor=STAFF, now=utc_now())

    @pytest.mark.parametrize(
        ("attended", "said"),
        [
            (False, "1 learners have a session booked for Week 1: Topic 1: cancel their bookings first"),
            (True, "1 learner attended or missed Week 1: Topic 1: it stays"),
        ],
    )
    def test_that_holds_a_seat_is_refused(self, attended: bool, said: str) -> None:
        package = buy_on_rows(cohort_with(options=(1, 2)))
        row = package.progress.get(step__order=1)
        if attended:
            mark_attended(progress_id=row.pk, actor=STAFF, now=utc_now())
        before = everything()

        with pytest.raises(StepInUse, match=said):
            remove_step(step_id=row.step_id, actor=STAFF, now=utc_now())

        assert everything() == before

    def test_goes_once_its_bookings_are_given_back(self) -> None:
        """Control: only the seat prevents the removal. The mail about the booking has nothing to say any more."""
        cohort = cohort_with(options=(1, 2))
        package = buy_on_rows(cohort, child_of(cohort))
        row = package.progress.get(step__order=1)
        cancel_booking(package_id=package.pk, step_id=row.step_id, is_by_staff=True, now=utc_now())

        remove_step(step_id=row.step_id, actor=STAFF, now=utc_now())

        send_due_notifications(now=utc_now())
        assert progress(package) == [(2, "UNBOOKED")]
        assert Notification.objects.get(kind="booking_cancelled").status == "skipped"

    def test_from_the_back_office_says_why_not(self, workspace: Workspace, manager: StaffClient) -> None:
        cohort = cohort_in(workspace, options=(1, 1))
        package = buy_on_rows(cohort)
        first, second = CourseStep.objects.order_by("order")
        cancel_booking(package_id=package.pk, step_id=second.pk, is_by_staff=True, now=utc_now())

        refused, done = press(manager, first, "remove"), press(manager, second, "remove")

        assert faults(refused) == {
            "__all__": [
                "1 learners have a session booked for Week 1: Topic 1: cancel their bookings first, or make the step "
                "not required."
            ]
        }
        assert done.status_code == 302
        assert list(CourseStep.objects.all()) == [first]

    def test_is_not_for_reviewers(self, workspace: Workspace) -> None:
        step = cohort_in(workspace, options=(2,)).instance.program.steps.get()

        response = press(StaffClient(workspace=workspace, role=Role.REVIEWER), step, "remove")

        assert response.status_code == 403
        assert CourseStep.objects.count() == 1

    def test_does_not_come_back_with_an_edit_that_began_before(self) -> None:
        package = buy_on_rows(cohort_with(options=(2, 2)))
        edited = CourseStep.objects.get(order=2)
        remove_step(step_id=edited.pk, actor=STAFF, now=utc_now())
        edited.title = "Edited"

        with pytest.raises(NotFound, match=r"This step was already removed\."):
            save_step(step=edited, actor=STAFF, now=utc_now())

        assert progress(package) == [(1, "UNBOOKED")]
        assert packages_without_a_step() == 0

    def test_says_so_to_whoever_edits_it(
        self, workspace: Workspace, manager: StaffClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        step = cohort_in(workspace, options=(2,)).instance.program.steps.get()

        def remove_before_saving(*, step: CourseStep, **more: Any) -> CourseStep:
            remove_step(step_id=step.pk, actor=STAFF, now=utc_now())
            return save_step(step=step, **more)

        monkeypatch.setattr(courses, "save_step", remove_before_saving)

        response = manager.post(url_of(step), {**on_its_own(step.program), "order": 1})

        assert response.status_code == 302
        assert said(response) == ["This step was already removed."]

    def test_with_nobody_s_seat_leaves_the_rest_to_be_booked(self) -> None:
        cohort = cohort_with(options=(2, 2))
        package = buy_on_rows(cohort)
        remove_step(step_id=CourseStep.objects.get(order=1).pk, actor=STAFF, now=utc_now())
        session = CohortSession.objects.filter(step__order=2).earliest("pk")

        with transaction.atomic():
            book_sessions(
                package_id=package.pk, selections=[Selection(session.step_id, session.option_id)], now=utc_now()
            )

        assert progress(package) == [(2, "BOOKED")]


def everything() -> tuple[Any, ...]:
    return (
        list(CourseStep.objects.order_by("pk").values_list("pk")),
        list(CourseStepOption.objects.order_by("pk").values_list("pk")),
        list(CohortSession.objects.order_by("pk").values_list("pk")),
        list(StepProgress.objects.order_by("pk").values_list("pk", "status")),
        list(ClassSession.objects.order_by("pk").values_list("pk", "booked_count")),
    )
