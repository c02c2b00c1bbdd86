import inspect
import typing
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import stripe

from sandbox import settings
from sandbox.testing import SandboxProcess

Create = Callable[..., stripe.checkout.Session]


def required_fields(kind: type[stripe.StripeObject]) -> set[str]:
    """Return the fields that the library types as always present."""
    return {name for name, hint in _hints(kind).items() if type(None) not in typing.get_args(hint)}


def known_fields(kind: type[stripe.StripeObject]) -> set[str]:
    return set(_hints(kind))


def _hints(kind: type[stripe.StripeObject]) -> dict[str, Any]:
    # Unevaluated: the library's own names inside Optional[...] don't matter, only that it is Optional.
    hints = inspect.get_annotations(kind)
    return {name: hint for name, hint in hints.items() if typing.get_origin(hint) is not typing.ClassVar}


class TestEveryObject:
    @pytest.fixture
    def objects(self, sandbox: SandboxProcess, client: stripe.StripeClient, create: Create) -> dict[str, Any]:
        session = create()
        sandbox.pay(session.url)
        session = client.v1.checkout.sessions.retrieve(
            session.id, {"expand": ["line_items", "payment_intent.latest_charge"]}
        )
        refund = client.v1.refunds.create({"payment_intent": session.payment_intent.id, "amount": 100})
        dispute = sandbox.open_dispute(session.payment_intent.id)["id"]
        price = client.v1.prices.retrieve(session.line_items.data[0].price.id, {"expand": ["product"]})
        return {
            "Session": session,
            "PaymentIntent": session.payment_intent,
            "Charge": session.payment_intent.latest_charge,
            "LineItem": session.line_items.data[0],
            "Price": price,
            "Product": price.product,
            "Refund": refund,
            "Dispute": client.v1.disputes.retrieve(dispute),
            "Event": client.v1.events.list().data[0],
        }

    @pytest.mark.parametrize(
        ("name", "kind"),
        [
            ("Session", stripe.checkout.Session),
            ("PaymentIntent", stripe.PaymentIntent),
            ("Charge", stripe.Charge),
            ("LineItem", stripe.LineItem),
            ("Price", stripe.Price),
            ("Product", stripe.Product),
            ("Refund", stripe.Refund),
            ("Dispute", stripe.Dispute),
            ("Event", stripe.Event),
        ],
    )
    def test_is_what_the_library_expects(
        self, objects: dict[str, Any], name: str, kind: type[stripe.StripeObject]
    ) -> None:
        shown = objects[name]

        assert type(shown) is kind
        assert set(shown.to_dict()) - known_fields(kind) == set()
        assert required_fields(kind) - set(shown.to_dict()) - {"deleted"} == set()

    def test_has_the_prefix_of_its_kind(self, objects: dict[str, Any]) -> None:
        prefixes = {name: shown.id.split("_")[0] for name, shown in objects.items()}

        assert prefixes == {
            "Session": "cs",
            "PaymentIntent": "pi",
            "Charge": "ch",
            "LineItem": "li",
            "Price": "price",
            "Product": "prod",
            "Refund": "re",
            "Dispute": "du",
            "Event": "evt",
        }

    def test_is_of_the_version_the_library_is_pinned_to(self, objects: dict[str, Any]) -> None:
        assert objects["Event"].api_version == settings.STRIPE_API_VERSION == stripe.api_version


class TestAnAnswer:
    def test_names_its_request_and_echoes_version_and_key(self, http: httpx.Client, form: dict[str, str]) -> None:
        headers = {"Stripe-Version": "2026-10-28.endive", "Idempotency-Key": "k1"}

        answer = http.post("/v1/checkout/sessions", data=form, headers=headers)

        assert answer.status_code == 200
        assert answer.headers["request-id"].startswith("req_")
        assert answer.headers["stripe-version"] == "2026-10-28.endive"
        assert answer.headers["idempotency-key"] == "k1"
        assert "idempotent-replayed" not in answer.headers

    def test_takes_the_key_by_basic_authentication_too(self, http: httpx.Client, sandbox: SandboxProcess) -> None:
        answer = http.get("/v1/events", auth=(sandbox.api_key, ""))

        assert answer.status_code == 200


