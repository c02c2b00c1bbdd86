"""What the pages of checkouts, payments, and Stripe's events ask and show about Stripe and about who loses what."""

import pytest
from django.urls import reverse

from accounts.models import User, Workspace
from accounts.states import Role
from accounts.tests.factories import WorkspaceFactory
from backoffice.tests.staff_client import StaffClient, card, foreseen, said
from billing.invoicing import Buyer, issue_invoice
from billing.models import Checkout, Invoice, Payment, StripeEvent
from billing.offline import reverse_offline_payment
from billing.purposes import Matter, Purpose, Stake, register_purpose
from billing.refunds import request_refund
from billing.states import RefundReason
from core.actors import SYSTEM
from core.clock import utc_now

from .factories import PURPOSE, CheckoutFactory, PaymentFactory, paid
from .stripe_world import StripeWorld

pytestmark = pytest.mark.django_db

STANDS_ALONE = "Nobody loses anything: this payment pays for nothing that is still held."


def staff_of(workspace: Workspace) -> StaffClient:
    return StaffClient(workspace=workspace, role=Role.FINANCE)


def superuser() -> StaffClient:
    client = StaffClient(workspace=WorkspaceFactory(), role=Role.OWNER)
    User.objects.filter(pk=client.user.pk).update(is_superuser=True)
    return client


def pays_for_a_place() -> None:
    """Let each payment hold Kim's place."""
    stake = Stake("Kim Doe", "the place in Algebra", ("One place becomes free.",))
    register_purpose(
        Purpose(
            name=PURPOSE,
            lock_subject=lambda subject: None,
            describe=lambda subject: (subject, ""),
            find_stake=lambda payment_id, now: stake,
            find_matters=lambda subjects: {each: Matter("Kim Doe", f"Algebra for {each}", "") for each in subjects},
        )
    )


def came_outside_stripe() -> Payment:
    payment: Payment = PaymentFactory(
        checkout=None,
        workspace=WorkspaceFactory(),
        purpose=PURPOSE,
        subject="1",
        payment_intent_id=None,
        amount_minor=4900,
        currency="usd",
        paid_at=utc_now(),
        method="offline",
        means="cash",
        recorded_by="user:7",
    )
    Payment.objects.update(status="paid")
    return payment


class TestACheckoutsPage:
    def page(self, checkout: Checkout, name: str = "change") -> str:
        return reverse(f"admin:billing_checkout_{name}", args=[checkout.pk])

    def test_asks_stripe_and_says_what_became_of_it(self, world: StripeWorld) -> None:
        checkout = world.submitted()
        world.pay(checkout)

        answer = staff_of(checkout.workspace).post(self.page(checkout, "ask_stripe"))

        assert said(answer) == ["Stripe says: paid."]
        assert Payment.objects.get().checkout == checkout
        assert Checkout.objects.get().status == "paid"

    def test_does_not_ask_about_one_that_stripe_never_had(self) -> None:
        checkout = CheckoutFactory()

        answer = staff_of(checkout.workspace).post(self.page(checkout, "ask_stripe"))

        assert "is no longer possible" in said(answer)[0]

    @pytest.mark.parametrize(("status", "is_linked"), [("open", True), ("paid", False)])
    def test_links_the_page_on_which_it_can_still_be_paid(self, status: str, is_linked: bool) -> None:
        checkout = CheckoutFactory()
        url = "https://pay.example.test/c/1"
        Checkout.objects.update(status=status, url=url, stripe_session_id="cs_1")

        text = staff_of(checkout.workspace).get(self.page(checkout)).content.decode()

        assert (f'<a class="text-link" href="{url}" rel="noreferrer">{url}</a>' in text) == is_linked

    def test_lists_its_payments_and_what_stripe_told(self) -> None:
        payment = paid()
        Checkout.objects.update(stripe_session_id="cs_1")
        StripeEvent.objects.create(
            event_id="evt_1",
            type="checkout.session.completed",
            payload={"id": "cs_1"},
            stripe_created_at=utc_now(),
            outcome="Paid",
        )

        told = {}
        for name, client in {"finance": staff_of(payment.workspace), "superuser": superuser()}.items():
            cards = client.get(self.page(payment.checkout)).context["neighbor_cards"]
            told[name] = {card.title: card for card in cards}

        (row,) = told["finance"]["Payments"].rows
        assert (row.url, row.at) == (
            reverse("admin:billing_payment_change", args=[payment.pk]),
            payment.paid_at,
        )
        (notice,) = told["superuser"]["Stripe's notices"].rows
        assert (notice.title, notice.note) == ("checkout.session.completed", "Paid")
        hidden = told["finance"]["Stripe's notices"]
        assert (hidden.rows, hidden.empty) == (
            [],
            "It is kept in the platform's inbox, which a superuser can open.",
        )

    def test_says_that_nothing_was_paid_and_that_stripe_does_not_know_it(self) -> None:
        cards = superuser().get(self.page(CheckoutFactory())).context["neighbor_cards"]

        empty = {card.title: card.empty for card in cards if not card.rows}
        assert empty["Payments"] == "Nothing was paid."
        assert empty["Stripe's notices"] == "Stripe does not know it yet."


