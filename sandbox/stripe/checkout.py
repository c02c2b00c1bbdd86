"""Checkout sessions: create, look up, expire."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils.crypto import get_random_string

from sandbox.knobs import clock
from sandbox.stripe import catalog, events
from sandbox.stripe.api import operation
from sandbox.stripe.errors import StripeError, invalid, no_such
from sandbox.stripe.listing import CURSORS, PAGING, list_page
from sandbox.stripe.models import CheckoutSession, LineItem, Price
from sandbox.stripe.money import SMALLEST_AMOUNT, check_divisible, format_amount, largest_of
from sandbox.stripe.parameters import (
    Address,
    Boolean,
    Choice,
    Currency,
    Email,
    Hash,
    Integer,
    Kind,
    List,
    Metadata,
    Text,
)
from sandbox.stripe.rendering import Body, render

SHORTEST_SECONDS = 30 * 60
LONGEST_SECONDS = 24 * 60 * 60
DEFAULT_METHODS = ("card", "us_bank_account")
METHODS = (*DEFAULT_METHODS, "link", "sepa_debit", "bacs_debit", "p24", "blik", "ideal", "klarna", "paypal", "cashapp")

PRICE_DATA: Mapping[str, Kind] = {
    "currency": Currency(required=True),
    "unit_amount": catalog.UNIT_AMOUNT,
    "product": Text(),
    "product_data": Hash({**catalog.NEW_PRODUCT, "tax_code": Text()}),
    "tax_behavior": Choice(("exclusive", "inclusive", "unspecified")),
}
LINE_ITEM: Mapping[str, Kind] = {
    "price": Text(),
    "price_data": Hash(PRICE_DATA),
    "quantity": Integer(required=True, least=1, most=999_999),
}
PAYMENT_INTENT_DATA: Mapping[str, Kind] = {
    "description": Text(longest=1_000),
    "metadata": Metadata(),
    "receipt_email": Email(),
}


@operation(
    mode=Choice(("payment",), required=True),
    line_items=List(Hash(LINE_ITEM), required=True),
    success_url=Address(required=True),
    cancel_url=Address(),
    client_reference_id=Text(longest=200),
    currency=Currency(),
    customer_email=Email(),
    customer_creation=Choice(("if_required",)),
    expires_at=Integer(),
    locale=Text(longest=10),
    tax_id_collection=Hash({"enabled": Boolean(required=True)}),
    metadata=Metadata(),
    payment_intent_data=Hash(PAYMENT_INTENT_DATA),
    payment_method_types=List(Choice(METHODS)),
    submit_type=Choice(("auto", "book", "donate", "pay")),
    ui_mode=Choice(("hosted_page", "hosted")),
)
def create_session(params: dict[str, Any]) -> Body:
    now = clock.now()
    items = [
        (_price(item, within=f"line_items[{place}]"), item["quantity"])
        for place, item in enumerate(params["line_items"])
    ]
    currency = _common_currency(items, params.get("currency"))
    amount = sum(price.unit_amount * quantity for price, quantity in items)
    _check_amount(amount, currency)
    session = CheckoutSession.objects.create(
        created=now,
        currency=currency,
        amount_total=amount,
        payment_status="unpaid" if amount else "no_payment_required",
        expires_at=_expiry(params.pop("expires_at", None), now),
        payment_method_types=params.pop("payment_method_types", None) or list(DEFAULT_METHODS),
        **{name: value for name, value in params.items() if name not in {"mode", "line_items", "currency", "ui_mode"}},
    )
    LineItem.objects.bulk_create(
        LineItem(ref=f"li_1{get_random_string(24)}", session=session, price=price, quantity=quantity)
        for price, quantity in items
    )
    return render(session)


@operation()
def retrieve_session(params: dict[str, Any], *, ref: str) -> Body:
    expire_due_sessions()
    return render(find_session(ref))


@operation(**PAGING, status=Choice(("open", "complete", "expired")), payment_intent=Text())
def list_sessions(params: dict[str, Any]) -> Body:
    expire_due_sessions()
    chosen = {}
    if "status" in params:
        chosen["status"] = params["status"]
    if "payment_intent" in params:
        chosen |= {"payment_intent__ref": params["payment_intent"], "status": "complete"}
    found = CheckoutSession.objects.select_related("payment_intent").filter(**chosen)
    return list_page(found, params, url="/v1/checkout/sessions")


@operation(**CURSORS)
def list_line_items(params: dict[str, Any], *, ref: str) -> Body:
    items = find_session(ref).line_items.select_related("price__product")
    return list_page(items, params, url=f"/v1/checkout/sessions/{ref}/line_items", oldest_first=True)


@operation()
def expire_session(params: dict[str, Any], *, ref: str) -> Body:
    expire_due_sessions()
    session = find_session(ref)
    if not _expire(session):
        status = find_session(ref).status
        raise StripeError(
            'Only Checkout Sessions with a status in ["open"] can be expired. '
            f"This Checkout Session has a status of `{status}`."
        )
    return render(find_session(ref))


def expire_due_sessions() -> None:
    """Expire every open session that is due. The background thread runs this, and so does every read."""
    due = CheckoutSession.objects.filter(status="open", expires_at__lte=clock.now())
    for session in due.order_by("expires_at", "pk"):
        with transaction.atomic():
            _expire(session)


def find_session(ref: str) -> CheckoutSession:
    session = CheckoutSession.objects.select_related("payment_intent").filter(ref=ref).first()
    if session is None:
        raise no_such("checkout.session", ref, param="session")
    return session


def _expire(session: CheckoutSession) -> bool:
    # The condition on the status decides against a concurrent payment.
    if not CheckoutSession.objects.filter(pk=session.pk, status="open").update(status="expired"):
        return False
    events.publish("checkout.session.expired", about=find_session(session.ref))
    return True


def _price(item: Mapping[str, Any], *, within: str) -> Price:
    if ("price" in item) == ("price_data" in item):
        raise invalid(
            f"{within}[price]",
            f"You must specify exactly one of {within}[price] or {within}[price_data].",
            "parameter_missing",
        )
    if "price_data" in item:
        data = dict(item["price_data"])
        product_data = data.get("product_data", {})
        data["product_data"] = {name: value for name, value in product_data.items() if name != "tax_code"} or None
        product = catalog.take_product(data, within=f"{within}[price_data]")
        return Price.objects.create(
            product=product, currency=data["currency"], unit_amount=data["unit_amount"], active=False
        )
    price = Price.objects.select_related("product").filter(ref=item["price"]).first()
    if price is None:
        raise no_such("price", item["price"], param=f"{within}[price]", status=400)
    if not price.active:
        raise invalid(f"{within}[price]", f"The price specified is inactive: {price.ref}.")
    return price


def _common_currency(items: list[tuple[Price, int]], asked: str | None) -> str:
    if not items:
        raise invalid("line_items", "You must specify at least one line item.", "parameter_missing")
    currencies = {price.currency for price, _ in items} | ({asked} if asked else set())
    if len(currencies) > 1:
        raise invalid("line_items", f"All prices of a session must have the same currency: {sorted(currencies)}.")
    return currencies.pop()


def _check_amount(amount: int, currency: str) -> None:
    least = SMALLEST_AMOUNT.get(currency, 1)
    if 0 < amount < least:
        message = f"The Checkout Session's total amount due must add up to at least {format_amount(least, currency)}."
        raise invalid("line_items", message, "amount_too_small")
    most = largest_of(currency)
    if amount > most:
        message = f"The Checkout Session's total amount due must be at most {format_amount(most, currency)}."
        raise invalid("line_items", message, "amount_too_large")
    check_divisible(amount, currency, param="line_items")


def _expiry(asked: int | None, now: int) -> int:
    if asked is None:
        return now + LONGEST_SECONDS
    if asked < now + SHORTEST_SECONDS:
        message = "The `expires_at` timestamp must be at least 30 minutes from Checkout Session creation."
        raise invalid("expires_at", message)
    if asked > now + LONGEST_SECONDS:
        message = "The `expires_at` timestamp must be less than 24 hours from Checkout Session creation."
        raise invalid("expires_at", message)
    return asked
