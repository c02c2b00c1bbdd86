"""What discounts take off, who may use a code, and what becomes of each use."""

import datetime as dt
from collections.abc import Collection, Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from hypothesis import given
from hypothesis import strategies as st

from accounts.tests.factories import GuardianFactory, GuardianshipFactory, LearnerFactory
from billing.checkout import open_checkout, record_session
from billing.discounts import Sale, find_discount, release_discount
from billing.discounts.amounts import amount_of, share_of
from billing.discounts.batch import MOST_AT_ONCE, Terms, change_voucher, make_vouchers
from billing.discounts.codes import LETTERS, canonical_code, new_code
from billing.errors import VoucherNotAccepted
from billing.models import Checkout, Discount, Invoice, Payment, Price, Voucher
from billing.purposes import Purpose, register_purpose
from billing.repricing import mark_outdated
from billing.states import VoucherKind
from core.clock import utc_now
from core.currencies import CURRENCIES, currency_of
from core.errors import Invalid
from core.money import Money

from .factories import PriceFactory, VoucherFactory, session_of
from .snapshots import EXPIRED, REFUSED_BY_THE_BANK, arrive, refund

pytestmark = pytest.mark.django_db

LESSON = "lesson"


@pytest.fixture(autouse=True)
def price() -> Iterator[Price]:
    """What a lesson costs: 49.00. Its subject is the learner who takes it."""
    made: Price = PriceFactory()

    def subjects_of(learner_ids: Collection[int]) -> list[str]:
        return [str(pk) for pk in learner_ids]

    register_purpose(
        Purpose(
            name=LESSON,
            lock_subject=lambda subject: None,
            describe=lambda subject: (subject, ""),
            find_learner_id=int,
            find_subjects=subjects_of,
            find_price_ids=lambda subjects: dict.fromkeys(subjects, made.pk),
        )
    )
    yield made
    register_purpose(Purpose(name=LESSON, lock_subject=lambda subject: None, describe=lambda subject: (subject, "")))


def sale(price: Price, learner: int = 1, **more: Any) -> Sale:
    told: dict[str, Any] = {"family": [learner], "offers": {"program:7"}}
    return Sale(price=price, learner_id=learner, **told | more)


@transaction.atomic
def ask(price: Price, code: str = "", learner: int = 1, **more: Any) -> Checkout:
    now = utc_now()
    return open_checkout(
        workspace_id=price.workspace_id,
        purpose=LESSON,
        subject=str(learner),
        price=price,
        description="A lesson",
        success_url="http://testserver/",
        cancel_url="http://testserver/",
        expires_at=now + dt.timedelta(hours=1),
        granted=find_discount(code=code, sale=sale(price, learner, **more), now=now),
        now=now,
    )


def told(checkout: Checkout, **more: Any) -> None:
    record_session(checkout_id=checkout.pk, session=session_of(checkout, **more), now=utc_now())


def uses(voucher: Voucher) -> int:
    return Voucher.objects.values_list("uses", flat=True).get(pk=voucher.pk)


def states() -> list[str]:
    return list(Discount.objects.order_by("pk").values_list("status", flat=True))


CURRENCY = st.sampled_from(sorted(CURRENCIES.values(), key=lambda each: each.code))


class TestWhatIsTakenOff:
    @given(CURRENCY, st.integers(1, 10**8), st.decimals(Decimal("0.01"), 100, places=2))
    def test_leaves_nothing_or_what_can_be_charged(self, currency: Any, minor: int, percent: Decimal) -> None:
        amount = min(max(minor, currency.least), currency.most)
        price = Money(amount - amount % currency.step, currency.code)

        off = share_of(price, percent)

        left = price.minor - off
        assert 0 <= off <= price.minor
        assert left == 0 or (left >= currency.least and left % currency.step == 0)
        if left:
            assert abs(off - price.minor * percent / 100) * 2 <= currency.step

    def test_is_rounded_half_up(self) -> None:
        assert share_of(Money(4910, "usd"), Decimal(25)) == 1228  # 12.275
        assert share_of(Money(10_010, "kwd"), Decimal("12.5")) == 1250  # 1.25125, in steps of ten

    def test_takes_a_rest_along_that_stripe_would_not_charge(self) -> None:
        least = currency_of("usd").least

        assert amount_of(Money(4900, "usd"), Money(4900 - least, "usd")) == 4900 - least
        assert amount_of(Money(4900, "usd"), Money(4900 - least + 1, "usd")) == 4900
        assert amount_of(Money(4900, "usd"), Money(9900, "usd")) == 4900

    def test_is_nothing_in_another_currency(self) -> None:
        assert amount_of(Money(4900, "usd"), Money(1000, "eur")) == 0


