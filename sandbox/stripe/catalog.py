"""Products and one-time prices."""

from collections.abc import Mapping
from typing import Any

from sandbox.stripe.api import operation
from sandbox.stripe.errors import invalid, no_such
from sandbox.stripe.listing import PAGING, list_page
from sandbox.stripe.models import Price, Product
from sandbox.stripe.money import LARGEST_AMOUNT, check_divisible
from sandbox.stripe.parameters import Boolean, Currency, Hash, Integer, Kind, List, Metadata, Text
from sandbox.stripe.rendering import Body, render

NEW_PRODUCT: Mapping[str, Kind] = {
    "name": Text(required=True, longest=250),
    "description": Text(),
    "images": List(Text(), most=8),
    "metadata": Metadata(),
}
UNIT_AMOUNT = Integer(required=True, most=LARGEST_AMOUNT)


@operation(**NEW_PRODUCT, active=Boolean())
def create_product(params: dict[str, Any]) -> Body:
    return render(Product.objects.create(**params))


@operation()
def retrieve_product(params: dict[str, Any], *, ref: str) -> Body:
    return render(_find_product(ref))


@operation(**PAGING, active=Boolean())
def list_products(params: dict[str, Any]) -> Body:
    chosen = {"active": params["active"]} if "active" in params else {}
    return list_page(Product.objects.filter(**chosen), params, url="/v1/products")


@operation(
    currency=Currency(required=True),
    unit_amount=UNIT_AMOUNT,
    product=Text(),
    product_data=Hash(NEW_PRODUCT),
    active=Boolean(),
    nickname=Text(longest=250),
    lookup_key=Text(longest=200),
    metadata=Metadata(),
)
def create_price(params: dict[str, Any]) -> Body:
    check_divisible(params["unit_amount"], params["currency"], param="unit_amount")
    product = take_product(params, within="")
    return render(Price.objects.create(product=product, **params))


@operation()
def retrieve_price(params: dict[str, Any], *, ref: str) -> Body:
    return render(_find_price(ref))


@operation(active=Boolean(), nickname=Text(longest=250), lookup_key=Text(longest=200), metadata=Metadata())
def update_price(params: dict[str, Any], *, ref: str) -> Body:
    """Archive a price, or reactivate it; its amount never changes."""
    price = _find_price(ref)
    for name, value in params.items():
        setattr(price, name, value)
    price.save()
    return render(price)


@operation(**PAGING, active=Boolean(), product=Text())
def list_prices(params: dict[str, Any]) -> Body:
    lookups = {"active": "active", "product": "product__ref"}
    chosen = {lookup: params[name] for name, lookup in lookups.items() if name in params}
    return list_page(Price.objects.select_related("product").filter(**chosen), params, url="/v1/prices")


def take_product(params: dict[str, Any], *, within: str) -> Product:
    """Return the product named by `product`, or one made from `product_data`; both are removed from `params`.

    Raises StripeError unless exactly one is given and exists.
    """
    ref = params.pop("product", None)
    data = params.pop("product_data", None)
    field, alternative = (f"{within}[{name}]" if within else name for name in ("product", "product_data"))
    if (ref is None) == (data is None):
        raise invalid(field, f"You must specify exactly one of {field} or {alternative}.", "parameter_missing")
    if data is not None:
        return Product.objects.create(**data)
    product = Product.objects.filter(ref=ref).first()
    if product is None:
        raise no_such("product", ref, param=field, status=400)
    return product


def _find_price(ref: str) -> Price:
    price = Price.objects.select_related("product").filter(ref=ref).first()
    if price is None:
        raise no_such("price", ref, param="price")
    return price


def _find_product(ref: str) -> Product:
    product = Product.objects.filter(ref=ref).first()
    if product is None:
        raise no_such("product", ref)
    return product
