import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import stripe

from sandbox.testing import SandboxProcess

Create = Callable[..., stripe.checkout.Session]


class TestCreatingASession:
    def test_shows_what_was_asked(self, create: Create, sandbox: SandboxProcess) -> None:
        session = create(expires_at=int(time.time()) + 2_000)

        assert session.object == "checkout.session"
        assert session.status == "open"
        assert session.payment_status == "unpaid"
        assert session.amount_total == session.amount_subtotal == 4900
        assert session.currency == "usd"
        assert session.client_reference_id == "decision-1"
        assert session.customer_email == "parent@school.test"
        assert session.metadata.to_dict() == {"decision": "1"}
        assert session.payment_intent is None
        assert session.livemode is False
        assert session.success_url == "https://school.test/done?session={CHECKOUT_SESSION_ID}"
        assert session.expires_at - session.created in range(1_990, 2_001)
        assert session.url == f"{sandbox.url}/c/pay/{session.id}"

    def test_lasts_a_day_unless_asked_otherwise(self, create: Create) -> None:
        session = create()

        assert session.expires_at == session.created + 86_400

    def test_adds_up_its_items(self, client: stripe.StripeClient, create: Create) -> None:
        price = client.v1.prices.create({"currency": "eur", "unit_amount": 1250, "product_data": {"name": "Book"}})
        inline = {"currency": "eur", "unit_amount": 100, "product_data": {"name": "Pen"}}

        session = create(line_items=[{"price": price.id, "quantity": 3}, {"price_data": inline, "quantity": 2}])

        items = client.v1.checkout.sessions.line_items.list(session.id)
        assert session.amount_total == 3_950
        assert [(item.description, item.quantity, item.amount_total) for item in items] == [
            ("Book", 3, 3_750),
            ("Pen", 2, 200),
        ]

    def test_takes_an_existing_product(self, client: stripe.StripeClient, create: Create) -> None:
        product = client.v1.products.create({"name": "Geometry"})

        session = create(
            line_items=[{"price_data": {"currency": "usd", "unit_amount": 500, "product": product.id}, "quantity": 1}],
            expand=["line_items"],
        )

        assert session.line_items.data[0].price.product == product.id

    def test_of_nothing_to_pay_needs_no_payment(self, create: Create, sandbox: SandboxProcess, client) -> None:
        free = {"currency": "usd", "unit_amount": 0, "product_data": {"name": "Trial"}}

        session = create(line_items=[{"price_data": free, "quantity": 1}])
        sandbox.pay(session.url)

        session = client.v1.checkout.sessions.retrieve(session.id)
        assert session.status == "complete"
        assert session.payment_status == "no_payment_required"
        assert session.payment_intent is None
        assert sandbox.ledger()["totals"] == {}

    @pytest.mark.parametrize(
        ("changes", "param", "code"),
        [
            ({"colour": "red"}, "colour", "parameter_unknown"),
            ({"line_items[0][colour]": "red"}, "line_items[0][colour]", "parameter_unknown"),
            ({"mode": None}, "mode", "parameter_missing"),
            ({"success_url": None}, "success_url", "parameter_missing"),
            ({"line_items[0][quantity]": None}, "line_items[0][quantity]", "parameter_missing"),
            ({"line_items[0][quantity]": "x"}, "line_items[0][quantity]", "parameter_invalid_integer"),
            ({"line_items[0][quantity]": "1.5"}, "line_items[0][quantity]", "parameter_invalid_integer"),
            ({"line_items[0][quantity]": "9" * 30}, "line_items[0][quantity]", "parameter_invalid_integer"),
            ({"line_items[0][quantity]": "0"}, "line_items[0][quantity]", "parameter_invalid_integer"),
            (
                {"line_items[0][price_data][unit_amount]": "-1"},
                "line_items[0][price_data][unit_amount]",
                "parameter_invalid_integer",
            ),
            ({"line_items[0][price_data][unit_amount]": "49"}, "line_items", "amount_too_small"),
            ({"line_items[0][quantity]": "999999"}, "line_items", "amount_too_large"),
            ({"line_items[0][price]": "price_none"}, "line_items[0][price]", "parameter_missing"),
            ({"line_items[x][quantity]": "1"}, "line_items", None),
            ({"mode": "lottery"}, "mode", None),
            ({"success_url": "nowhere"}, "success_url", "url_invalid"),
            ({"success_url": "javascript:alert(1)"}, "success_url", "url_invalid"),
            ({"success_url": "http://[broken"}, "success_url", "url_invalid"),
            ({"success_url": ""}, "success_url", "parameter_invalid_empty"),
            ({"customer_email": "nobody"}, "customer_email", "email_invalid"),
            ({"customer_email": "a@b.test\x00"}, "customer_email", None),
            ({"metadata": "x"}, "metadata", None),
            ({"metadata[k]": "x" * 501}, "metadata[k]", None),
            ({"expires_at": "60"}, "expires_at", None),
            ({"expires_at": "99999999999"}, "expires_at", None),
            ({"line_items[0][price_data][currency]": "dollars"}, "line_items[0][price_data][currency]", None),
        ],
    )
    def test_refuses_what_is_wrong_and_names_it(
        self, http: httpx.Client, form: dict[str, str], changes: dict[str, str | None], param: str, code: str | None
    ) -> None:
        asked = {name: value for name, value in {**form, **changes}.items() if value is not None}

        answer = http.post("/v1/checkout/sessions", data=asked)

        assert answer.status_code == 400
        error = answer.json()["error"]
        assert (error["type"], error["param"], error.get("code")) == ("invalid_request_error", param, code)
        assert http.get("/v1/checkout/sessions").json()["data"] == []
        assert http.get("/v1/products").json()["data"] == []

    @pytest.mark.parametrize("seconds", [29 * 60, 24 * 3_600 + 60])
    def test_refuses_to_expire_too_soon_or_too_late(self, create: Create, seconds: int) -> None:
        with pytest.raises(stripe.InvalidRequestError) as refusal:
            create(expires_at=int(time.time()) + seconds)

        assert refusal.value.param == "expires_at"

    def test_refuses_an_unknown_price(self, create: Create) -> None:
        with pytest.raises(stripe.InvalidRequestError) as refusal:
            create(line_items=[{"price": "price_none", "quantity": 1}])

        assert (refusal.value.code, refusal.value.param) == ("resource_missing", "line_items[0][price]")
        assert refusal.value.http_status == 400