class TestAnExpansion:
    def test_shows_the_object_in_place_of_its_id(
        self, sandbox: SandboxProcess, client: stripe.StripeClient, create: Create
    ) -> None:
        session = create()
        sandbox.pay(session.url)

        plain = client.v1.checkout.sessions.retrieve(session.id)
        expanded = client.v1.checkout.sessions.retrieve(session.id, {"expand": ["payment_intent.latest_charge"]})

        assert plain.payment_intent == expanded.payment_intent.id
        assert expanded.payment_intent.latest_charge.amount == 4900

    def test_reaches_into_lists(self, sandbox: SandboxProcess, client: stripe.StripeClient, create: Create) -> None:
        sandbox.pay(create().url)

        page = client.v1.checkout.sessions.list({"expand": ["data.payment_intent", "data.line_items.data"]})
        one = client.v1.checkout.sessions.retrieve(page.data[0].id, {"expand": ["line_items.data.price.product"]})

        assert page.data[0].payment_intent.status == "succeeded"
        assert page.data[0].line_items.data[0].quantity == 1
        assert one.line_items.data[0].price.product.name == "Algebra I"

    def test_leaves_what_is_null(self, client: stripe.StripeClient, create: Create) -> None:
        session = client.v1.checkout.sessions.retrieve(create().id, {"expand": ["payment_intent.latest_charge"]})

        assert session.payment_intent is None

    def test_goes_four_levels_deep(self, client: stripe.StripeClient, create: Create) -> None:
        create()

        with pytest.raises(stripe.InvalidRequestError, match="more than 4 levels"):
            client.v1.checkout.sessions.list({"expand": ["data.line_items.data.price.product"]})

    def test_refuses_what_cannot_be_expanded(self, client: stripe.StripeClient, create: Create) -> None:
        session = create()

        with pytest.raises(stripe.InvalidRequestError) as refusal:
            client.v1.checkout.sessions.retrieve(session.id, {"expand": ["success_url"]})

        assert refusal.value.http_status == 400
        assert refusal.value.user_message == "This property cannot be expanded (success_url)."


class TestAnError:
    @pytest.mark.parametrize("key", ["sk_test_other", "sk_test_sandbo", ""])
    def test_is_401_for_another_key(self, sandbox: SandboxProcess, key: str) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}

        answer = httpx.get(f"{sandbox.url}/v1/events", headers=headers)

        assert answer.status_code == 401
        assert answer.json()["error"]["type"] == "invalid_request_error"
        assert answer.headers["www-authenticate"] == 'Bearer realm="Stripe"'

    def test_of_another_key_reaches_the_client_as_its_own_kind(self, sandbox: SandboxProcess) -> None:
        stranger = stripe.StripeClient("sk_test_other", base_addresses={"api": sandbox.url})

        with pytest.raises(stripe.AuthenticationError, match="Invalid API Key provided"):
            stranger.v1.events.list()

    @pytest.mark.parametrize(
        ("path", "message"),
        [
            ("checkout/sessions/cs_test_none", "No such checkout.session: 'cs_test_none'"),
            ("checkout/sessions/cs_test_none/line_items", "No such checkout.session: 'cs_test_none'"),
            ("payment_intents/pi_none", "No such payment_intent: 'pi_none'"),
            ("charges/ch_none", "No such charge: 'ch_none'"),
            ("refunds/re_none", "No such refund: 're_none'"),
            ("disputes/du_none", "No such dispute: 'du_none'"),
            ("events/evt_none", "No such event: 'evt_none'"),
            ("prices/price_none", "No such price: 'price_none'"),
            ("products/prod_none", "No such product: 'prod_none'"),
        ],
    )
    def test_is_404_for_what_does_not_exist(self, http: httpx.Client, path: str, message: str) -> None:
        answer = http.get(f"/v1/{path}")

        assert answer.status_code == 404
        assert answer.json()["error"]["code"] == "resource_missing"
        assert answer.json()["error"]["message"] == message

    @pytest.mark.parametrize(
        ("method", "path"), [("GET", "/v1/nothing"), ("DELETE", "/v1/events"), ("POST", "/v1/payment_intents")]
    )
    def test_is_404_for_an_unknown_path_or_method(self, http: httpx.Client, method: str, path: str) -> None:
        answer = http.request(method, path)

        assert answer.status_code == 404
        assert answer.json()["error"]["message"] == f"Unrecognized request URL ({method}: {path})."

    @pytest.mark.parametrize(
        "body",
        [
            b"a[b=1",
            b"[a]=1",
            b"mode=payment&mode[x]=1",
            b"mode[x]=1&mode=payment",
            b"%ff=1",
            b"mode=%ff",
            b"a[b][c][d][e][f][g]=1",
            b'{"mode": "payment"}',
            b"&".join(b"a%d=1" % number for number in range(1_001)),
        ],
    )
    def test_is_400_for_a_body_that_is_no_form(self, http: httpx.Client, body: bytes) -> None:
        answer = http.post("/v1/checkout/sessions", content=body)

        assert answer.status_code == 400
        assert answer.json()["error"]["type"] == "invalid_request_error"

    def test_is_413_for_a_body_of_megabytes(self, http: httpx.Client) -> None:
        answer = http.post("/v1/checkout/sessions", content=b"mode=" + b"x" * 2_000_000)

        assert answer.status_code == 413
