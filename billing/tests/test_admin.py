import pytest
from django.urls import reverse
from pytest_django import Settings

from accounts.models import User, Workspace
from accounts.states import Role
from accounts.tests.factories import WorkspaceFactory
from accounts.tests.staff_client import StaffClient, said
from billing.models import Payment, Price, Refund, StripeEvent
from billing.states import RefundReason, RefundStatus
from billing.tests.factories import CheckoutFactory, PaymentFactory, PriceFactory
from enrollment_project.core.clock import utc_now

pytestmark = pytest.mark.django_db


@pytest.fixture
def workspace() -> Workspace:
    return WorkspaceFactory()


@pytest.fixture
def manager(workspace: Workspace) -> StaffClient:
    return StaffClient(workspace=workspace, role=Role.ADMIN)


def paid(workspace: Workspace, **price: object) -> Payment:
    payment = PaymentFactory(checkout=CheckoutFactory(price=PriceFactory(workspace=workspace, **price)))
    payment.receive()
    payment.paid_at = utc_now()
    payment.save()
    return payment


class TestRefunding:
    def test_all_that_is_left_is_the_default(self, workspace: Workspace, manager: StaffClient) -> None:
        payment = paid(workspace)

        response = manager.post(
            reverse("admin:billing_payment_refund", args=[payment.pk]),
            {"amount": "", "reason": RefundReason.REQUESTED, "note": "Moved away"},
        )

        refund = Refund.objects.get()
        assert said(response) == ["49.00 USD will go back to the payer."]
        assert (refund.amount_minor, refund.status, refund.note) == (4900, RefundStatus.REQUESTED, "Moved away")
        assert (refund.actor, refund.requested_by) == (f"user:{manager.user.pk}", manager.user)

    @pytest.mark.parametrize(
        ("currency", "typed", "minor"), [("usd", "12.50", 1250), ("jpy", "300", 300), ("bhd", "1.005", 1005)]
    )
    def test_a_part_is_given_in_the_payments_currency(
        self, workspace: Workspace, manager: StaffClient, currency: str, typed: str, minor: int
    ) -> None:
        payment = paid(workspace, currency=currency)

        manager.post(
            reverse("admin:billing_payment_refund", args=[payment.pk]),
            {"amount": typed, "reason": RefundReason.REQUESTED},
        )

        assert Refund.objects.get().amount_minor == minor

    @pytest.mark.parametrize("typed", ["0", "-5", "12.345", "49.01", "lots"])
    def test_an_impossible_amount_is_said_so_and_changes_nothing(
        self, workspace: Workspace, manager: StaffClient, typed: str
    ) -> None:
        payment = paid(workspace)

        response = manager.post(
            reverse("admin:billing_payment_refund", args=[payment.pk]),
            {"amount": typed, "reason": RefundReason.REQUESTED},
        )

        form = response.context["form"]
        assert form.errors.get("amount") or form.non_field_errors()
        assert not Refund.objects.exists()

    def test_is_not_offered_for_money_that_never_came(self, workspace: Workspace, manager: StaffClient) -> None:
        payment = PaymentFactory(checkout=CheckoutFactory(price=PriceFactory(workspace=workspace)))

        page = manager.get(reverse("admin:billing_payment_change", args=[payment.pk]))
        posted = manager.post(
            reverse("admin:billing_payment_refund", args=[payment.pk]), {"reason": RefundReason.REQUESTED}
        )

        assert page.context["actions_detail"] == []
        assert "not possible" in said(posted)[0]
        assert not Refund.objects.exists()

    def test_twice_for_the_same_money_is_refused(self, workspace: Workspace, manager: StaffClient) -> None:
        payment = paid(workspace)
        answers = [
            manager.post(reverse("admin:billing_payment_refund", args=[payment.pk]), {"reason": RefundReason.REQUESTED})
            for _ in range(2)
        ]

        assert [answer.status_code for answer in answers] == [302, 302]
        assert Refund.objects.get().amount_minor == 4900

    def test_is_not_for_reviewers(self, workspace: Workspace) -> None:
        payment = paid(workspace)
        reviewer = StaffClient(workspace=workspace, role=Role.REVIEWER)

        response = reviewer.post(
            reverse("admin:billing_payment_refund", args=[payment.pk]), {"reason": RefundReason.REQUESTED}
        )

        assert response.status_code == 403
        assert not Refund.objects.exists()


class TestTheInbox:
    def test_tells_that_an_event_could_not_be_handled_yet(self, settings: Settings) -> None:
        operator = StaffClient(workspace=WorkspaceFactory(), role=Role.OWNER)
        User.objects.filter(pk=operator.user.pk).update(is_superuser=True)
        settings.STRIPE_API_BASE = "http://127.0.0.1:9"
        about = {"object": "checkout.session", "id": "cs_1"}
        event = StripeEvent.objects.create(
            event_id="evt_1", type="checkout.session.completed", payload=about, stripe_created_at=utc_now()
        )

        response = operator.post(reverse("admin:billing_stripeevent_handle", args=[event.pk]))

        event.refresh_from_db()
        assert response.context["form"].non_field_errors() == ["It could not be handled yet; its last error says why."]
        assert event.handled_at is None
        assert event.attempts == 1


class TestPrices:
    def test_can_be_made(self, workspace: Workspace, manager: StaffClient) -> None:
        manager.post(
            reverse("admin:billing_price_add"),
            {"workspace": workspace.pk, "name": "Tuition", "amount_minor": 4900, "currency": "USD", "active": "on"},
        )

        assert (Price.objects.get().amount_minor, Price.objects.get().currency) == (4900, "usd")

    @pytest.mark.parametrize(
        ("field", "value"),
        [("amount_minor", "0"), ("amount_minor", "-1"), ("amount_minor", "9" * 30), ("currency", "u$")],
    )
    def test_that_can_not_be_charged_are_refused(
        self, workspace: Workspace, manager: StaffClient, field: str, value: str
    ) -> None:
        form = {"workspace": workspace.pk, "name": "Tuition", "amount_minor": "4900", "currency": "usd"}

        response = manager.post(reverse("admin:billing_price_add"), {**form, field: value})

        assert list(response.context["adminform"].form.errors) == [field]
        assert not Price.objects.exists()

    def test_keep_their_amount_once_charged(self, workspace: Workspace, manager: StaffClient) -> None:
        price = PriceFactory(workspace=workspace)
        CheckoutFactory(price=price)

        manager.post(
            reverse("admin:billing_price_change", args=[price.pk]),
            {"name": "New name", "amount_minor": 1, "currency": "eur"},
        )

        price.refresh_from_db()
        assert (price.name, price.amount_minor, price.currency) == ("New name", 4900, "usd")
