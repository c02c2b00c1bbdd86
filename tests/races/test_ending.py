"""Staff end an enrollment while the family books, while its money goes back, and while the learner is moved."""

from collections.abc import Callable

import pytest
from django.db import OperationalError, transaction

from billing.refunds import request_refund, submit_due_refunds
from billing.states import RefundReason
from cohorts.course.scheduling import schedule_cohort
from cohorts.learning.booking import Selection, book_sessions
from cohorts.locks import lock_cohort, lock_place_subject
from cohorts.models import ClassSession, Cohort, CohortPlace, CohortSession, StepProgress, StudentPackage
from cohorts.sale import transfer
from cohorts.sale.transfer import move_package
from cohorts.tests.factories import CohortFactory, buy, cohort_with
from cohorts.tests.places import counts
from core.clock import utc_now
from core.errors import DomainError
from enrollments import lifecycle
from enrollments.lifecycle import unenroll_enrollment
from enrollments.tests.factories import STAFF
from operations.doctor import examine
from sandbox.testing import SandboxProcess
from tests.processes import BOTH_COME, KEPT_OUT, Meeting, at_once
from tests.sweeps import SOON

from .attempts import four_times_in_walks

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]


def said(call: Callable[[], object]) -> str:
    try:
        call()
    except DomainError as refusal:
        return refusal.code
    return "done"


def unenroll(package: StudentPackage) -> object:
    return unenroll_enrollment(enrollment_id=package.enrollment_id, actor=STAFF, reason="Moved away", now=utc_now())


def is_locked(cohort: Cohort) -> bool:
    """Return whether somebody holds the row of this cohort right now."""
    try:
        with transaction.atomic():
            Cohort.objects.select_for_update(nowait=True).get(pk=cohort.pk)
    except OperationalError:
        return True
    return False


def another_cohort(cohort: Cohort) -> Cohort:
    made: Cohort = CohortFactory(instance=cohort.instance)
    schedule_cohort(cohort_id=made.pk)
    return made


class TestUnenrolling:
    @four_times_in_walks
    def test_while_the_family_books_leaves_no_seat_taken(self, stripe: SandboxProcess, attempt: int) -> None:
        cohort = cohort_with(options=(1, 2))
        package = buy(stripe, cohort)
        session = CohortSession.objects.filter(step__order=2).earliest("pk")
        choice = Selection(session.step_id, session.option_id)

        ended, booked = at_once(
            lambda: said(lambda: unenroll(package)),
            lambda: said(lambda: book_sessions(package_id=package.pk, selections=[choice], now=utc_now())),
        )

        assert ended == "done"
        assert booked in ("done", "package_not_found", "step_already_booked")
        assert sum(ClassSession.objects.values_list("booked_count", flat=True)) == 0
        assert examine() == {}

    @four_times_in_walks
    def test_while_the_money_goes_back_ends_it_once(self, stripe: SandboxProcess, attempt: int) -> None:
        cohort = cohort_with(options=(1, 2))
        package = buy(stripe, cohort)
        assert package.payment_id is not None
        request_refund(
            payment_id=package.payment_id, amount_minor=None, reason=RefundReason.REQUESTED, actor=STAFF, now=utc_now()
        )

        answers = at_once(lambda: said(lambda: unenroll(package)), lambda: submit_due_refunds(now=utc_now() + SOON))

        package.enrollment.refresh_from_db()
        assert answers[0] in ("done", "transition_not_allowed")
        assert package.enrollment.payment_status == "refunded"
        assert counts(cohort) == (0, 0)
        assert StepProgress.objects.filter(status="CANCELLED").count() == 2
        assert examine(now=utc_now()) == {}