class TestAnEventsPage:
    def waiting(self) -> StripeEvent:
        return StripeEvent.objects.create(
            event_id="evt_1", type="checkout.session.expired", payload={}, stripe_created_at=utc_now()
        )

    def test_says_beforehand_what_stripe_is_asked(self) -> None:
        page = superuser().get(reverse("admin:billing_stripeevent_handle", args=[self.waiting().pk]))

        ((_, preview),) = page.context["previews"]
        assert preview.sentences == ("Stripe is asked what became of checkout.session.expired: 1.",)
        assert preview.mails == "Mails are sent as after any Stripe event."
        assert StripeEvent.objects.get().handled_at is None

    def test_handles_it_and_says_how_it_ended(self) -> None:
        answer = superuser().confirm(reverse("admin:billing_stripeevent_handle", args=[self.waiting().pk]))

        event = StripeEvent.objects.get()
        assert event.handled_at is not None
        assert event.outcome.startswith("names no object: ")
        assert said(answer) == [f"Handled: {event.outcome}."]


class TestRefundingWhatPaysForAPlace:
    @pytest.mark.parametrize(
        ("amount", "sentences"),
        [
            ("12.50", ("This is a part of the payment: Kim Doe keeps the place in Algebra.",)),
            (
                "49.00",
                (
                    "This returns all the money, so Kim Doe loses the place in Algebra.",
                    "One place becomes free.",
                ),
            ),
        ],
    )
    def test_says_who_keeps_or_loses_it(self, amount: str, sentences: tuple[str, ...]) -> None:
        pays_for_a_place()
        payment = paid()
        page = reverse("admin:billing_payment_refund", args=[payment.pk])

        answer = staff_of(payment.workspace).post(page, {"amount": amount, "reason": "requested"})

        ((_, preview),) = answer.context["previews"]
        assert preview.sentences == (f"{amount} USD goes back to the payer.", *sentences)


