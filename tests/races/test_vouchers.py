"""The last use of a code, requested by several families at once, and a family that buys for all of its children at
once. One purchase gets it; the others get the message of every unusable code.
"""

from functools import partial
from typing import Any

import pytest

from accounts.models import Learner, Workspace
from accounts.tests.factories import GuardianFactory, GuardianshipFactory, LearnerFactory, WorkspaceFactory
from billing.discounts import ledger
from billing.invariants import vouchers_count_their_uses
from billing.models import Checkout, Discount, Voucher
from billing.tests.factories import VoucherFactory
from cohorts.models import Cohort, CohortPlace
from cohorts.sale.pricing import find_discount_of_place
from cohorts.tests.factories import CourseFactory, cohort_with, reserve
from core.clock import utc_now
from core.invariants import Extent
from enrollments.tests.factories import InstanceFactory
from tests.processes import Failure, Meeting, at_once

from .attempts import four_times_in_walks

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True), pytest.mark.ordered_locks]

CODE = "SPRING-25"


@pytest.fixture
def workspace() -> Workspace:
    return WorkspaceFactory()


def a_code(workspace: Workspace, **limits: int) -> None:
    VoucherFactory(workspace=workspace, code=CODE, **limits)


def strangers(workspace: Workspace, number: int) -> list[Learner]:
    return [LearnerFactory(workspace=workspace) for _ in range(number)]


def siblings(workspace: Workspace, number: int) -> list[Learner]:
    guardian = GuardianFactory(workspace=workspace)
    return [GuardianshipFactory(guardian=guardian).learner for _ in range(number)]


def all_buy(learners: list[Learner]) -> list[str]:
    """Let each buy a different course, so that they meet only at the code."""

    def buy(cohort: Cohort, learner: Learner) -> str:
        reserve(cohort, learner, voucher=CODE)
        return "reserved"

    purchases = [partial(buy, a_course(learner.workspace), learner) for learner in learners]
    answers: list[Any] = at_once(*purchases)
    return sorted(answer.kind if isinstance(answer, Failure) else answer for answer in answers)


def a_course(workspace: Workspace) -> Cohort:
    course = CourseFactory(workspace=workspace)
    return cohort_with(options=(1,), instance=InstanceFactory(workspace=workspace, program=course, is_default=False))


def all_look_before_one_takes(monkeypatch: pytest.MonkeyPatch, parties: int) -> None:
    """Let all see the code unused before one of them uses it."""
    meeting = Meeting(find_discount_of_place, parties=parties)
    monkeypatch.setattr("cohorts.sale.checkout.find_discount_of_place", meeting)


def uses() -> tuple[int, int]:
    """Return the uses as the code counts them, and as the discounts do."""
    return Voucher.objects.get().uses, Discount.objects.counted().count()


class TestTheLastUseOfACode:
    @four_times_in_walks
    def test_goes_to_one_of_several_families(
        self, attempt: int, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        a_code(workspace, most_uses=1)
        all_look_before_one_takes(monkeypatch, 3)

        answers = all_buy(strangers(workspace, 3))

        assert answers == ["VoucherNotAccepted"] * 2 + ["reserved"]
        assert uses() == (1, 1)
        assert CohortPlace.objects.count() == Checkout.objects.count() == 1
        assert list(vouchers_count_their_uses(Extent(now=utc_now()))) == []

    def test_without_the_condition_of_the_update_would_be_had_by_two(
        self, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Control: each writes one use more than it has read."""

        def take_use_as_read(granted: Any) -> None:
            Voucher.objects.filter(pk=granted.voucher.pk).update(uses=granted.voucher.uses + 1)

        a_code(workspace, most_uses=1)
        all_look_before_one_takes(monkeypatch, 2)
        monkeypatch.setattr(ledger, "_take_use", take_use_as_read)

        answers = all_buy(strangers(workspace, 2))

        assert answers == ["reserved"] * 2
        assert uses() == (1, 2)


class TestACodeForOneChildOfAFamily:
    @four_times_in_walks
    def test_goes_to_one_of_them(self, attempt: int, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
        a_code(workspace, most_uses_per_family=1)
        all_look_before_one_takes(monkeypatch, 3)

        answers = all_buy([*siblings(workspace, 2), *strangers(workspace, 1)])

        assert answers == ["VoucherNotAccepted"] + ["reserved"] * 2
        assert uses() == (2, 2)
        assert list(vouchers_count_their_uses(Extent(now=utc_now()))) == []

    def test_without_counting_again_would_go_to_two(
        self, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Control: the family's uses are counted when the code is checked, and not again."""
        a_code(workspace, most_uses_per_family=1)
        all_look_before_one_takes(monkeypatch, 2)
        monkeypatch.setattr(ledger, "count_family_uses", lambda *given: 0)

        answers = all_buy(siblings(workspace, 2))

        assert answers == ["reserved"] * 2
        assert uses() == (2, 2)