class TestACode:
    def test_is_read_in_any_case_and_with_blanks(self) -> None:
        assert canonical_code(" spring-25 ") == "SPRING-25"
        assert canonical_code("spr") == canonical_code("SPRING'25") == canonical_code("ŚPRING") == ""

    def test_that_is_drawn_has_55_random_bits(self) -> None:
        code = new_code("SPRING")

        assert code.startswith("SPRING-")
        assert canonical_code(code) == code
        assert set(code.removeprefix("SPRING").replace("-", "")) <= set(LETTERS)
        assert len(LETTERS) ** 12 > 2**55
        assert new_code() != new_code()


REFUSED: list[Any] = [
    pytest.param({"active": False}, {}, id="switched off"),
    pytest.param({"most_uses": 3, "uses": 3}, {}, id="used up"),
    pytest.param({"valid_from": dt.date(2100, 1, 1)}, {}, id="not begun"),
    pytest.param({"valid_until": dt.date(2020, 1, 1)}, {}, id="over"),
    pytest.param({"only_for": "program:8"}, {}, id="for something else"),
    pytest.param({"kind": "amount", "amount_minor": 500, "currency": "eur"}, {}, id="another currency"),
]


class TestUsingACode:
    @pytest.mark.parametrize(("voucher", "asked"), REFUSED)
    def test_that_is_not_for_this_gets_the_answer_of_an_unknown_one(
        self, price: Price, voucher: dict[str, Any], asked: dict[str, Any]
    ) -> None:
        made = VoucherFactory(workspace=price.workspace, **voucher)

        with pytest.raises(VoucherNotAccepted) as refused:
            ask(price, made.code, **asked)
        with pytest.raises(VoucherNotAccepted) as unknown:
            ask(price, "NO-SUCH-CODE")

        assert (refused.value.detail, refused.value.errors) == (unknown.value.detail, unknown.value.errors)
        assert not Checkout.objects.exists()

    def test_of_somebody_else_or_of_another_workspace_is_refused_alike(self, price: Price) -> None:
        theirs = VoucherFactory(workspace=price.workspace, learner=LearnerFactory(workspace=price.workspace))
        elsewhere = VoucherFactory()

        for code in (theirs.code, elsewhere.code):
            with pytest.raises(VoucherNotAccepted):
                ask(price, code, learner=theirs.learner_id + 1)

        assert ask(price, theirs.code, learner=theirs.learner_id).amount_minor == 3675

    @pytest.mark.sqlite
    def test_reserves_a_use_and_keeps_list_price_and_discount(self, price: Price) -> None:
        voucher = VoucherFactory(workspace=price.workspace, most_uses=1, only_for="program:7")

        checkout = ask(price, voucher.code.lower())

        discount = Discount.objects.get()
        assert (checkout.amount_minor, checkout.discount_minor, checkout.list_money) == (3675, 1225, price.money)
        assert (discount.list_minor, discount.discount_minor, discount.checkout_id) == (4900, 1225, checkout.pk)
        assert (uses(voucher), states()) == (1, ["reserved"])
        with pytest.raises(VoucherNotAccepted):
            ask(price, voucher.code, learner=2)

    def test_is_limited_per_family(self, price: Price) -> None:
        other, voucher = VoucherFactory(workspace=price.workspace), VoucherFactory(workspace=price.workspace)
        Voucher.objects.filter(pk=voucher.pk).update(most_uses_per_family=1)
        ask(price, other.code, learner=4, family=[1, 2, 4])
        ask(price, voucher.code, learner=1, family=[1, 2, 4])

        with pytest.raises(VoucherNotAccepted):
            ask(price, voucher.code, learner=2, family=[1, 2, 4])

        ask(price, voucher.code, learner=3)
        assert uses(voucher) == 2

    def test_or_a_sibling_whichever_takes_more_off(self, price: Price) -> None:
        voucher = VoucherFactory(workspace=price.workspace)

        assert ask(price, voucher.code, learner=1, sibling_percent=Decimal(30)).discount_minor == 1470
        assert ask(price, voucher.code, learner=2, sibling_percent=Decimal(20)).discount_minor == 1225
        assert uses(voucher) == 1