class TestReversingMoneyThatCameOutsideStripe:
    def preview(self, what_happened: str) -> tuple[tuple[str, ...], str]:
        payment = came_outside_stripe()
        page = reverse("admin:billing_payment_reverse", args=[payment.pk])
        sent = {"what_happened": what_happened, "note": "It bounced"}
        answer = staff_of(payment.workspace).post(page, sent)
        ((_, preview),) = answer.context["previews"]
        assert Payment.objects.get().status == "paid"
        return preview.sentences, preview.mails

    @pytest.mark.parametrize(
        ("what_happened", "sentences"),
        [
            ("unreceived", ("Kim Doe keeps the place in Algebra, and the payment for it is pending again.",)),
            (
                "returned",
                (
                    "Kim Doe loses the place in Algebra, because all of the money went back.",
                    "One place becomes free.",
                ),
            ),
        ],
    )
    def test_says_who_owes_or_loses_the_place(self, what_happened: str, sentences: tuple[str, ...]) -> None:
        pays_for_a_place()

        assert self.preview(what_happened) == (
            ("49.00 USD no longer counts.", *sentences),
            "No mail about a refund is sent.",
        )

    def test_says_that_nobody_loses_anything(self) -> None:
        sentences, _ = self.preview("returned")

        assert sentences == ("49.00 USD no longer counts.", STANDS_ALONE)

    def test_says_that_its_invoice_is_corrected_at_once(self) -> None:
        payment = came_outside_stripe()
        invoice = issue_invoice(payment=payment, buyer=Buyer("Kim Doe", "", "1 Main St", ""), now=utc_now())
        page = reverse("admin:billing_payment_reverse", args=[payment.pk])
        sent = {"what_happened": "unreceived", "note": "It bounced"}
        client = staff_of(payment.workspace)

        told = foreseen(client.post(page, sent))
        answer = client.confirm(page, sent)
        again = client.confirm(page, sent)

        assert told[1] == f"A correction of invoice {invoice.number} follows at once."
        assert said(answer) == ["49.00 USD no longer counts."]
        assert "Reverse is no longer possible" in said(again)[-1]
        assert Invoice.objects.get(corrects=invoice).amount_minor == -4900

    @pytest.mark.parametrize("role", [Role.REVIEWER, Role.VIEWER])
    def test_is_not_for_those_who_have_no_power_over_money(self, role: Role) -> None:
        payment = came_outside_stripe()
        page = reverse("admin:billing_payment_reverse", args=[payment.pk])

        answer = StaffClient(workspace=payment.workspace, role=role).confirm(page, {"what_happened": "unreceived"})

        assert answer.status_code == 403
        assert Payment.objects.get().status == "paid"

    def test_is_not_for_money_that_came_through_stripe(self) -> None:
        payment = paid()
        page = reverse("admin:billing_payment_reverse", args=[payment.pk])

        answer = staff_of(payment.workspace).confirm(page, {"what_happened": "returned", "note": "Asked"})

        assert "Reverse is no longer possible" in said(answer)[0]
        assert Payment.objects.get().status == "paid"


class TestTheCardsBesideMoney:
    def test_say_what_it_is_about_and_which_documents_there_are(self) -> None:
        pays_for_a_place()
        payment = paid()
        other = paid()
        invoice, _ = (
            issue_invoice(payment=each, buyer=Buyer("Kim Doe", "", "1 Main St", ""), now=utc_now())
            for each in (payment, other)
        )
        client = staff_of(payment.workspace)
        checkout = reverse("admin:billing_checkout_change", args=[payment.checkout_id])
        document = reverse("admin:billing_invoice_change", args=[invoice.pk])
        money = reverse("admin:billing_payment_change", args=[payment.pk])
        refund = request_refund(
            payment_id=payment.pk, amount_minor=1250, reason=RefundReason.REQUESTED, actor=SYSTEM, now=utc_now()
        )
        about = (f"Algebra for {payment.subject}", "", "What is paid for")
        own = (str(payment), "Paid", "")

        assert card(client, checkout, "What it is about") == [about]
        assert card(client, money, "What it is about") == [about]
        assert card(client, document, "What it is about") == [about, own]
        page = reverse("admin:billing_refund_change", args=[refund.pk])
        assert card(client, page, "What it is about") == [about, own]
        assert card(client, money, "Invoices") == [(str(invoice), "Issued", "49.00 USD")]
        assert card(client, document, "Other invoices of the payment") == []

    def test_name_the_correction_of_an_invoice(self) -> None:
        payment = came_outside_stripe()
        invoice = issue_invoice(payment=payment, buyer=Buyer("Kim Doe", "", "1 Main St", ""), now=utc_now())
        reverse_offline_payment(payment_id=payment.pk, is_returned=True, note="", actor=SYSTEM, now=utc_now())
        correction = Invoice.objects.get(corrects=invoice)
        client = staff_of(payment.workspace)

        for shown, other, amount in ((invoice, correction, "-49.00 USD"), (correction, invoice, "49.00 USD")):
            page = reverse("admin:billing_invoice_change", args=[shown.pk])
            assert card(client, page, "Other invoices of the payment") == [(str(other), "Issued", amount)]