class TestMoving:
    """A colleague moves the same learner elsewhere, or ends the enrollment, between the look and the lock."""

    def test_to_two_cohorts_at_once_ends_in_one(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with(options=(1,))
        package, targets = buy(stripe, cohort), [another_cohort(cohort), another_cohort(cohort)]

        answers = at_once(
            *[
                lambda to=to: said(lambda: move_package(package_id=package.pk, cohort_id=to.pk, now=utc_now()))
                for to in targets
            ]
        )

        assert answers == ["done", "done"]
        assert sorted(counts(one) for one in (cohort, *targets)) == [(0, 0), (0, 0), (1, 0)]
        assert CohortPlace.objects.filter(status="taken").count() == 1
        assert examine() == {}

    def test_without_the_lock_on_the_learner_leaves_a_place_behind(
        self, stripe: SandboxProcess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Control: both looked where the learner is before either moved them."""
        cohort = cohort_with(options=(1,))
        package, targets = buy(stripe, cohort), [another_cohort(cohort), another_cohort(cohort)]
        look = StudentPackage.objects.select_related("learner")
        monkeypatch.setattr(transfer, "lock_learner_of_package", Meeting(lambda pk: look.get(pk=pk)))

        at_once(
            *[
                lambda to=to: said(lambda: move_package(package_id=package.pk, cohort_id=to.pk, now=utc_now()))
                for to in targets
            ]
        )

        assert CohortPlace.objects.filter(status="taken").count() == 2
        assert "cohorts.taken_places_have_their_package" in examine()

    def test_before_a_refund_makes_the_refund_lock_the_new_cohort(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with(options=(1,))
        package, target, other = buy(stripe, cohort), another_cohort(cohort), another_cohort(cohort)
        subject = str(package.place_id)
        move_package(package_id=package.pk, cohort_id=target.pk, now=utc_now())
        locked, looked = (Meeting(lambda: None) for _ in range(2))

        def refund() -> None:
            with transaction.atomic():
                lock_place_subject(subject)
                locked()
                looked()

        def look() -> list[bool]:
            locked()
            seen = [is_locked(one) for one in (cohort, target, other)]
            looked()
            return seen

        answers = at_once(refund, look)

        assert answers == [None, [True, True, False]]

    def test_while_the_enrollment_ends_is_finished_first_and_then_ended_in_the_new_cohort(
        self, stripe: SandboxProcess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        answers, cohort, target = self.move_while_it_ends(stripe, monkeypatch, patience=KEPT_OUT)

        assert answers == ["done", None]
        assert (counts(cohort), counts(target)) == ((0, 0), (0, 0))
        assert examine() == {}

    def test_moves_nobody_if_the_end_does_not_wait_for_it(
        self, stripe: SandboxProcess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Without the lock on the learner, which the end takes first, the move finds a course that is gone."""
        monkeypatch.setattr(lifecycle, "lock_learner_of", lambda enrollment_id: None)

        answers, cohort, target = self.move_while_it_ends(stripe, monkeypatch, patience=BOTH_COME)

        assert answers == ["package_not_found", None]
        assert (counts(cohort), counts(target)) == ((0, 0), (0, 0))
        assert examine() == {}

    def move_while_it_ends(
        self, stripe: SandboxProcess, monkeypatch: pytest.MonkeyPatch, *, patience: float
    ) -> tuple[list[object], Cohort, Cohort]:
        """Begin the end once the move has looked, and before it has locked the cohorts."""
        cohort = cohort_with(options=(1,))
        package, target = buy(stripe, cohort), another_cohort(cohort)
        looked, ended = Meeting(lambda: None), Meeting(lambda: None, patience=patience)
        lock = lock_cohort

        def wait_and_lock(cohort_id: int) -> Cohort:
            if cohort_id == cohort.pk:
                looked()
                ended()
            return lock(cohort_id)

        def end() -> None:
            looked()
            unenroll(package)
            ended()

        monkeypatch.setattr(transfer, "lock_cohort", wait_and_lock)
        answers = at_once(
            lambda: said(lambda: move_package(package_id=package.pk, cohort_id=target.pk, now=utc_now())), end
        )
        return answers, cohort, target
