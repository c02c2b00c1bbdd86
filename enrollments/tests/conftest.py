import pytest

from billing.models import Checkout


@pytest.fixture
def stripe_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep a checkout a mere intent until a test provides Stripe's answer."""
    monkeypatch.setattr(
        "enrollments.routing.route.submit_checkout", lambda checkout_id, now: Checkout.objects.get(pk=checkout_id)
    )
