import pytest
from django.urls import reverse
from pytest_django import Settings

from accounts.models import User, Workspace
from accounts.states import Role
from accounts.tests.factories import WorkspaceFactory
from backoffice.tests.staff_client import StaffClient, said
from billing.models import Checkout, Payment, Price, Refund, StripeEvent
from billing.states import RefundReason, RefundStatus
from billing.tests.factories import CheckoutFactory, PaymentFactory, PriceFactory
from core.clock import utc_now

pytestmark = pytest.mark.django_db
LIKE_USD = " Give the three letters of a currency, for example USD."


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


def refund_page(payment: Payment) -> str:
    return reverse("admin:billing_payment_refund", args=[payment.pk])


class TestTheRefundForm:
    @pytest.mark.parametrize(
        ("price", "typed", "label", "help_text"),
        [
            (
                {"currency": "usd"},
                "49.00",
                "Amount in USD",
                "49.00 USD can be refunded, which is all that is left of 49.00 USD.",
            ),
            (
                {"currency": "jpy"},
                "4900",
                "Amount in JPY",
                "4,900 JPY can be refunded, which is all that is left of 4,900 JPY.",
            ),
            (
                {"currency": "ugx", "amount_minor": 50_000},
                "50000",
                "Amount in UGX",
                "50,000 UGX can be refunded, which is all that is left of 50,000 UGX.",
            ),
            (
                {"currency": "kwd", "amount_minor": 5_120},
                "5.120",
                "Amount in KWD",
                "5.120 KWD can be refunded, which is all that is left of 5.120 KWD.",
            ),
        ],
    )
    def test_begins_with_all_that_can_go_back(
        self, workspace: Workspace, manager: StaffClient, price: dict, typed: str, label: str, help_text: str
    ) -> None:
        page = manager.get(refund_page(paid(workspace, **price)))

        amount = page.context["form"]["amount"]
        assert (amount.value(), amount.label, amount.help_text) == (typed, label, help_text)

    def test_shows_what_is_about_to_happen_before_money_moves(self, workspace: Workspace, manager: StaffClient) -> None:
        payment = paid(workspace)
        Checkout.objects.update(payer_email="parent@example.test", status="paid")

        page = manager.post(refund_page(payment), {"amount": "12.50", "reason": RefundReason.REQUESTED})

        ((_, preview),) = page.context["previews"]
        assert preview.sentences == (
            "12.50 USD goes back to parent@example.test.",
            "Nobody loses anything: this payment pays for nothing that is still held.",
        )
        assert [(letter.to, letter.subject) for letter in preview.letters] == [
            (("parent@example.test",), "We sent 12.50 USD back to you")
        ]
        assert 'name="amount" value="12.50"' in page.content.decode()
        assert not Refund.objects.exists()

    def test_can_be_changed_after_the_preview(self, workspace: Workspace, manager: StaffClient) -> None:
        answers = {"amount": "12.50", "reason": RefundReason.REQUESTED, "_confirm": "1", "_change": "1"}

        page = manager.post(refund_page(paid(workspace)), answers)

        assert page.context["previews"] is None
        assert page.context["form"]["amount"].value() == "12.50"
        assert not Refund.objects.exists()


