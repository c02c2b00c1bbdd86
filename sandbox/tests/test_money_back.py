from collections.abc import Callable

import httpx
import pytest
import stripe

from sandbox.testing import SandboxProcess

Create = Callable[..., stripe.checkout.Session]


@pytest.fixture
def intent(sandbox: SandboxProcess, client: stripe.StripeClient, create: Create) -> str:
    """Return a payment of 49.00 USD."""
    session = create()
    sandbox.pay(session.url)
    return str(client.v1.checkout.sessions.retrieve(session.id).payment_intent)


def charge_of(client: stripe.StripeClient, intent: str) -> stripe.Charge:
    return client.v1.payment_intents.retrieve(intent, {"expand": ["latest_charge"]}).latest_charge


def new_types(client: stripe.StripeClient) -> list[str]:
    """Return the events after the payment, oldest first."""
    return [event.type for event in client.v1.events.list({"limit": 100})][::-1][4:]


class TestARefund:
    def test_gives_everything_back(self, sandbox: SandboxProcess, client: stripe.StripeClient, intent: str) -> None:
        refund = client.v1.refunds.create(
            {"payment_intent": intent, "reason": "duplicate", "metadata": {"refund": "9"}}
        )

        assert (refund.status, refund.amount, refund.reason) == ("succeeded", 4900, "duplicate")
        assert refund.metadata.to_dict() == {"refund": "9"}
        assert refund.payment_intent == intent
        assert charge_of(client, intent).refunded is True
        assert new_types(client) == ["refund.created", "charge.refunded", "refund.updated"]
        assert sandbox.ledger()["totals"]["usd"] == {"captured": 4900, "refunded": 4900, "lost": 0, "net": 0}

    def test_can_be_made_in_parts_until_nothing_is_left(self, client: stripe.StripeClient, intent: str) -> None:
        charge = charge_of(client, intent)
        client.v1.refunds.create({"charge": charge.id, "amount": 1_000})

        with pytest.raises(stripe.InvalidRequestError) as too_much:
            client.v1.refunds.create({"charge": charge.id, "amount": 3_901})
        client.v1.refunds.create({"charge": charge.id, "amount": 3_900})
        with pytest.raises(stripe.InvalidRequestError) as over:
            client.v1.refunds.create({"payment_intent": intent})

        assert (too_much.value.param, too_much.value.http_status) == ("amount", 400)
        assert over.value.code == "charge_already_refunded"
        assert charge_of(client, intent).amount_refunded == 4900
        assert [refund.amount for refund in client.v1.refunds.list({"payment_intent": intent})] == [3_900, 1_000]

    @pytest.mark.parametrize(
        ("form", "param"),
        [
            ({}, "payment_intent"),
            ({"payment_intent": "pi_none"}, "payment_intent"),
            ({"charge": "ch_none"}, "charge"),
            ({"payment_intent": "pi_none", "amount": "0"}, "amount"),
            ({"payment_intent": "pi_none", "reason": "bored"}, "reason"),
        ],
    )
    def test_is_refused_for_a_wrong_parameter(
        self, http: httpx.Client, sandbox: SandboxProcess, form: dict[str, str], param: str
    ) -> None:
        answer = http.post("/v1/refunds", data=form)

        assert answer.status_code == 400
        assert answer.json()["error"]["param"] == param
        assert sandbox.ledger()["refunds"] == []

    def test_of_a_payment_not_made_is_refused(
        self, sandbox: SandboxProcess, client: stripe.StripeClient, create: Create
    ) -> None:
        sandbox.pay(create().url, card="declined")
        intent = client.v1.payment_intents.list().data[0].id

        with pytest.raises(stripe.InvalidRequestError, match="does not have a successful charge"):
            client.v1.refunds.create({"payment_intent": intent})

    @pytest.mark.parametrize(
        ("outcome", "status", "refunded", "last"),
        [("succeeded", "succeeded", 4900, "refund.updated"), ("failed", "failed", 0, "refund.failed")],
    )
    def test_can_be_made_to_wait(
        self,
        sandbox: SandboxProcess,
        client: stripe.StripeClient,
        intent: str,
        outcome: str,
        status: str,
        refunded: int,
        last: str,
    ) -> None:
        sandbox.faults(refunds="pending")
        pending = client.v1.refunds.create({"payment_intent": intent})

        settled = sandbox.settle_refund(pending.id, outcome=outcome)

        assert pending.status == "pending"
        assert settled["status"] == status
        assert settled.get("failure_reason") == (None if outcome == "succeeded" else "expired_or_canceled_card")
        assert new_types(client)[-1] == last
        assert sandbox.ledger()["totals"]["usd"]["refunded"] == refunded
        assert charge_of(client, intent).amount_refunded == refunded

    def test_that_failed_cannot_be_settled(
        self, sandbox: SandboxProcess, client: stripe.StripeClient, intent: str
    ) -> None:
        sandbox.faults(refunds={"value": "failed", "times": 1})
        refund = client.v1.refunds.create({"payment_intent": intent})

        with pytest.raises(httpx.HTTPStatusError, match="409"):
            sandbox.settle_refund(refund.id)

        assert refund.status == "failed"
        assert new_types(client) == ["refund.created", "refund.updated", "refund.failed"]
        assert client.v1.refunds.create({"payment_intent": intent}).status == "succeeded"


