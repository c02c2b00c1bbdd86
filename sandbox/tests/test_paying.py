import threading
from collections.abc import Callable

import httpx
import pytest
import stripe

from sandbox.testing import SandboxProcess

Create = Callable[..., stripe.checkout.Session]


def types_of(client: stripe.StripeClient) -> list[str]:
    """Return all events, oldest first."""
    return [event.type for event in client.v1.events.list({"limit": 100})][::-1]


class TestThePayPage:
    def test_shows_what_is_paid_for_and_that_nothing_moves(self, sandbox: SandboxProcess, create: Create) -> None:
        page = httpx.get(create().url)

        assert page.status_code == 200
        assert "Sandbox: no money moves" in page.text
        assert "Algebra I" in page.text
        assert "49.00 USD" in page.text
        assert 'value="parent@school.test"' in page.text
        for button in ("Pay 49.00 USD", "Pay with a card that is declined", "Pay later by bank debit", "Cancel"):
            assert button in page.text

    def test_escapes_what_it_was_given(self, create: Create) -> None:
        item = {"currency": "usd", "unit_amount": 500, "product_data": {"name": "<script>x</script>"}}

        page = httpx.get(create(line_items=[{"price_data": item, "quantity": 1}]).url)

        assert "<script>" not in page.text

    @pytest.mark.parametrize("action", ["", "/pay", "/cancel", "/settle"])
    def test_does_not_exist_without_a_session(self, sandbox: SandboxProcess, action: str) -> None:
        url = f"{sandbox.url}/c/pay/cs_test_none{action}"

        answer = httpx.post(url, data={"outcome": "failed"}) if action else httpx.get(url)

        assert answer.status_code == 404
        assert "No such checkout.session" in answer.text


class TestPaying:
    def test_completes_the_session_and_goes_to_the_success_url(
        self, sandbox: SandboxProcess, client: stripe.StripeClient, create: Create
    ) -> None:
        session = create()

        answer = sandbox.pay(session.url, email="payer@school.test")

        assert answer.status_code == 303
        assert answer.headers["location"] == f"https://school.test/done?session={session.id}"
        paid = client.v1.checkout.sessions.retrieve(session.id, {"expand": ["payment_intent.latest_charge"]})
        assert (paid.status, paid.payment_status, paid.url) == ("complete", "paid", None)
        assert paid.customer_details.email == "parent@school.test"  # given with the session, and unchangeable
        intent = paid.payment_intent
        assert (intent.status, intent.amount_received, intent.currency) == ("succeeded", 4900, "usd")
        assert intent.metadata.to_dict() == {"checkout": "7"}
        assert (intent.latest_charge.paid, intent.latest_charge.amount_captured) == (True, 4900)

    def test_tells_the_events_in_order(
        self, sandbox: SandboxProcess, client: stripe.StripeClient, create: Create
    ) -> None:
        sandbox.pay(create().url)

        assert types_of(client) == [
            "payment_intent.created",
            "payment_intent.succeeded",
            "charge.succeeded",
            "checkout.session.completed",
        ]

    def test_twice_is_refused_and_charges_once(
        self, sandbox: SandboxProcess, client: stripe.StripeClient, create: Create
    ) -> None:
        session = create()
        sandbox.pay(session.url)

        again = sandbox.pay(session.url)

        assert again.status_code == 409
        assert "This checkout is paid" in again.text
        assert sandbox.ledger()["totals"]["usd"]["captured"] == 4900
        assert len(types_of(client)) == 4

    def test_an_expired_session_is_refused(
        self, sandbox: SandboxProcess, client: stripe.StripeClient, create: Create
    ) -> None:
        session = create()
        sandbox.advance_clock(seconds=86_401)

        answer = sandbox.pay(session.url)

        assert answer.status_code == 409
        assert "This checkout has expired" in answer.text
        assert sandbox.ledger()["totals"] == {}
        assert types_of(client) == ["checkout.session.expired"]

    def test_at_once_from_many_places_charges_once(self, sandbox: SandboxProcess, create: Create) -> None:
        session = create()

        statuses = at_once(*[lambda: sandbox.pay(session.url).status_code for _ in range(8)])

        assert sorted(statuses) == [303, *[409] * 7]
        assert sandbox.ledger()["totals"]["usd"]["captured"] == 4900

    @pytest.mark.parametrize("field", [{"card": "gold"}, {"email": "nobody"}, {"email": "a@b\x00"}])
    def test_with_a_wrong_field_is_refused(
        self, sandbox: SandboxProcess, client: stripe.StripeClient, create: Create, field: dict[str, str]
    ) -> None:
        session = create()

        answer = sandbox.pay(session.url, **field)

        assert answer.status_code == 400
        assert client.v1.checkout.sessions.retrieve(session.id).status == "open"