class TestRefunding:
    def test_is_done_once_it_is_confirmed(self, workspace: Workspace, manager: StaffClient) -> None:
        payment = paid(workspace)

        response = manager.confirm(
            refund_page(payment), {"amount": "49.00", "reason": RefundReason.REQUESTED, "note": "Moved away"}
        )

        refund = Refund.objects.get()
        assert said(response) == ["49.00 USD will go back to the payer."]
        assert (refund.amount_minor, refund.status, refund.note) == (4900, RefundStatus.REQUESTED, "Moved away")
        assert (refund.actor, refund.requested_by) == (f"user:{manager.user.pk}", manager.user)

    @pytest.mark.parametrize(
        ("currency", "typed", "minor"),
        [("usd", "12.50", 1250), ("jpy", "300", 300), ("bhd", "1.010", 1010), ("ugx", "300", 300), ("isk", "300", 300)],
    )
    def test_a_part_is_given_in_the_payments_currency(
        self, workspace: Workspace, manager: StaffClient, currency: str, typed: str, minor: int
    ) -> None:
        payment = paid(workspace, currency=currency)

        manager.confirm(refund_page(payment), {"amount": typed, "reason": RefundReason.REQUESTED})

        assert Refund.objects.get().amount_minor == minor

    @pytest.mark.parametrize(
        ("currency", "typed", "said"),
        [
            ("usd", "", "This field is required."),
            ("usd", "0", "Give an amount above zero."),
            ("usd", "-5", "Give an amount above zero."),
            ("usd", "12.345", "USD has 2 decimals."),
            ("usd", "49.01", "At most 49.00 USD can be refunded."),
            ("usd", "lots", "Enter an amount in digits, for example 49.00."),
            ("isk", "50.50", "ISK has no decimals: enter a whole number."),
            ("jpy", "1.5", "JPY has no decimals: enter a whole number."),
        ],
    )
    def test_an_impossible_amount_is_said_so_and_changes_nothing(
        self, workspace: Workspace, manager: StaffClient, currency: str, typed: str, said: str
    ) -> None:
        payment = paid(workspace, currency=currency)

        response = manager.confirm(refund_page(payment), {"amount": typed, "reason": RefundReason.REQUESTED})

        assert response.context["form"].errors == {"amount": [said]}
        assert not Refund.objects.exists()

    def test_a_part_too_fine_for_cards_is_refused(self, workspace: Workspace, manager: StaffClient) -> None:
        payment = paid(workspace, currency="kwd")

        response = manager.confirm(refund_page(payment), {"amount": "1.005", "reason": RefundReason.REQUESTED})

        assert "The last of the 3 decimals has to be 0 in KWD, like 1.000 KWD." in response.content.decode()
        assert not Refund.objects.exists()

    def test_is_not_offered_for_money_that_never_came(self, workspace: Workspace, manager: StaffClient) -> None:
        payment = PaymentFactory(checkout=CheckoutFactory(price=PriceFactory(workspace=workspace)))

        page = manager.get(reverse("admin:billing_payment_change", args=[payment.pk]))
        posted = manager.post(
            reverse("admin:billing_payment_refund", args=[payment.pk]), {"reason": RefundReason.REQUESTED}
        )

        assert page.context["actions_detail"] == []
        assert "is no longer possible" in said(posted)[0]
        assert not Refund.objects.exists()

    def test_twice_for_the_same_money_is_refused(self, workspace: Workspace, manager: StaffClient) -> None:
        payment = paid(workspace)
        answers = [
            manager.confirm(refund_page(payment), {"amount": "49.00", "reason": RefundReason.REQUESTED})
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

        response = operator.confirm(reverse("admin:billing_stripeevent_handle", args=[event.pk]))

        event.refresh_from_db()
        assert response.context["form"].non_field_errors() == ["It could not be handled. Its last error says why."]
        assert event.handled_at is None
        assert event.attempts == 1

    @pytest.mark.parametrize(
        ("typed", "found"),
        [
            ("evt_2", {"evt_2"}),
            ("ch_1", {"evt_1"}),
            ("pi_1", {"evt_1", "evt_2"}),
            ("pi_", set()),
            ("\\u0000", set()),  # which PostgreSQL's JSON could not hold if it were read as an escape
            ('"', set()),
        ],
    )
    def test_is_searched_by_the_ids_of_an_event_and_of_what_it_is_about(self, typed: str, found: set[str]) -> None:
        operator = StaffClient(workspace=WorkspaceFactory(), role=Role.OWNER)
        User.objects.filter(pk=operator.user.pk).update(is_superuser=True)
        of_charge = {"object": "charge", "id": "ch_1", "payment_intent": "pi_1"}
        for number, about in enumerate([of_charge, {"object": "payment_intent", "id": "pi_1"}, {"id": "ch_11"}], 1):
            StripeEvent.objects.create(
                event_id=f"evt_{number}", type="charge.succeeded", payload=about, stripe_created_at=utc_now()
            )

        response = operator.get(reverse("admin:billing_stripeevent_changelist"), {"q": typed})

        assert {event.event_id for event in response.context["cl"].result_list} == found


class TestPrices:
    @pytest.mark.parametrize(
        ("typed", "currency", "minor", "shown"),
        [
            ("49", "USD", 4900, "49.00 USD"),
            ("0.50", "usd", 50, "0.50 USD"),
            ("50000", "ugx", 50_000, "50,000 UGX"),
            ("5.120", "kwd", 5_120, "5.120 KWD"),
            ("50", "isk", 50, "50 ISK"),
            ("4900", "jpy", 4_900, "4,900 JPY"),
            ("999999.99", "eur", 99_999_999, "999,999.99 EUR"),
        ],
    )
    def test_are_entered_as_people_write_them(
        self, workspace: Workspace, manager: StaffClient, typed: str, currency: str, minor: int, shown: str
    ) -> None:
        manager.post(
            reverse("admin:billing_price_add"),
            {"workspace": workspace.pk, "name": "Tuition", "amount": typed, "currency": currency, "active": "on"},
        )

        price = Price.objects.get()
        assert (price.amount_minor, price.currency, str(price.money)) == (minor, currency.lower(), shown)

    @pytest.mark.parametrize(
        ("typed", "currency", "errors"),
        [
            ("0", "usd", {"amount": ["Give an amount above zero."]}),
            ("-1", "usd", {"amount": ["Give an amount above zero."]}),
            ("", "usd", {"amount": ["This field is required."]}),
            ("9" * 30, "usd", {"amount": ["Ensure that there are no more than 15 digits in total."]}),
            ("0.30", "usd", {"amount": ["A price is between 0.50 USD and 999,999.99 USD."]}),
            ("1000000.00", "usd", {"amount": ["A price is between 0.50 USD and 999,999.99 USD."]}),
            ("0.005", "usd", {"amount": ["USD has 2 decimals."]}),
            ("50.50", "isk", {"amount": ["ISK has no decimals: enter a whole number."]}),
            ("1000000", "ugx", {"amount": ["A price is between 1 UGX and 999,999 UGX."]}),
            ("5.125", "kwd", {"amount": ["The last of the 3 decimals has to be 0 in KWD, like 5.120 KWD."]}),
            (
                "49",
                "zzz",
                {"currency": ["Nobody can pay in “ZZZ”." + LIKE_USD]},
            ),
            (
                "49",
                "u$",
                {"currency": ["Nobody can pay in “U$”." + LIKE_USD]},
            ),
        ],
    )
    def test_that_can_not_be_charged_are_refused(
        self, workspace: Workspace, manager: StaffClient, typed: str, currency: str, errors: dict
    ) -> None:
        form = {"workspace": workspace.pk, "name": "Tuition", "amount": typed, "currency": currency}

        response = manager.post(reverse("admin:billing_price_add"), form)

        assert response.context["adminform"].form.errors == errors
        assert not Price.objects.exists()

    def test_are_shown_for_change_as_people_write_them(self, workspace: Workspace, manager: StaffClient) -> None:
        price = PriceFactory(workspace=workspace, amount_minor=79)

        page = manager.get(reverse("admin:billing_price_change", args=[price.pk]))

        assert page.context["adminform"].form["amount"].value() == "0.79"

    def test_keep_their_amount_once_charged(self, workspace: Workspace, manager: StaffClient) -> None:
        price = PriceFactory(workspace=workspace)
        CheckoutFactory(price=price)

        manager.post(
            reverse("admin:billing_price_change", args=[price.pk]),
            {"name": "New name", "amount": "1", "currency": "eur"},
        )

        price.refresh_from_db()
        assert (price.name, price.amount_minor, price.currency) == ("New name", 4900, "usd")
