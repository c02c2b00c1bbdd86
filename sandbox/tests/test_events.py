from collections.abc import Callable

import httpx
import pytest
import stripe

from sandbox.testing import SandboxProcess

Create = Callable[..., stripe.checkout.Session]


class TestTheEventList:
    @pytest.fixture(autouse=True)
    def _paid(self, sandbox: SandboxProcess, create: Create) -> None:
        sandbox.pay(create().url)

    def test_pages_newest_first(self, client: stripe.StripeClient) -> None:
        everything = [event.id for event in client.v1.events.list()]

        first = client.v1.events.list({"limit": 3})
        rest = client.v1.events.list({"limit": 3, "starting_after": first.data[-1].id})
        back = client.v1.events.list({"limit": 3, "ending_before": rest.data[0].id})

        assert [event.id for event in [*first.data, *rest.data]] == everything
        assert (first.has_more, rest.has_more, back.has_more) == (True, False, False)
        assert [event.id for event in back.data] == everything[:3]

    @pytest.mark.parametrize(
        ("filters", "types"),
        [
            ({"type": "charge.succeeded"}, ["charge.succeeded"]),
            ({"type": "payment_intent.*"}, ["payment_intent.succeeded", "payment_intent.created"]),
            (
                {"types": ["charge.succeeded", "checkout.session.completed"]},
                ["checkout.session.completed", "charge.succeeded"],
            ),
            ({"type": "refund.created"}, []),
        ],
    )
    def test_filters_by_type(self, client: stripe.StripeClient, filters: dict, types: list[str]) -> None:
        assert [event.type for event in client.v1.events.list(filters)] == types

    def test_filters_by_creation(self, client: stripe.StripeClient, sandbox: SandboxProcess, create: Create) -> None:
        later = sandbox.advance_clock(seconds=600)
        sandbox.pay(create().url)

        assert len(client.v1.events.list({"created": {"gte": later}}).data) == 4
        assert len(client.v1.events.list({"created": {"lt": later}}).data) == 4
        assert len(client.v1.events.list({"limit": 100}).data) == 8

    def test_refuses_type_and_types_together(self, http: httpx.Client) -> None:
        answer = http.get("/v1/events?type=a&types[]=b")

        assert (answer.status_code, answer.json()["error"]["param"]) == (400, "types")


class TestAnEvent:
    def test_keeps_the_object_as_it_was(
        self, sandbox: SandboxProcess, client: stripe.StripeClient, create: Create
    ) -> None:
        sandbox.pay(create().url)
        intent = client.v1.payment_intents.list().data[0].id

        client.v1.refunds.create({"payment_intent": intent})

        then = client.v1.events.list({"type": "charge.succeeded"}).data[0].data.object
        assert (then.amount_refunded, then.refunded) == (0, False)

    def test_names_the_request_that_caused_it(self, client: stripe.StripeClient, create: Create) -> None:
        session = create()

        client.v1.checkout.sessions.expire(session.id, options={"idempotency_key": "expire-1"})

        event = client.v1.events.retrieve(client.v1.events.list().data[0].id)
        assert event.request.idempotency_key == "expire-1"
        assert event.request.id.startswith("req_")
        assert event.pending_webhooks == 0

    def test_of_a_payer_names_no_request(
        self, sandbox: SandboxProcess, client: stripe.StripeClient, create: Create
    ) -> None:
        sandbox.pay(create().url)

        event = client.v1.events.list().data[0]

        assert (event.request.id, event.request.idempotency_key) == (None, None)
