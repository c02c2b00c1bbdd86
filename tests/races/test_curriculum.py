"""A course that changes while it is being bought, and while its sessions are being booked."""

import datetime as dt
from collections.abc import Callable

import pytest
from django.db.models import QuerySet

from accounts.tests.factories import LearnerFactory
from billing.checkout import settle_checkout
from billing.tests.snapshots import tell
from cohorts.course import curriculum
from cohorts.course.curriculum import add_step, remove_step, save_step
from cohorts.learning import attendance, completion
from cohorts.learning.attendance import excuse_step, mark_attended, take_attendance
from cohorts.learning.booking import Selection, book_sessions
from cohorts.learning.steps import open_steps
from cohorts.locks import lock_unfinished
from cohorts.models import (
    ClassSession,
    Cohort,
    CohortSession,
    CourseStep,
    StepProgress,
    StudentPackage,
    StudentPackageQuerySet,
)
from cohorts.queries import due_to_complete
from cohorts.sale import fulfilment, opening
from cohorts.sale.opening import open_cohort
from cohorts.sale.readiness import find_gaps
from cohorts.tests.factories import buy, buy_on_rows, cohort_with, reserve, start
from core.actors import SYSTEM
from core.clock import utc_now
from core.errors import DomainError, require
from core.rows import lock_rows
from enrollments.models import Enrollment, Program
from operations.doctor import examine
from sandbox.testing import SandboxProcess
from tests.processes import BOTH_COME, KEPT_OUT, Failure, Meeting, at_once

from .attempts import four_times_in_walks

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]


def meeting() -> Meeting:
    return Meeting(lambda: None)