class TestADispute:
    @pytest.mark.parametrize(
        ("outcome", "lost", "told", "moved"),
        [("won", 0, ["charge.dispute.funds_reinstated"], [-4900, 4900]), ("lost", 4900, [], [-4900])],
    )
    def test_is_opened_and_closed(
        self,
        sandbox: SandboxProcess,
        client: stripe.StripeClient,
        intent: str,
        outcome: str,
        lost: int,
        told: list[str],
        moved: list[int],
    ) -> None:
        dispute = sandbox.open_dispute(intent, reason="product_not_received")
        sandbox.close_dispute(dispute["id"], outcome=outcome)

        closed = client.v1.disputes.retrieve(dispute["id"])
        assert (dispute["status"], closed.status) == ("needs_response", outcome)
        assert (closed.amount, closed.reason, closed.payment_intent) == (4900, "product_not_received", intent)
        assert charge_of(client, intent).disputed is True
        assert [transaction.amount for transaction in closed.balance_transactions] == moved
        opened = ["charge.dispute.created", "charge.dispute.funds_withdrawn"]
        assert new_types(client) == [*opened, "charge.dispute.closed", *told]
        assert sandbox.ledger()["totals"]["usd"] == {"captured": 4900, "refunded": 0, "lost": lost, "net": 4900 - lost}

    def test_is_opened_and_closed_once(self, sandbox: SandboxProcess, intent: str) -> None:
        dispute = sandbox.open_dispute(intent)["id"]
        sandbox.close_dispute(dispute, outcome="won")

        with pytest.raises(httpx.HTTPStatusError, match="409"):
            sandbox.open_dispute(intent)
        with pytest.raises(httpx.HTTPStatusError, match="409"):
            sandbox.close_dispute(dispute, outcome="lost")

        assert [d["status"] for d in sandbox.ledger()["disputes"]] == ["won"]

    def test_forbids_a_refund(self, sandbox: SandboxProcess, client: stripe.StripeClient, intent: str) -> None:
        sandbox.open_dispute(intent)

        with pytest.raises(stripe.InvalidRequestError) as refusal:
            client.v1.refunds.create({"payment_intent": intent})

        assert refusal.value.code == "charge_disputed"

    def test_of_a_part_that_is_lost_leaves_the_rest_to_be_refunded(
        self, sandbox: SandboxProcess, client: stripe.StripeClient, intent: str
    ) -> None:
        dispute = sandbox.open_dispute(intent, amount=1000)["id"]
        sandbox.close_dispute(dispute, outcome="lost")

        with pytest.raises(stripe.InvalidRequestError, match="greater than unrefunded amount"):
            client.v1.refunds.create({"payment_intent": intent, "amount": 4900})
        refund = client.v1.refunds.create({"payment_intent": intent})

        assert refund.amount == 3900
        assert sandbox.ledger()["totals"]["usd"]["net"] == 0

    def test_may_be_one_of_several_and_of_no_more_than_was_paid(self, sandbox: SandboxProcess, intent: str) -> None:
        sandbox.open_dispute(intent, amount=1000)
        sandbox.open_dispute(intent, amount=3900)

        with pytest.raises(httpx.HTTPStatusError, match="409"):
            sandbox.open_dispute(intent, amount=1)

        assert [dispute["amount"] for dispute in sandbox.ledger()["disputes"]] == [1000, 3900]

    def test_that_was_won_leaves_the_money_to_be_refunded(
        self, sandbox: SandboxProcess, client: stripe.StripeClient, intent: str
    ) -> None:
        sandbox.close_dispute(sandbox.open_dispute(intent)["id"], outcome="won")

        assert client.v1.refunds.create({"payment_intent": intent}).status == "succeeded"

    def test_that_was_lost_may_give_a_part_back(self, sandbox: SandboxProcess, intent: str) -> None:
        dispute = sandbox.open_dispute(intent)["id"]

        sandbox.close_dispute(dispute, outcome="lost", given_back=1000)

        assert sandbox.ledger()["totals"]["usd"]["lost"] == 3900


