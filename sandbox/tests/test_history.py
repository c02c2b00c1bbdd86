"""What happened before the sandbox existed, as demo data describes it."""

from typing import Any

import httpx
import pytest
import stripe

from sandbox.testing import SandboxProcess

DAY = 24 * 3600
Body = dict[str, Any]


@pytest.fixture
def sold() -> Body:
    """Return a session that was paid and partly refunded."""
    return {
        "id": "cs_demo_1",
        "client_reference_id": "checkout-1",
        "status": "complete",
        "amount_total": 4900,
        "currency": "usd",
        "created": 1_700_000_000,
        "expires_at": 1_700_000_000 + DAY,
        "success_url": "https://school.test/done",
        "cancel_url": "https://school.test/",
        "metadata": {"checkoutId": "1"},
        "payer_email": "parent@school.test",
        "payment": {
            "id": "pi_demo_1",
            "status": "succeeded",
            "refunds": [
                {
                    "id": "re_demo_1",
                    "amount": 900,
                    "status": "succeeded",
                    "created": 1_700_100_000,
                    "metadata": {"reference": "refund-1"},
                }
            ],
            "dispute": None,
        },
    }


class TestAPaymentOfThePast:
    def test_is_there_as_if_it_had_happened_here(
        self, sandbox: SandboxProcess, client: stripe.StripeClient, sold: Body
    ) -> None:
        answer = sandbox.control("history", {"sessions": [sold]})

        session = client.v1.checkout.sessions.retrieve("cs_demo_1", {"expand": ["payment_intent"]})
        assert answer == {"sessions": 1}
        assert (session.status, session.payment_status, session.created) == ("complete", "paid", 1_700_000_000)
        assert session.payment_intent.id == "pi_demo_1"
        assert sandbox.ledger()["totals"] == {"usd": {"captured": 4900, "refunded": 900, "lost": 0, "net": 4000}}

    def test_can_be_refunded_up_to_what_is_left(
        self, sandbox: SandboxProcess, client: stripe.StripeClient, sold: Body
    ) -> None:
        sandbox.control("history", {"sessions": [sold]})

        refund = client.v1.refunds.create({"payment_intent": "pi_demo_1"})

        listed = client.v1.refunds.list({"payment_intent": "pi_demo_1"}).data
        assert (refund.amount, refund.status) == (4000, "succeeded")
        assert [found.id for found in listed] == [refund.id, "re_demo_1"]
        assert listed[1].metadata.to_dict() == {"reference": "refund-1"}

    def test_by_bank_debit_can_still_come_to_its_end(
        self, sandbox: SandboxProcess, client: stripe.StripeClient, sold: Body
    ) -> None:
        sold["payment"] |= {"status": "processing", "refunds": []}
        sandbox.control("history", {"sessions": [sold]})

        sandbox.settle(f"{sandbox.url}/c/pay/cs_demo_1", outcome="succeeded").raise_for_status()

        assert client.v1.checkout.sessions.retrieve("cs_demo_1").payment_status == "paid"

    def test_can_be_disputed(self, sandbox: SandboxProcess, client: stripe.StripeClient, sold: Body) -> None:
        sold["payment"]["dispute"] = {"id": "dp_1", "amount": 4000, "reason": "fraudulent", "status": "needs_response"}
        sandbox.control("history", {"sessions": [sold]})

        closed = sandbox.close_dispute("dp_1", outcome="lost")

        assert closed["payment_intent"] == "pi_demo_1"
        assert sandbox.ledger()["totals"]["usd"]["net"] == 0

    def test_told_again_is_made_anew(self, sandbox: SandboxProcess, sold: Body) -> None:
        sandbox.control("history", {"sessions": [sold]})
        sold["payment"]["refunds"][0]["amount"] = 1000

        sandbox.control("history", {"sessions": [sold]})

        assert sandbox.ledger()["totals"]["usd"] == {"captured": 4900, "refunded": 1000, "lost": 0, "net": 3900}
        assert len(sandbox.ledger()["sessions"]) == len(sandbox.ledger()["refunds"]) == 1

    def test_is_no_news(self, sandbox: SandboxProcess, client: stripe.StripeClient, sold: Body) -> None:
        sandbox.control("history", {"sessions": [sold]})

        assert client.v1.events.list().data == []
        assert sandbox.deliveries() == []


class TestASessionOfThePast:
    def test_that_is_open_can_be_paid(self, sandbox: SandboxProcess, client: stripe.StripeClient, sold: Body) -> None:
        now = httpx.get(f"{sandbox.url}/_sandbox/health").json()["now"]
        sandbox.control("history", {"sessions": [sold | {"status": "open", "expires_at": now + 600, "payment": None}]})

        paid = sandbox.pay(f"{sandbox.url}/c/pay/cs_demo_1")

        assert paid.status_code == 303
        assert client.v1.checkout.sessions.retrieve("cs_demo_1").payment_status == "paid"

    def test_whose_time_is_over_has_expired(
        self, sandbox: SandboxProcess, client: stripe.StripeClient, sold: Body
    ) -> None:
        sandbox.control("history", {"sessions": [sold | {"status": "open", "payment": None}]})

        assert client.v1.checkout.sessions.retrieve("cs_demo_1").status == "expired"


class TestAPastThatCanNotBe:
    @pytest.mark.parametrize(
        ("change", "told"),
        [
            ({"status": "half"}, "sessions[1]: the status 'half' is none of open, complete, expired."),
            ({"amount_total": "much"}, "sessions[1]: invalid literal for int() with base 10: 'much'"),
            ({"amount_total": 800}, "sessions[1]: 900 went back of 800."),
            ({"payment": {"id": "pi_2"}}, "sessions[1]: status is missing."),
        ],
    )
    def test_is_refused_by_name_and_nothing_of_it_remembered(
        self, sandbox: SandboxProcess, sold: Body, change: Body, told: str
    ) -> None:
        with pytest.raises(httpx.HTTPStatusError) as refusal:
            sandbox.control("history", {"sessions": [sold, sold | {"id": "cs_demo_2"} | change]})

        assert refusal.value.response.status_code == 400
        assert refusal.value.response.json() == {"error": told}
        assert sandbox.ledger()["sessions"] == []

    @pytest.mark.parametrize("body", [{}, {"sessions": {}}, {"sessions": [1]}])
    def test_is_a_list_of_objects(self, sandbox: SandboxProcess, body: Body) -> None:
        with pytest.raises(httpx.HTTPStatusError, match="sessions must be a list of objects"):
            sandbox.control("history", body)