class TestAStepAddedDuringAPurchase:
    """The purchase has read the course's steps and is about to commit."""

    def test_reaches_the_package_that_is_being_made(
        self, stripe: SandboxProcess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        read = meeting()

        self.buy_meanwhile(stripe, monkeypatch, after_reading=read, adding=lambda program: add_after(read, program))

        assert StepProgress.objects.filter(package=StudentPackage.objects.get()).count() == 2
        assert examine() == {}

    def test_without_the_lock_on_the_cohorts_misses_it(
        self, stripe: SandboxProcess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Control."""
        read, added = meeting(), meeting()
        monkeypatch.setattr(curriculum, "lock_cohorts_of", lambda program_id: None)

        def wait_for_the_step() -> None:
            read()
            added()

        def add(program: Program) -> None:
            add_after(read, program)
            added()

        self.buy_meanwhile(stripe, monkeypatch, after_reading=wait_for_the_step, adding=add)

        assert StepProgress.objects.filter(package=StudentPackage.objects.get()).count() == 1
        assert "cohorts.packages_have_every_step" in examine()

    def buy_meanwhile(
        self,
        stripe: SandboxProcess,
        monkeypatch: pytest.MonkeyPatch,
        *,
        after_reading: Callable[[], None],
        adding: Callable[[Program], None],
    ) -> None:
        cohort = cohort_with(options=(2,))
        checkout = start(cohort)
        stripe.pay(checkout.url)

        def open_and_wait(**asked: object) -> object:
            opened = open_steps(**asked)  # type: ignore[arg-type]
            after_reading()
            return opened

        monkeypatch.setattr(fulfilment, "open_steps", open_and_wait)

        answers = at_once(
            lambda: settle_checkout(checkout_id=checkout.pk, now=utc_now()).status,
            lambda: adding(cohort.instance.program),
        )

        assert answers == ["paid", None]


def add_after(read: Callable[[], None], program: Program) -> None:
    read()
    add_step(step=CourseStep(program=program, order=2, label="Week 2", title="Added"))


class TestAStepTakenOutDuringABooking:
    @four_times_in_walks
    def test_is_booked_or_gone(self, stripe: SandboxProcess, attempt: int) -> None:
        cohort = cohort_with(options=(2, 2))
        package = buy(stripe, cohort)
        session = CohortSession.objects.filter(step__order=1).earliest("pk")

        answers = at_once(
            lambda: said(
                lambda: book_sessions(
                    package_id=package.pk, selections=[Selection(session.step_id, session.option_id)], now=utc_now()
                )
            ),
            lambda: said(lambda: remove_step(step_id=session.step_id, actor=SYSTEM, now=utc_now())),
        )

        seats = sum(ClassSession.objects.values_list("booked_count", flat=True))
        assert (answers[0] == "done", answers[1]) in [(True, "step_in_use"), (False, "done")]
        assert seats == StepProgress.objects.filter(status="BOOKED").count() == int(answers[0] == "done")
        assert examine() == {}

    def test_without_the_lock_on_the_sessions_removes_a_booked_seat(
        self, stripe: SandboxProcess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Control: it is booked after the check whether anybody has."""
        cohort = cohort_with(options=(2, 2))
        package = buy(stripe, cohort)
        session = CohortSession.objects.filter(step__order=1).earliest("pk")
        looked, booked = meeting(), meeting()
        refuse_in_use = curriculum.refuse_in_use

        def look_and_wait(step: CourseStep) -> None:
            refuse_in_use(step)
            looked()
            booked()

        def book() -> None:
            looked()
            book_sessions(
                package_id=package.pk, selections=[Selection(session.step_id, session.option_id)], now=utc_now()
            )
            booked()

        monkeypatch.setattr(curriculum, "lock_sessions", lambda session_ids: None)
        monkeypatch.setattr(curriculum, "refuse_in_use", look_and_wait)

        answers = at_once(lambda: said(lambda: remove_step(step_id=session.step_id, actor=SYSTEM, now=utc_now())), book)

        assert answers == ["done", None]
        assert "cohorts.booked_counts_equal_their_holders" in examine()


class TestAStepTakenOutWhileItIsExcused:
    def test_is_gone_or_excused_first(self, monkeypatch: pytest.MonkeyPatch) -> None:
        answers = self.take_out_and_excuse(monkeypatch, patience=KEPT_OUT)

        assert answers in (["done", "step_not_open"], ["done", "done"])
        assert StepProgress.objects.count() == 1
        assert examine() == {}

    def test_without_locking_the_packages_first_would_deadlock(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control: one has deleted the step that the other is about to change, and needs the enrollment next."""
        monkeypatch.setattr(curriculum, "lock_unfinished", lambda packages: [])

        answers = self.take_out_and_excuse(monkeypatch, patience=BOTH_COME)

        (failure,) = [answer for answer in answers if isinstance(answer, Failure)]
        assert failure.kind == "OperationalError"
        assert "deadlock detected" in failure.message

    def take_out_and_excuse(self, monkeypatch: pytest.MonkeyPatch, *, patience: float) -> list[object]:
        """Both continue once the one has deleted the step's rows, and the other has locked the package."""
        package = buy_on_rows(cohort_with(options=(1, 2)))
        row = package.progress.select_related("step").get(step__order=2)
        together = Meeting(lambda: None, patience=patience)
        close_empty, lock_package = curriculum._close_empty_cohorts, attendance._lock_package

        def close_after_meeting(program_id: int) -> None:
            together()
            close_empty(program_id)

        def lock_and_meet(progress_id: int) -> StudentPackage:
            locked = lock_package(progress_id)
            together()
            return locked

        monkeypatch.setattr(curriculum, "_close_empty_cohorts", close_after_meeting)
        monkeypatch.setattr(attendance, "_lock_package", lock_and_meet)

        return at_once(
            lambda: said(lambda: remove_step(step_id=row.step_id, actor=SYSTEM, now=utc_now())),
            lambda: said(lambda: excuse_step(progress_id=row.pk, reason="Ill", actor=SYSTEM, now=utc_now())),
        )


def said(call: Callable[[], object]) -> str:
    try:
        call()
    except DomainError as refusal:
        return refusal.code
    return "done"


class TestAStepMadeOptionalWhileTheLastRequiredOneIsMarked:
    """Of two required steps, one is marked attended and the other made optional: together, they complete the course."""

    @four_times_in_walks
    def test_completes_the_course(self, attempt: int) -> None:
        self.mark_and_change()

        assert StudentPackage.objects.get().completed_at is not None
        assert examine() == {}

    def test_without_the_lock_on_the_packages_completes_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control: each looks before it can see what the other did."""
        monkeypatch.setattr(completion, "lock_unfinished", lambda packages: packages.values_list("pk", flat=True))
        look = due_to_complete
        monkeypatch.setattr(completion, "due_to_complete", Meeting(lambda: seen_now(look())))

        self.mark_and_change()

        assert StudentPackage.objects.get().completed_at is None
        assert list(examine()) == ["cohorts.completion_follows_the_steps"]

    def mark_and_change(self) -> None:
        package = buy_on_rows(cohort_with(options=(1, 1)))
        first, second = package.progress.select_related("step").order_by("step__order")
        second.step.required = False

        at_once(
            lambda: mark_attended(progress_id=first.pk, actor=SYSTEM, now=utc_now()),
            lambda: save_step(step=second.step, actor=SYSTEM, now=utc_now()),
        )


class TestACohortOpenedWhileItsLastStepIsTakenOut:
    @pytest.fixture
    def cohort(self) -> Cohort:
        return cohort_with(options=(1,), is_active=False, enrollment_deadline=utc_now() + dt.timedelta(days=7))

    @four_times_in_walks
    def test_ends_closed(self, cohort: Cohort, attempt: int) -> None:
        step = CourseStep.objects.get()

        answers = at_once(
            lambda: said(lambda: open_cohort(cohort_id=cohort.pk, now=utc_now())),
            lambda: said(lambda: remove_step(step_id=step.pk, actor=SYSTEM, now=utc_now())),
        )

        assert answers in (["done", "done"], ["not_ready_to_open", "done"])
        assert not Cohort.objects.get().is_active
        assert examine() == {}

    def test_without_the_lock_is_open_without_a_session(self, cohort: Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control: the step is removed between the check for missing parts and the opening."""
        step, looked, gone = CourseStep.objects.get(), meeting(), meeting()
        look = find_gaps

        def look_and_wait(**asked: object) -> object:
            found = look(**asked)  # type: ignore[arg-type]
            looked()
            gone()
            return found

        def take_out() -> None:
            looked()
            remove_step(step_id=step.pk, actor=SYSTEM, now=utc_now())
            gone()

        unlocked = Cohort.objects.select_related("instance__program", "instance__price")
        monkeypatch.setattr(opening, "lock_cohort", lambda pk: unlocked.get(pk=pk))
        monkeypatch.setattr(opening, "find_gaps", look_and_wait)

        assert at_once(lambda: said(lambda: open_cohort(cohort_id=cohort.pk, now=utc_now())), take_out) == [
            "done",
            None,
        ]

        assert list(examine()) == ["cohorts.open_cohorts_have_sessions"]


def seen_now(packages: QuerySet[StudentPackage]) -> QuerySet[StudentPackage]:
    return StudentPackage.objects.filter(pk__in=list(packages.values_list("pk", flat=True)))


class TestAttendanceTakenWhileTheCourseChanges:
    """The learner who asked first has paid last, so the bookings are not in the order of the enrollments."""

    def test_waits_for_the_change_or_comes_first(self, monkeypatch: pytest.MonkeyPatch) -> None:
        answers = self.take_and_change(monkeypatch, patience=KEPT_OUT)

        assert answers == ["done", "done"]
        assert set(StepProgress.objects.values_list("status", flat=True)) == {"COMPLETED"}
        assert examine() == {}

    def test_without_locking_everybody_first_would_deadlock(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control: each has locked the enrollment that the other needs next."""
        monkeypatch.setattr(attendance, "lock_packages_in_session", lambda session_id: None)

        answers = self.take_and_change(monkeypatch, patience=BOTH_COME)

        (failure,) = [answer for answer in answers if isinstance(answer, Failure)]
        assert "deadlock detected" in failure.message

    def take_and_change(self, monkeypatch: pytest.MonkeyPatch, *, patience: float) -> list[object]:
        """Both continue once the one has locked the first to be marked, and the other the first enrollment."""
        cohort = cohort_with(options=(1,))
        places = [reserve(cohort, LearnerFactory(workspace=cohort.instance.workspace)) for _ in range(2)]
        for place in reversed(places):
            tell(require(place.checkout, "it was reserved with its checkout"))
        together = Meeting(lambda: None, patience=patience)
        lock_package = attendance._lock_package
        locked: list[int] = []

        def lock_and_meet(progress_id: int) -> StudentPackage:
            package = lock_package(progress_id)
            if not locked:
                locked.append(package.pk)
                together()
            return package

        def lock_one_and_meet(packages: StudentPackageQuerySet) -> list[int]:
            lock_rows(Enrollment, places[0].enrollment_id or 0)
            together()
            return lock_unfinished(packages)

        monkeypatch.setattr(attendance, "_lock_package", lock_and_meet)
        monkeypatch.setattr(completion, "lock_unfinished", lock_one_and_meet)
        session = ClassSession.objects.get()
        came = list(session.bookings.values_list("pk", flat=True))
        step = CourseStep.objects.get()

        return at_once(
            lambda: said(lambda: take_attendance(session_id=session.pk, came=came, actor=SYSTEM, now=utc_now())),
            lambda: said(lambda: save_step(step=step, actor=SYSTEM, now=utc_now())),
        )