class TestAnInquiry:
    def test_takes_nothing_and_ends_with_a_full_refund(
        self, sandbox: SandboxProcess, client: stripe.StripeClient, intent: str
    ) -> None:
        inquiry = sandbox.open_dispute(intent, status="warning_needs_response")
        before = client.v1.disputes.retrieve(inquiry["id"])

        client.v1.refunds.create({"payment_intent": intent})

        after = client.v1.disputes.retrieve(inquiry["id"])
        assert (before.status, before.is_charge_refundable) == ("warning_needs_response", True)
        assert before.balance_transactions == []
        assert (after.status, after.is_charge_refundable) == ("warning_closed", False)

    def test_may_become_a_dispute(self, sandbox: SandboxProcess, client: stripe.StripeClient, intent: str) -> None:
        inquiry = sandbox.open_dispute(intent, status="warning_needs_response")["id"]

        sandbox.close_dispute(inquiry, outcome="needs_response")

        with pytest.raises(stripe.InvalidRequestError) as refusal:
            client.v1.refunds.create({"payment_intent": intent})
        assert refusal.value.code == "charge_disputed"
        assert new_types(client) == [
            "charge.dispute.created",
            "charge.dispute.updated",
            "charge.dispute.funds_withdrawn",
        ]

    def test_can_not_be_won(self, sandbox: SandboxProcess, intent: str) -> None:
        inquiry = sandbox.open_dispute(intent, status="warning_needs_response")["id"]

        with pytest.raises(httpx.HTTPStatusError, match="409"):
            sandbox.close_dispute(inquiry, outcome="won")


class TestTheLedger:
    def test_is_narrowed_by_metadata(self, sandbox: SandboxProcess, create: Create) -> None:
        mine, other = create(metadata={"decision": "1"}), create(metadata={"decision": "2"})
        sandbox.pay(mine.url)
        sandbox.pay(other.url)

        by_session = sandbox.ledger(decision="2")
        by_payment = sandbox.ledger(checkout="7")
        none = sandbox.ledger(decision="3")

        assert [session["id"] for session in by_session["sessions"]] == [other.id]
        assert by_session["totals"]["usd"]["captured"] == 4900
        assert by_payment["totals"]["usd"]["captured"] == 9800
        assert none == {"sessions": [], "payments": [], "refunds": [], "disputes": [], "totals": {}}

    def test_keeps_currencies_apart(self, sandbox: SandboxProcess, create: Create) -> None:
        zloty = {"currency": "pln", "unit_amount": 20_000, "product_data": {"name": "Algebra I"}}
        sandbox.pay(create().url)
        sandbox.pay(create(line_items=[{"price_data": zloty, "quantity": 1}]).url)

        totals = sandbox.ledger()["totals"]

        assert {currency: total["net"] for currency, total in totals.items()} == {"usd": 4900, "pln": 20_000}


class TestAPayout:
    def test_takes_along_what_moved_less_its_fees_and_stands_among_it(
        self, sandbox: SandboxProcess, client: stripe.StripeClient, intent: str
    ) -> None:
        client.v1.refunds.create({"payment_intent": intent, "amount": 900})

        [payout] = sandbox.pay_out()

        lines = client.v1.balance_transactions.list({"payout": payout["id"], "expand": ["data.source"]}).data
        told = sorted((line.reporting_category, line.amount, line.fee, line.net) for line in lines)
        assert told == [("charge", 4900, 172, 4728), ("payout", -3828, 0, -3828), ("refund", -900, 0, -900)]
        assert {getattr(line.source, "payment_intent", "payout") for line in lines} == {intent, "payout"}
        assert [each.amount for each in client.v1.payouts.list()] == [3828]

    def test_leaves_nothing_for_the_next_one(self, sandbox: SandboxProcess, intent: str) -> None:
        sandbox.pay_out()

        assert sandbox.pay_out() == []