class TestAUse:
    def test_is_kept_once_it_is_paid_and_the_invoice_shows_it(self, price: Price) -> None:
        Price.objects.filter(pk=price.pk).update(tax_rate=23)
        voucher = VoucherFactory(workspace=price.workspace)
        checkout = ask(price, voucher.code)

        told(checkout)

        (line,) = Invoice.objects.get().lines
        assert (uses(voucher), states()) == (1, ["used"])
        assert Checkout.objects.get().settled_at is not None
        assert Discount.objects.get().settled_at is not None
        assert (line["amount_minor"], line["discount_minor"], line["discount"]) == (3675, 1225, f"Voucher {voucher}")
        assert line["tax_minor"] == 687

    @pytest.mark.parametrize(("end", "status"), [(EXPIRED, "expired"), (REFUSED_BY_THE_BANK, "failed")])
    def test_is_released_once_when_the_checkout_ends_unpaid(
        self, price: Price, end: dict[str, Any], status: str
    ) -> None:
        beside, voucher = VoucherFactory(workspace=price.workspace), VoucherFactory(workspace=price.workspace)
        ask(price, beside.code, learner=2)
        checkout = ask(price, voucher.code)

        for _ in range(2):
            told(checkout, **end)

        assert (uses(beside), uses(voucher), states()) == (1, 0, ["reserved", "released"])
        assert Discount.objects.get(checkout=checkout).settled_at is not None
        ended = Checkout.objects.get(pk=checkout.pk)
        assert (ended.status, ended.settled_at is not None) == (status, True)

    def test_is_released_once_other_money_than_was_asked_is_back(self, price: Price) -> None:
        voucher = VoucherFactory(workspace=price.workspace)
        told(ask(price, voucher.code), amount_minor=900)
        assert (uses(voucher), states()) == (1, ["reserved"])

        arrive(Payment.objects.get(), refund(900))

        assert (uses(voucher), states()) == (0, ["released"])
        ended = Checkout.objects.get()
        assert (ended.status, ended.settled_at is not None) == ("failed", True)

    def test_is_taken_again_for_money_that_comes_late(self, price: Price) -> None:
        voucher = VoucherFactory(workspace=price.workspace, most_uses=1)
        checkout = ask(price, voucher.code)
        told(checkout, status="expired", payment_status="unpaid")

        told(checkout)

        assert (uses(voucher), states()) == (1, ["used"])

    def test_that_went_to_somebody_else_is_honored_for_money_that_comes_late(self, price: Price) -> None:
        voucher = VoucherFactory(workspace=price.workspace, most_uses=1)
        checkout = ask(price, voucher.code)
        told(checkout, status="expired", payment_status="unpaid")
        ask(price, voucher.code, learner=2)

        told(checkout)

        assert (uses(voucher), states()) == (1, ["honored", "reserved"])
        assert Checkout.objects.get(pk=checkout.pk).status == "paid"

    @pytest.mark.parametrize(("limit", "settled"), [(1, "honored"), (2, "used")])
    def test_is_honored_for_late_money_of_a_family_that_has_used_its_share(
        self, price: Price, limit: int, settled: str
    ) -> None:
        LearnerFactory(workspace=price.workspace)
        voucher = VoucherFactory(workspace=price.workspace, most_uses_per_family=limit)
        guardian = GuardianFactory(workspace=price.workspace)
        first, second = (GuardianshipFactory(guardian=guardian).learner_id for _ in range(2))
        checkout = ask(price, voucher.code, learner=first, family=[first, second])
        told(checkout, status="expired", payment_status="unpaid")
        ask(price, voucher.code, learner=second, family=[first, second])

        told(checkout)

        assert states() == [settled, "reserved"]
        assert uses(voucher) == limit

    def test_is_given_back_where_the_money_bought_nothing(self, price: Price) -> None:
        voucher = VoucherFactory(workspace=price.workspace)
        checkout = ask(price, voucher.code)
        told(checkout)

        release_discount(checkout=checkout, now=utc_now())
        release_discount(checkout=checkout, now=utc_now())

        assert (uses(voucher), states()) == (0, ["released"])


