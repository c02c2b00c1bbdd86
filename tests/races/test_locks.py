"""Locks that two requests of a learner, of staff, or of Stripe need, and the test that needs each lock."""

from functools import partial
from importlib import import_module
from inspect import getmembers, isfunction
from os import getpid

import pytest

from accounts.models import Learner, Workspace
from accounts.tests.factories import LearnerFactory, WorkspaceFactory
from billing import inbox
from billing import locks as billing_locks
from billing.checkout import outcome
from billing.inbox import record_effect
from billing.models import Checkout, Payment, StripeEvent
from billing.tests.snapshots import tell
from cohorts import locks as cohort_locks
from cohorts.learning import attendance
from cohorts.learning.attendance import mark_attended
from cohorts.learning.completion import complete_course
from cohorts.models import Cohort, CohortPlace, StepProgress, StudentPackage
from cohorts.sale import checkout
from cohorts.tests.factories import CohortFactory, buy_on_rows, cohort_with, reserve
from core.actors import SYSTEM
from core.clock import utc_now
from enrollments import locks as enrollment_locks
from enrollments.tests.factories import InstanceFactory
from operations.doctor import examine
from partners import locks as partner_locks
from tests.contracts.test_lock_order import CONTROLS
from tests.processes import Failure, Meeting, at_once

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]


def place_of(learner: Learner, cohort: Cohort) -> int:
    return reserve(cohort, learner).pk


