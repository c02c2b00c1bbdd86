"""The buttons that make codes and change their limits, and where a code's uses are shown."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from django.urls import reverse

from accounts.models import Workspace
from accounts.states import Role
from accounts.tests.factories import LearnerFactory, WorkspaceFactory
from backoffice.tests.staff_client import StaffClient, opened, said
from billing.models import Checkout, Discount, Voucher
from billing.purposes import Matter, Offer, Purpose, register_purpose

from .factories import PURPOSE, CheckoutFactory, PriceFactory, VoucherFactory

pytestmark = pytest.mark.django_db

MAKE = reverse("admin:billing_voucher_make_codes")
ALGEBRA = "program:7"


@pytest.fixture
def workspace() -> Workspace:
    return WorkspaceFactory(name="School")


@pytest.fixture
def finance(workspace: Workspace) -> StaffClient:
    return StaffClient(workspace=workspace, role=Role.FINANCE)


def answers(workspace: Workspace, **told: Any) -> dict[str, Any]:
    """Return what is sent for one code that takes a quarter off."""
    return {"workspace": workspace.pk, "count": 1, "kind": "percentage", "percent": 25, "currency": "usd", **told}


def sells_algebra(workspace: Workspace) -> None:
    offer = Offer(workspace_id=workspace.pk, label="Algebra I")
    register_purpose(
        Purpose(
            name=PURPOSE,
            lock_subject=lambda subject: None,
            describe=lambda subject: (subject, ""),
            find_matters=lambda subjects: {each: Matter("Kim Doe", "Algebra I", "") for each in subjects},
            find_offers=lambda asked: {ALGEBRA: offer} if asked is None or workspace.pk in asked else {},
        )
    )


class TestMakingCodes:
    def test_is_previewed_and_makes_none_before_it_is_confirmed(
        self, workspace: Workspace, finance: StaffClient
    ) -> None:
        page = finance.post(MAKE, answers(workspace, code="spring-25", most_uses=3))

        ((_, preview),) = page.context["previews"]
        assert preview.sentences == (
            "Made: SPRING-25.",
            "Each takes off: 25 %.",
            "They can be used 3 times in all.",
        )
        assert not Voucher.objects.exists()

    def test_stores_all_that_was_typed_and_leads_to_the_code(self, workspace: Workspace, finance: StaffClient) -> None:
        sells_algebra(workspace)
        learner = LearnerFactory(workspace=workspace)
        days = {"valid_from": "2026-09-01", "valid_until": "2026-09-30"}
        limits = {"most_uses": 3, "most_uses_per_family": 2, "only_for": ALGEBRA, "learner": learner.cuid}

        answer = finance.confirm(
            MAKE, answers(workspace, code="spring-25", batch="Fair", note="From the fair", **days, **limits)
        )

        voucher = Voucher.objects.get()
        assert answer.url == reverse("admin:billing_voucher_change", args=[voucher.pk])
        assert (voucher.workspace, voucher.code, voucher.kind, voucher.percent, voucher.amount_minor) == (
            workspace,
            "SPRING-25",
            "percentage",
            Decimal(25),
            None,
        )
        assert (voucher.most_uses, voucher.most_uses_per_family) == (3, 2)
        assert (voucher.valid_from, voucher.valid_until) == (dt.date(2026, 9, 1), dt.date(2026, 9, 30))
        assert (voucher.only_for, voucher.learner_id) == (ALGEBRA, learner.pk)
        assert (voucher.batch, voucher.note, voucher.active) == ("Fair", "From the fair", True)

    @pytest.mark.parametrize(
        ("currency", "typed", "minor", "takes_off"),
        [("eur", "12.50", 1250, "12.50 EUR"), ("jpy", "1250", 1250, "1,250 JPY")],
    )
    def test_takes_an_amount_in_the_currency_beside_it(
        self, workspace: Workspace, finance: StaffClient, currency: str, typed: str, minor: int, takes_off: str
    ) -> None:
        finance.confirm(
            MAKE, answers(workspace, code="FIXED", kind="amount", percent="", amount=typed, currency=currency)
        )

        voucher = Voucher.objects.get()
        assert (voucher.amount_minor, voucher.currency, voucher.takes_off) == (minor, currency, takes_off)
        assert (voucher.percent, voucher.only_for, voucher.learner_id) == (None, "", None)

    @pytest.mark.parametrize(("batch", "query"), [("Fair 26", "?batch=Fair+26"), ("", "")])
    def test_of_many_leads_to_the_list_of_their_batch(
        self, workspace: Workspace, finance: StaffClient, batch: str, query: str
    ) -> None:
        answer = finance.confirm(MAKE, answers(workspace, count=3, code="FAIR", batch=batch))

        codes = set(Voucher.objects.values_list("code", flat=True))
        assert (len(codes), {code[:5] for code in codes}) == (3, {"FAIR-"})
        assert said(answer) == ["3 codes are made. Check all rows and choose Export as CSV to have them in a file."]
        assert answer.url == reverse("admin:billing_voucher_changelist") + query

    def test_for_what_another_workspace_sells_is_refused(self, workspace: Workspace, finance: StaffClient) -> None:
        other = WorkspaceFactory()
        sells_algebra(other)
        finance.user.memberships.create(workspace=other, role=Role.FINANCE)

        answer = finance.confirm(MAKE, answers(workspace, code="SPRING", only_for=ALGEBRA))

        assert answer.context["form"].errors == {"only_for": [f"{workspace} does not sell this."]}
        assert not Voucher.objects.exists()

    def test_for_a_learner_of_another_workspace_is_refused(self, workspace: Workspace, finance: StaffClient) -> None:
        elsewhere = LearnerFactory()

        answer = finance.confirm(MAKE, answers(workspace, code="SPRING", learner=elsewhere.cuid))

        told = f"{workspace} has no such learner. Copy the CUID from the learner's page."
        assert answer.context["form"].errors == {"learner": [told]}
        assert not Voucher.objects.exists()

    def test_with_a_code_that_is_there_says_so_beside_the_code(
        self, workspace: Workspace, finance: StaffClient
    ) -> None:
        VoucherFactory(workspace=workspace, code="SPRING")

        answer = finance.confirm(MAKE, answers(workspace, code="spring"))

        assert answer.context["form"].errors == {"code": ["There is a voucher with this code. Choose another."]}
        assert Voucher.objects.count() == 1


class TestChangingLimits:
    FIELDS = ("most_uses", "most_uses_per_family", "valid_from", "valid_until", "note", "active")

    def open(self, voucher: Voucher) -> tuple[StaffClient, str, dict[str, Any]]:
        owner, url, shown = opened("change_limits", voucher, *self.FIELDS)
        return owner, url, {name: value for name, value in shown.items() if value not in (None, False)}

    def test_begins_with_what_the_code_has(self, workspace: Workspace) -> None:
        last = dt.date(2026, 9, 30)
        voucher = VoucherFactory(
            workspace=workspace, most_uses=9, most_uses_per_family=2, valid_until=last, note="From the fair"
        )

        _, _, shown = opened("change_limits", voucher, *self.FIELDS)

        assert [shown[name] for name in self.FIELDS] == [9, 2, None, last, "From the fair", True]

    def test_says_how_often_the_code_can_still_be_used(self, workspace: Workspace) -> None:
        owner, url, shown = self.open(VoucherFactory(workspace=workspace, uses=2))

        page = owner.post(url, {**shown, "most_uses": 5})

        ((_, preview),) = page.context["previews"]
        assert preview.sentences == ("Used so far: 2. It can be used 3 more times.",)
        assert Voucher.objects.get().most_uses is None

    def test_stores_them_and_says_how_often_it_was_used(self, workspace: Workspace) -> None:
        voucher = VoucherFactory(workspace=workspace, code="SPRING", uses=2)
        owner, url, shown = self.open(voucher)

        answer = owner.confirm(url, {**shown, "most_uses": 1_500, "valid_until": "2026-09-30", "note": "Over soon"})

        voucher.refresh_from_db()
        assert said(answer) == ["SPRING: 2 of 1,500 used, active."]
        assert (voucher.most_uses, voucher.valid_until, voucher.note) == (1_500, dt.date(2026, 9, 30), "Over soon")

    def test_switches_a_code_off(self, workspace: Workspace) -> None:
        voucher = VoucherFactory(workspace=workspace, code="SPRING", uses=2)
        owner, url, shown = self.open(voucher)
        del shown["active"]

        answer = owner.confirm(url, shown)

        voucher.refresh_from_db()
        assert said(answer) == ["SPRING: 2 used, switched off."]
        assert (voucher.active, voucher.most_uses) == (False, None)

    @pytest.mark.parametrize("pressed", ["post", "confirm"])
    def test_to_less_than_it_was_used_is_refused(self, workspace: Workspace, pressed: str) -> None:
        owner, url, shown = self.open(VoucherFactory(workspace=workspace, uses=2))

        answer = getattr(owner, pressed)(url, {**shown, "most_uses": 1})

        told = "It has been used 2 times. Give at least that, or switch it off."
        assert answer.context["form"].errors == {"most_uses": [told]}
        assert Voucher.objects.get().most_uses is None


class TestTheListOfCodes:
    def test_says_for_what_each_is_and_how_often_it_was_used(self, workspace: Workspace, finance: StaffClient) -> None:
        sells_algebra(workspace)
        VoucherFactory(workspace=workspace, only_for=ALGEBRA, uses=1_234)
        VoucherFactory(workspace=workspace, only_for="program:8", uses=1, most_uses=2_000)
        VoucherFactory(workspace=workspace)

        listed = finance.get(reverse("admin:billing_voucher_changelist")).context["cl"]

        shown = [(listed.model_admin.offer(each), listed.model_admin.used(each)) for each in listed.result_list]
        assert sorted(shown) == [
            ("Algebra I", "1,234"),
            ("Everything that is sold", "0"),
            ("program:8", "1 of 2,000"),
        ]


class TestTheUsesOfACode:
    def used_by(self, workspace: Workspace) -> Discount:
        checkout: Checkout = CheckoutFactory(price=PriceFactory(workspace=workspace), discount_minor=1225)
        return Discount.objects.create(
            workspace=workspace,
            source="voucher",
            voucher=VoucherFactory(workspace=workspace, code="SPRING"),
            checkout=checkout,
            purpose=checkout.purpose,
            subject=checkout.subject,
            list_minor=4900,
            discount_minor=1225,
            currency="usd",
        )

    def test_are_on_its_page_and_on_that_of_the_payment_page(self, workspace: Workspace, finance: StaffClient) -> None:
        sells_algebra(workspace)
        used = self.used_by(workspace)

        of_code = finance.get(reverse("admin:billing_voucher_change", args=[used.voucher_id])).content.decode()
        of_checkout = finance.get(reverse("admin:billing_checkout_change", args=[used.checkout_id])).content.decode()

        assert "Kim Doe: Algebra I" in of_code
        assert "Nobody has used it." not in of_code
        assert "12.25 USD off 49.00 USD" in of_checkout

    def test_are_said_to_be_none(self, workspace: Workspace, finance: StaffClient) -> None:
        voucher = VoucherFactory(workspace=workspace)

        page = finance.get(reverse("admin:billing_voucher_change", args=[voucher.pk])).content.decode()

        assert "Nobody has used it." in page