class TestPayingAgainstExpiry:
    def test_has_exactly_one_winner(self, sandbox: SandboxProcess, client: stripe.StripeClient, create: Create) -> None:
        outcomes = set()
        for _ in range(12):
            session = create()

            paid, expired = at_once(
                lambda url=session.url: sandbox.pay(url).status_code == 303,
                lambda id=session.id: _expires(client, id),
            )

            outcomes.add((paid, expired))
            status = client.v1.checkout.sessions.retrieve(session.id).status
            assert status == ("complete" if paid else "expired")
        assert outcomes <= {(True, False), (False, True)}
        winners = [s["status"] for s in sandbox.ledger()["sessions"]].count("complete")
        assert sandbox.ledger()["totals"].get("usd", {"captured": 0})["captured"] == 4900 * winners


class TestADeclinedCard:
    def test_leaves_the_session_open(
        self, sandbox: SandboxProcess, client: stripe.StripeClient, create: Create
    ) -> None:
        session = create()

        answer = sandbox.pay(session.url, card="declined")

        assert answer.status_code == 402
        assert "declined" in answer.text
        left = client.v1.checkout.sessions.retrieve(session.id)
        assert (left.status, left.payment_status, left.payment_intent) == ("open", "unpaid", None)
        assert types_of(client) == ["payment_intent.created", "payment_intent.payment_failed", "charge.failed"]
        failed = client.v1.events.list({"type": "payment_intent.payment_failed"}).data[0].data.object
        assert failed.last_payment_error.code == "card_declined"

    def test_can_be_followed_by_a_good_one_on_the_same_payment(
        self, sandbox: SandboxProcess, client: stripe.StripeClient, create: Create
    ) -> None:
        session = create()
        sandbox.pay(session.url, card="declined")

        sandbox.pay(session.url)

        assert len(client.v1.payment_intents.list().data) == 1
        assert [charge.status for charge in client.v1.charges.list()] == ["succeeded", "failed"]
        assert sandbox.ledger()["totals"]["usd"]["captured"] == 4900


class TestABankDebit:
    def test_completes_the_session_unpaid(
        self, sandbox: SandboxProcess, client: stripe.StripeClient, create: Create
    ) -> None:
        session = create()

        answer = sandbox.pay(session.url, card="async")

        assert answer.status_code == 303
        waiting = client.v1.checkout.sessions.retrieve(session.id, {"expand": ["payment_intent"]})
        assert (waiting.status, waiting.payment_status) == ("complete", "unpaid")
        assert waiting.payment_intent.status == "processing"
        assert "checkout.session.completed" in types_of(client)
        assert sandbox.ledger()["totals"]["usd"]["captured"] == 0

    @pytest.mark.parametrize(
        ("outcome", "payment_status", "captured"), [("succeeded", "paid", 4900), ("failed", "unpaid", 0)]
    )
    def test_is_settled_once(
        self,
        sandbox: SandboxProcess,
        client: stripe.StripeClient,
        create: Create,
        outcome: str,
        payment_status: str,
        captured: int,
    ) -> None:
        session = create()
        sandbox.pay(session.url, card="async")

        settled, again = (sandbox.settle(session.url, outcome=outcome) for _ in range(2))

        assert (settled.status_code, again.status_code) == (200, 409)
        assert client.v1.checkout.sessions.retrieve(session.id).payment_status == payment_status
        assert sandbox.ledger()["totals"]["usd"]["captured"] == captured
        assert types_of(client).count(f"checkout.session.async_payment_{outcome}") == 1

    def test_cannot_be_settled_where_there_is_none(self, sandbox: SandboxProcess, create: Create) -> None:
        answer = sandbox.settle(create().url)

        assert answer.status_code == 409


class TestCancelling:
    def test_goes_back_and_leaves_the_session_open(
        self, sandbox: SandboxProcess, client: stripe.StripeClient, create: Create
    ) -> None:
        session = create()

        answer = sandbox.cancel(session.url)

        assert (answer.status_code, answer.headers["location"]) == (303, "https://school.test/cancelled")
        assert client.v1.checkout.sessions.retrieve(session.id).status == "open"
        assert types_of(client) == []


def at_once(*calls: Callable[[], object]) -> list[object]:
    """Run the calls in threads that start together; return their results in order."""
    results: list[object] = [None] * len(calls)
    start = threading.Barrier(len(calls))

    def run(place: int) -> None:
        start.wait(10)
        results[place] = calls[place]()

    threads = [threading.Thread(target=run, args=[place]) for place in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return results


def _expires(client: stripe.StripeClient, session: str) -> bool:
    try:
        client.v1.checkout.sessions.expire(session)
    except stripe.InvalidRequestError:
        return False
    return True
