"""The `expand` parameter, which replaces ids with whole objects."""

from typing import Any

from sandbox.stripe.errors import StripeError
from sandbox.stripe.models import Charge, CheckoutSession, Dispute, PaymentIntent, Payout, Product, Refund, StripeObject
from sandbox.stripe.rendering import RENDERERS, Body, render, render_line_items, render_refunds


def _source_of(ref: str) -> Body:
    """Return the source of a balance transaction, identified by the prefix of its id."""
    kind = next(kind for kind in (Charge, Refund, Dispute, Payout) if ref.startswith(kind.PREFIX))
    return render(kind._default_manager.get(ref=ref))


# What `expand` may name on each object. A value is the kind of object that the field refers to, or a function that
# builds the field from its id, or from its object if it is hidden by default; None means a field that is always null or
# already whole here.
EXPANDABLE: dict[str, dict[str, Any]] = {
    "checkout.session": {
        "customer": None,
        "invoice": None,
        "line_items": render_line_items,
        "payment_intent": PaymentIntent,
        "payment_link": None,
        "setup_intent": None,
        "subscription": None,
    },
    "payment_intent": {"customer": None, "latest_charge": Charge, "review": None},
    "charge": {"customer": None, "payment_intent": PaymentIntent, "refunds": render_refunds},
    "refund": {"charge": Charge, "payment_intent": PaymentIntent},
    "dispute": {"charge": Charge, "payment_intent": PaymentIntent},
    "balance_transaction": {"source": _source_of},
    "price": {"product": Product},
    "item": {"price": None},
    "list": {"data": None},
}
SOURCES: dict[str, type[StripeObject]] = {"checkout.session": CheckoutSession, "charge": Charge}


def expand(body: Body, paths: list[str]) -> Body:
    """Replace ids with the objects they name, in place. Raises StripeError for what can't be expanded."""
    for path in paths:
        if path.count(".") >= 4:
            raise StripeError(f"You cannot expand more than 4 levels of a property (here: {path}).")
        _expand(body, path, path)
    return body


def _expand(body: Body, path: str, whole: str) -> None:
    field, _, rest = path.partition(".")
    fields = EXPANDABLE.get(body["object"], {})
    if field not in fields:
        raise StripeError(f"This property cannot be expanded ({whole}).", param="expand")
    if field not in body:
        body[field] = fields[field](SOURCES[body["object"]]._default_manager.get(ref=body["id"]))
    elif isinstance(body[field], str):
        kind: Any = fields[field]
        is_known_by_kind = kind in RENDERERS
        body[field] = render(kind.objects.get(ref=body[field])) if is_known_by_kind else kind(body[field])
    if rest:
        for inner in body[field] if isinstance(body[field], list) else [body[field]]:
            if inner is not None:
                _expand(inner, rest, whole)
