"""The last use of a code, requested by several families at once, and a family that buys for all of its children at
once. One purchase gets it; the others get the message of every unusable code.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.db.models import F

from accounts.models import Learner, Workspace
from accounts.tests.factories import GuardianFactory, GuardianshipFactory, LearnerFactory, WorkspaceFactory
from billing.checkout.outcome import record_session
from billing.discounts import ledger, release_discount
from billing.errors import VoucherNotAccepted
from billing.invariants import checkouts_charge_the_list_price_less_the_discount, vouchers_count_their_uses
from billing.models import Checkout, Discount, Voucher
from billing.tests.factories import VoucherFactory, session_of
from billing.tests.snapshots import tell
from cohorts.models import Cohort, CohortPlace
from cohorts.sale import checkout as sale_checkout
from cohorts.sale import fulfilment, waitlist
from cohorts.sale.places import release_place
from cohorts.sale.pricing import find_discount_of_place
from cohorts.sale.waitlist import free_unpaid_place
from cohorts.tests.factories import CourseFactory, cohort_with, reserve
from core.clock import utc_now
from core.errors import require
from core.invariants import Extent
from enrollments.deletion import delete_enrollment
from enrollments.models import Enrollment
from enrollments.tests.factories import STAFF, InstanceFactory
from operations.doctor import examine
from tests.processes import BOTH_COME, KEPT_OUT, Failure, Meeting, at_once

from .attempts import four_times_in_walks

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]

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

    def test_without_the_conditional_update_would_go_to_two_families(
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


class TestLateMoney:
    """A checkout ended unpaid and gave its use back. Its money arrives just as a purchase takes that use."""

    @four_times_in_walks
    @pytest.mark.parametrize("limits", [{"most_uses": 1}, {"most_uses_per_family": 1}], ids=["code", "family"])
    def test_and_a_purchase_do_not_both_get_the_last_use(
        self, attempt: int, limits: dict[str, int], workspace: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        late, buyer = siblings(workspace, 2)
        a_code(workspace, **limits)
        pays = late_money(workspace, late)
        buys = partial(reserve, a_course(workspace), buyer, voucher=CODE)
        meeting = Meeting(lambda: None)
        meet_after(monkeypatch, "cohorts.sale.checkout.find_discount_of_place", find_discount_of_place, meeting)
        meet_after(monkeypatch, "billing.discounts.ledger.discount_of", ledger.discount_of, meeting)

        paid, bought = at_once(pays, partial(_answer, buys))

        assert paid is None
        assert (bought, *states()) in {("reserved", "honored", "reserved"), ("VoucherNotAccepted", "used")}
        assert uses() == (1, 1)
        assert Checkout.objects.filter(status="paid").count() == 1
        for invariant in (vouchers_count_their_uses, checkouts_charge_the_list_price_less_the_discount):
            assert list(invariant(Extent(now=utc_now()))) == []

    def test_without_the_conditional_update_would_be_stopped_only_by_the_database(
        self, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Control: the use is read, and taken after the purchase took it. Only the constraint keeps the limit, and the
        money is not recorded."""
        late, buyer = strangers(workspace, 2)
        a_code(workspace, most_uses=1)
        pays = late_money(workspace, late)
        meeting = Meeting(lambda: None)  # both come

        def take_as_read(discount: Discount) -> bool:
            is_left = Voucher.objects.with_uses_left().exists()
            meeting()
            return is_left and Voucher.objects.update(uses=F("uses") + 1) == 1

        monkeypatch.setattr(ledger, "_could_take_again", take_as_read)
        meet_after(monkeypatch, "billing.discounts.ledger._take_use", ledger._take_use, meeting)

        paid, bought = at_once(pays, partial(_answer, partial(reserve, a_course(workspace), buyer, voucher=CODE)))

        assert isinstance(paid, Failure)
        assert (paid.kind, "voucher_uses_within_limit" in paid.message) == ("IntegrityError", True)
        assert (bought, *states()) == ("reserved", "released", "reserved")

    def test_without_counting_the_family_again_would_exceed_its_limit(
        self, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Control: only the purchase counts the uses of the family."""
        late, buyer = siblings(workspace, 2)
        a_code(workspace, most_uses_per_family=1)
        pays = late_money(workspace, late)
        reserve(a_course(workspace), buyer, voucher=CODE)
        monkeypatch.setattr(ledger, "count_family_uses", lambda *given: 0)

        pays()

        assert states() == ["used", "reserved"]
        assert uses() == (2, 2)


def late_money(workspace: Workspace, learner: Learner) -> Callable[[], None]:
    """Let a purchase with the code end unpaid; return the call that delivers its money after all."""
    place = reserve(a_course(workspace), learner, voucher=CODE)
    Checkout.objects.filter(pk=place.checkout_id).update(stripe_session_id=f"cs_rows_{place.checkout_id}")
    checkout = Checkout.objects.get(pk=place.checkout_id)
    ended = session_of(checkout, status="expired", payment_status="unpaid")
    record_session(checkout_id=checkout.pk, session=ended, now=utc_now())
    assert uses() == (0, 0)

    def pay() -> None:
        record_session(checkout_id=checkout.pk, session=session_of(checkout), now=utc_now())

    return pay


def meet_after(monkeypatch: pytest.MonkeyPatch, name: str, function: Callable[..., Any], meeting: Meeting) -> None:
    """Make each caller of a function wait for the other one."""

    def call(*args: Any, **kwargs: Any) -> Any:
        answer = function(*args, **kwargs)
        meeting()
        return answer

    monkeypatch.setattr(name, call)


def states() -> list[str]:
    """Return the discounts' statuses, in the order in which they were granted."""
    return list(Discount.objects.order_by("pk").values_list("status", flat=True))


def _answer(buy: Callable[[], Any]) -> str:
    try:
        buy()
    except VoucherNotAccepted as refusal:
        return type(refusal).__name__
    return "reserved"


class TestACodeOfAPaymentThatBringsNothing:
    """The enrollment of the one who pays was deleted; somebody else holds a place in the cohort with the same code."""

    def test_is_free_again_once_its_place_is(self, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
        answers = self.pay_and_hold(workspace, monkeypatch, patience=KEPT_OUT)

        assert answers == ["paid", "held"]
        assert Voucher.objects.get().uses == 1
        assert examine() == {}

    def test_if_it_were_freed_before_the_place_would_deadlock(
        self, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Control: the one needs the cohort, and the other the code."""

        def free_the_code_first(*, place: CohortPlace, **more: Any) -> bool:
            release_discount(checkout=require(place.checkout, "it was reserved with its checkout"), now=more["now"])
            return free_unpaid_place(place=place, **more)

        monkeypatch.setattr(fulfilment, "free_unpaid_place", free_the_code_first)

        answers = self.pay_and_hold(workspace, monkeypatch, patience=BOTH_COME)

        (failure,) = [answer for answer in answers if isinstance(answer, Failure)]
        assert "deadlock detected" in failure.message

    def pay_and_hold(self, workspace: Workspace, monkeypatch: pytest.MonkeyPatch, *, patience: float) -> list[Any]:
        """They meet when the one is about to free the place, and the other holds one and is about to use the code."""
        a_code(workspace)
        cohort = cohort_with(options=(1,), instance__workspace=workspace)
        jane, leo = strangers(workspace, 2)
        checkout = require(reserve(cohort, jane, voucher=CODE).checkout, "a quarter off leaves something to pay")
        delete_enrollment(enrollment_id=Enrollment.objects.get().pk, actor=STAFF, now=utc_now())
        together = Meeting(lambda: None, patience=patience)

        def meet_and_release(**asked: Any) -> bool:
            together()
            return release_place(**asked)

        def find_and_meet(**asked: Any) -> Any:
            found = find_discount_of_place(**asked)
            together()
            return found

        monkeypatch.setattr(waitlist, "release_place", meet_and_release)
        monkeypatch.setattr(sale_checkout, "find_discount_of_place", find_and_meet)

        def hold() -> str:
            reserve(cohort, leo, voucher=CODE)
            return "held"

        return at_once(lambda: str(tell(checkout).status), hold)