class TestOneLearnerBuyingInTwoTermsAtOnce:
    """The later purchase gives up the payment page of the earlier one."""

    def test_leaves_one_payment_page_open(self) -> None:
        self.buy_in_both()

        assert Checkout.objects.filter(cancel_requested_at=None).count() == 1
        assert CohortPlace.objects.filter(status="held").count() == 2

    def test_without_the_lock_on_the_learner_has_two(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control: each looks for others before it can see the other."""
        monkeypatch.setattr(checkout, "lock_learner", lambda pk: Learner.objects.get(pk=pk))
        monkeypatch.setattr(checkout, "_give_up_others", Meeting(checkout._give_up_others))

        self.buy_in_both()

        assert Checkout.objects.filter(cancel_requested_at=None).count() == 2

    def buy_in_both(self) -> None:
        first = cohort_with(options=(1,))
        program = first.instance.program
        next_term = InstanceFactory(workspace=program.workspace, program=program, is_default=False)
        second = CohortFactory(instance=next_term)
        learner = LearnerFactory(workspace=program.workspace)

        answers = at_once(partial(place_of, learner, first), partial(place_of, learner, second))

        assert all(isinstance(answer, int) for answer in answers), answers


class TestTheLastTwoStepsMarkedAtOnce:
    def test_complete_the_course(self) -> None:
        answers = self.mark_both()

        assert answers == ["COMPLETED", "COMPLETED"]
        assert StudentPackage.objects.get().completed_at is not None
        assert examine() == {}

    def test_without_the_lock_on_the_package_do_not(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control: each checks whether it is the last before it can see the other."""
        read = StepProgress.objects.select_related("package")
        monkeypatch.setattr(attendance, "_lock_package", lambda progress_id: read.get(pk=progress_id).package)
        monkeypatch.setattr(attendance, "publish", lambda *events: None)
        monkeypatch.setattr(attendance, "complete_course", Meeting(complete_course))

        answers = self.mark_both()

        assert answers == ["COMPLETED", "COMPLETED"]
        assert StudentPackage.objects.get().completed_at is None
        assert "cohorts.completion_follows_the_steps" in examine()

    def mark_both(self) -> list[object]:
        package = buy_on_rows(cohort_with(options=(1, 1)))
        steps = package.progress.order_by("step__order").values_list("pk", flat=True)
        return at_once(*[partial(self.mark, pk) for pk in steps])

    def mark(self, progress_id: int) -> str:
        return str(mark_attended(progress_id=progress_id, actor=SYSTEM, now=utc_now()).status)


class TestOnePaymentToldTwiceAtOnce:
    def test_is_recorded_once(self) -> None:
        answers = self.tell_twice()

        assert answers == ["paid", "paid"]
        assert Payment.objects.count() == StudentPackage.objects.count() == 1
        assert examine() == {}

    def test_without_the_locks_is_left_to_the_database_to_refuse(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control."""
        look = Meeting(lambda pk: Checkout.objects.get(pk=pk))
        monkeypatch.setattr(outcome, "lock_checkout_with_subject", look)

        answers = self.tell_twice()

        assert [answer.kind for answer in answers if isinstance(answer, Failure)] == ["IntegrityError"]

    def tell_twice(self) -> list[object]:
        cohort = cohort_with(options=(1,))
        place = CohortPlace.objects.get(pk=place_of(LearnerFactory(workspace=cohort.instance.workspace), cohort))
        return at_once(*[partial(self.told, place.checkout_id)] * 2)

    def told(self, checkout_id: int) -> str:
        return str(tell(Checkout.objects.get(pk=checkout_id)).status)


class TestOneEventHandledTwiceAtOnce:
    def test_has_its_effect_once(self) -> None:
        self.handle_twice()

        assert Learner.objects.count() == 1

    def test_without_the_lock_on_its_row_has_it_twice(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control."""
        look = Meeting(lambda event_id: StripeEvent.objects.get(event_id=event_id))
        monkeypatch.setattr(inbox, "lock_unhandled_event", look)

        self.handle_twice()

        assert Learner.objects.count() == 2

    def handle_twice(self) -> None:
        StripeEvent.objects.create(
            event_id="evt_1", type="some.thing", payload={}, stripe_created_at=utc_now(), next_attempt_at=utc_now()
        )
        effect = partial(self.effect, WorkspaceFactory())
        at_once(*[partial(record_effect, event_id="evt_1", effect=effect, now=utc_now())] * 2)

    def effect(self, workspace: Workspace) -> str:
        LearnerFactory(workspace=workspace, last_name=f"Doe{getpid()}")
        return "done"


BEHIND_ANOTHER = "the row's owner is locked before it by every caller; it reads the row as it is then"
ORDER = "tests.contracts.test_lock_order:TestALockThatKeepsTheOrder"
NEEDED_BY = {
    enrollment_locks: {
        "lock_idle_seat": "tests.races.test_idle_seats:TestAnAnswerInTheLastMoment",
        "lock_allocation": ORDER,
        "lock_allocation_of": ORDER,
        "lock_learner_of": "tests.races.test_ending:TestMoving",
        "lock_enrollment": "tests.races.test_reviews:TestApprovalAgainstRejection",
        "lock_enrollment_with_seat": "tests.races.test_reviews:TestApprovalAgainstRejection",
        "lock_enrollment_behind": "tests.races.test_reviews:TestApprovalAgainstRejection",
        "lock_allocations_out_of_order": "tests.races.test_seats_by_hand:TestASeatThatIsTransferredDuringAnApproval",
        "lock_allocations_of": "tests.races.test_expiry:TestTheAllocationsOfASweep",
        "lock_unless_lead_is_busy": "tests.races.test_erasing:TestAnErasureAgainstTheApprovalOfALead",
        "lock_unlocked": "tests.races.test_expiry:TestSweepsAtOnce",
        "lock_current": "tests.races.test_update_by_import:TestAnUpdateByImport",
        "lock_enrollments": "tests.races.test_import_undo:TestUndoingAgainstADecision",
        "lock_candidates": "tests.races.test_evaluations:TestAnEvaluationOfAll",
        "lock_together": "tests.races.test_partner_inbox:TestSweepsAtOnce",
        "lock_instance": "tests.races.test_applications:TestTheLastPlace",
        "lock_decision": BEHIND_ANOTHER,
        "lock_decision_subject": "tests.races.test_reviews:TestRejectionAgainstPayment",
    },
    cohort_locks: {
        "lock_learner": "tests.races.test_locks:TestOneLearnerBuyingInTwoTermsAtOnce",
        "lock_account": "tests.races.test_holding:TestALine",
        "lock_household": "tests.races.test_holding:TestALine",
        "lock_learner_of_package": "tests.races.test_course_bookings:TestOneLearnerAtTheSameHour",
        "lock_cohort": "tests.races.test_curriculum:TestACohortOpenedWhileItsLastStepIsTakenOut",
        "lock_cohorts_where_learner_waits": "tests.races.test_merging:TestAMergeOfALearnerWhoIsOfferedAPlace",
        "lock_cohorts_of": "tests.races.test_curriculum:TestAStepAddedDuringAPurchase",
        "lock_classes": "tests.races.test_scheduling:TestTwoSessionsMovedToOneDay",
        "lock_sessions": "tests.races.test_curriculum:TestAStepTakenOutDuringABooking",
        "lock_place": BEHIND_ANOTHER,
        "lock_package": "tests.races.test_locks:TestTheLastTwoStepsMarkedAtOnce",
        "lock_package_row": "tests.races.test_course_bookings:TestWithoutTheLocks",
        "lock_unfinished": "tests.races.test_curriculum:TestAStepTakenOutWhileItIsExcused",
        "lock_packages_in_session": "tests.races.test_curriculum:TestAttendanceTakenWhileTheCourseChanges",
        "lock_enrollment_row": ORDER,
        "lock_held_for_enrollments": ORDER,
        "lock_place_subject": ORDER,
        "lock_owner_of_place": "tests.contracts.test_lock_order:TestWhoeverEndsAHold",
        "lock_sessions_of_purchase": ORDER,
        "_lock_sessions": ORDER,
    },
    billing_locks: {
        "lock_mismatch": "tests.races.test_mismatches:TestTwoWhoRepairOneMismatch",
        "lock_checkout_with_subject": "tests.races.test_locks:TestOnePaymentToldTwiceAtOnce",
        "_lock_checkout": "tests.races.test_locks:TestOnePaymentToldTwiceAtOnce",
        "lock_payment_with_subject": "tests.races.test_course_payments:TestWithoutItsGuard",
        "lock_payment": "billing.tests.test_races:TestTwoRefundsAtOnce",
        "lock_payments_with_subjects": "tests.races.test_leaving:TestAConfirmationAgainstARefundByStaff",
        "lock_payment_of_intent": BEHIND_ANOTHER,
        "lock_pending_payment": BEHIND_ANOTHER,
        "lock_unhandled_event": "tests.races.test_locks:TestOneEventHandledTwiceAtOnce",
    },
    partner_locks: {
        "lock_steps": "tests.races.test_partner_steps:TestTwoStepsCompletedAtOnce",
        "lock_step": "tests.races.test_partner_steps:TestTwoStepsCompletedAtOnce",
        "lock_ways": "tests.races.test_partner_inbox:TestSweepsAtOnce",
        "lock_program": "tests.races.test_partner_steps:TestTwoVersionsAtOnce",
    },
}


class TestEveryLock:
    @pytest.mark.parametrize("module", NEEDED_BY, ids=lambda module: module.__name__)
    def test_is_used_by_an_existing_test(self, module: object) -> None:
        named = NEEDED_BY[module]  # type: ignore[index]
        own = {name for name, made in getmembers(module, isfunction) if made.__module__ == module.__name__}  # type: ignore[attr-defined]

        assert {name for name, place in named.items() if place == ORDER} <= set(CONTROLS)
        assert set(named) == {name for name in own if "lock" in name or "hold" in name}
        for place in set(named.values()) - {BEHIND_ANOTHER}:
            where, _, kind = place.partition(":")
            assert isinstance(getattr(import_module(where), kind), type)