class TestAPriceThatChanges:
    def change(self, price: Price, **fields: Any) -> Checkout | None:
        """Staff change it while a payment page is open, which Stripe ends."""
        before = Checkout.objects.get()
        Price.objects.filter(pk=price.pk).update(**fields)
        mark_outdated(checkouts=Checkout.objects.all(), now=utc_now())
        told(before, status="expired", payment_status="unpaid")
        return Checkout.objects.live().first()

    def test_keeps_the_discount(self, price: Price) -> None:
        voucher = VoucherFactory(workspace=price.workspace, most_uses=1)
        ask(price, voucher.code)
        Voucher.objects.update(active=False)

        successor = self.change(price, amount_minor=10_000)

        assert successor is not None
        assert (successor.amount_minor, successor.discount_minor) == (7500, 2500)
        discount = Discount.objects.get()
        assert (discount.checkout_id, discount.list_minor, discount.status) == (successor.pk, 10_000, "reserved")
        assert uses(voucher) == 1

    def test_to_another_currency_ends_an_amount_off(self, price: Price) -> None:
        voucher = VoucherFactory(workspace=price.workspace, kind="amount", amount_minor=900, currency="usd")
        ask(price, voucher.code)

        successor = self.change(price, currency="eur")

        assert successor is not None
        assert (successor.amount_minor, states(), uses(voucher)) == (4900, ["released"], 0)

    def test_to_one_that_is_all_taken_off_asks_for_nothing_more(self, price: Price) -> None:
        voucher = VoucherFactory(workspace=price.workspace, kind="amount", amount_minor=900, currency="usd")
        ask(price, voucher.code)

        assert self.change(price, amount_minor=800) is None
        assert (states(), uses(voucher)) == (["released"], 0)


class TestMakingCodes:
    def make(self, price: Price, count: int = 1, code: str = "", **terms: Any) -> list[Voucher]:
        return make_vouchers(
            workspace_id=price.workspace_id,
            count=count,
            code=code,
            batch="Fair",
            terms=Terms(**{"kind": VoucherKind.PERCENTAGE, "percent": Decimal(10), **terms}),
            now=utc_now(),
        )

    def test_draws_as_many_as_are_wanted(self, price: Price) -> None:
        made = self.make(price, 3, "fair", most_uses=1)

        assert len({voucher.code for voucher in made}) == 3
        assert all(voucher.code.startswith("FAIR-") and voucher.batch == "Fair" for voucher in made)

    def test_draws_the_most_at_once_and_none_that_begins_with_blanks(self, price: Price) -> None:
        made = self.make(price, MOST_AT_ONCE, "  ")

        assert len({canonical_code(voucher.code) for voucher in made} - {""}) == MOST_AT_ONCE

    def test_refuses_what_no_code_can_be(self, price: Price) -> None:
        self.make(price, code="taken")
        self.make(PriceFactory(), code="taken")
        wrong: list[tuple[str, dict[str, Any]]] = [
            ("code", {"code": "TAKEN"}),
            ("code", {"code": "a b!"}),
            ("code", {"code": "a b!", "count": 2}),
            ("code", {"code": "A" * 17, "count": 2}),
            ("count", {"count": MOST_AT_ONCE + 1}),
            ("percent", {"percent": Decimal(101)}),
            ("amount", {"kind": VoucherKind.AMOUNT, "percent": None}),
            ("amount", {"kind": VoucherKind.AMOUNT, "percent": None, "amount": Money(900, "xxx")}),
            ("percent", {"kind": VoucherKind.FREE}),
            ("most_uses", {"most_uses": 0}),
            ("valid_until", {"valid_from": dt.date(2026, 2, 1), "valid_until": dt.date(2026, 1, 1)}),
        ]

        for field, asked in wrong:
            with pytest.raises(Invalid) as refused:
                self.make(price, **asked)
            assert [fault.field for fault in refused.value.errors] == [field]

        assert Voucher.objects.count() == 2

    def test_limits_no_code_below_its_uses(self, price: Price) -> None:
        voucher = VoucherFactory(workspace=price.workspace, uses=2)
        limits: dict[str, Any] = {
            "voucher_id": voucher.pk,
            "most_uses_per_family": None,
            "valid_from": None,
            "valid_until": None,
            "active": False,
            "note": "",
        }

        with pytest.raises(Invalid, match="used 2 times"):
            change_voucher(most_uses=1, **limits)
        changed = change_voucher(most_uses=2, **limits)

        assert (changed.most_uses, changed.active) == (2, False)