class TestExpiringASession:
    def test_closes_it_and_says_so(self, client: stripe.StripeClient, create: Create) -> None:
        session = create()

        expired = client.v1.checkout.sessions.expire(session.id)

        assert expired.status == "expired"
        assert expired.url is None
        event = client.v1.events.list({"type": "checkout.session.expired"}).data[0]
        assert event.data.object.id == session.id
        assert event.data.object.status == "expired"

    @pytest.mark.parametrize("end", ["expired", "complete"])
    def test_is_refused_unless_it_is_open(
        self, client: stripe.StripeClient, sandbox: SandboxProcess, create: Create, end: str
    ) -> None:
        session = create()
        if end == "expired":
            client.v1.checkout.sessions.expire(session.id)
        else:
            sandbox.pay(session.url)

        with pytest.raises(stripe.InvalidRequestError) as refusal:
            client.v1.checkout.sessions.expire(session.id)

        assert refusal.value.http_status == 400
        assert refusal.value.user_message == (
            'Only Checkout Sessions with a status in ["open"] can be expired. '
            f"This Checkout Session has a status of `{end}`."
        )
        assert client.v1.checkout.sessions.retrieve(session.id).status == end

    def test_happens_by_itself_when_its_time_has_come(
        self, client: stripe.StripeClient, sandbox: SandboxProcess, create: Create
    ) -> None:
        session = create(expires_at=int(time.time()) + 1_860)

        sandbox.advance_clock(seconds=1_800)
        before = client.v1.checkout.sessions.retrieve(session.id).status
        sandbox.advance_clock(seconds=120)
        after = client.v1.checkout.sessions.retrieve(session.id).status

        assert (before, after) == ("open", "expired")
        assert [event.type for event in client.v1.events.list()] == ["checkout.session.expired"]


class TestListingSessions:
    def test_pages_newest_first_in_both_directions(self, client: stripe.StripeClient, create: Create) -> None:
        made = [create().id for _ in range(5)][::-1]

        first = client.v1.checkout.sessions.list({"limit": 2})
        second = client.v1.checkout.sessions.list({"limit": 2, "starting_after": first.data[-1].id})
        last = client.v1.checkout.sessions.list({"limit": 2, "starting_after": second.data[-1].id})
        back = client.v1.checkout.sessions.list({"limit": 2, "ending_before": last.data[0].id})

        assert [s.id for s in [*first.data, *second.data, *last.data]] == made
        assert [first.has_more, second.has_more, last.has_more] == [True, True, False]
        assert [s.id for s in back.data] == made[2:4]
        assert back.has_more is True

    def test_is_walked_by_the_client(self, client: stripe.StripeClient, create: Create) -> None:
        made = [create().id for _ in range(5)][::-1]

        walked = [session.id for session in client.v1.checkout.sessions.list({"limit": 2}).auto_paging_iter()]

        assert walked == made

    def test_filters_by_status_payment_and_creation(
        self, client: stripe.StripeClient, sandbox: SandboxProcess, create: Create
    ) -> None:
        paid, left = create(), create()
        sandbox.pay(paid.url)
        intent = client.v1.checkout.sessions.retrieve(paid.id).payment_intent

        def found(**filters: Any) -> list[str]:
            return [session.id for session in client.v1.checkout.sessions.list(filters)]

        assert found(status="open") == [left.id]
        assert found(payment_intent=intent) == [paid.id]
        assert found(created={"gte": paid.created}) == [left.id, paid.id]
        assert found(created={"gt": left.created}) == []
        assert found(created=left.created - 1_000) == []

    @pytest.mark.parametrize(
        ("query", "param"),
        [
            ("limit=0", "limit"),
            ("limit=101", "limit"),
            ("starting_after=cs_none", "starting_after"),
            ("page=2", "page"),
        ],
    )
    def test_refuses_a_bad_page(self, http: httpx.Client, query: str, param: str) -> None:
        answer = http.get(f"/v1/checkout/sessions?{query}")

        assert answer.status_code == 400
        assert answer.json()["error"]["param"] == param


class TestAPrice:
    def test_is_shown_with_its_product(self, client: stripe.StripeClient) -> None:
        price = client.v1.prices.create(
            {
                "currency": "USD",
                "unit_amount": 4900,
                "product_data": {"name": "Algebra I"},
                "metadata": {"program": "a"},
            }
        )

        product = client.v1.products.retrieve(price.product)

        assert (price.currency, price.unit_amount, price.type) == ("usd", 4900, "one_time")
        assert price.metadata.to_dict() == {"program": "a"}
        assert product.name == "Algebra I"
        assert [found.id for found in client.v1.prices.list({"product": product.id})] == [price.id]

    def test_belongs_to_exactly_one_product(self, client: stripe.StripeClient) -> None:
        with pytest.raises(stripe.InvalidRequestError) as refusal:
            client.v1.prices.create({"currency": "usd", "unit_amount": 100})

        assert refusal.value.param == "product"
