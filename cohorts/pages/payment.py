"""Pages whose forms lead to Stripe's payment page."""

import functools
from collections.abc import Callable
from typing import ParamSpec
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpResponse

STRIPE_PAYMENT_PAGES = "https://checkout.stripe.com"
P = ParamSpec("P")


def leads_to_payment(view: Callable[P, HttpResponse]) -> Callable[P, HttpResponse]:
    """Allow this page's forms to lead to the payment page; elsewhere the policy keeps forms on our own site."""

    @functools.wraps(view)
    def widened(*args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        response = view(*args, **kwargs)
        response._csp_update = {"form-action": [_payment_origin()]}  # type: ignore[attr-defined]
        return response

    return widened


def _payment_origin() -> str:
    if not settings.SANDBOX:
        return STRIPE_PAYMENT_PAGES
    parts = urlsplit(settings.SANDBOX_URL)
    return f"{parts.scheme}://{parts.netloc}"
