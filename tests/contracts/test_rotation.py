"""Every secret can be replaced without downtime: docs/security.md, "Secrets and how they are replaced".

API keys, webhook secrets, and partners' secrets are rotated in their own apps' tests; this module covers the secrets of
the installation.
"""

import datetime as dt
from contextlib import nullcontext
from typing import Any

import pytest
import stripe
from django.contrib.auth.hashers import make_password
from django.contrib.auth.tokens import default_token_generator
from django.test import Client
from django.urls import reverse

from accounts.tests.factories import MembershipFactory, StaffFactory
from billing.gateways.stripe import verify_signature

pytestmark = pytest.mark.django_db

OLD = "the-key-of-before-" + "x1y2z3" * 8
NEW = "the-key-that-replaces-it-" + "a7b8c9" * 8
NOON = dt.datetime(2026, 9, 1, 12, tzinfo=dt.UTC)
PASSWORD = "correct horse battery"


@pytest.fixture
def replaced(settings: Any) -> Any:
    """Replaces SECRET_KEY as a restart with new settings does, with or without the old key among the fallbacks."""
    settings.SECRET_KEY = OLD

    def replace(*, fallbacks: list[str]) -> None:
        settings.SECRET_KEY = NEW
        settings.SECRET_KEY_FALLBACKS = fallbacks

    return replace


def staff_in_a_browser() -> Client:
    user = StaffFactory(email="staff@example.test", password=make_password(PASSWORD))
    MembershipFactory(user=user)
    browser = Client()
    browser.post(reverse("admin:login"), {"username": user.email, "password": PASSWORD})
    return browser


class TestTheKeyThatSigns:
    @pytest.mark.parametrize(("fallbacks", "status"), [([OLD], 200), ([], 302)])
    def test_is_replaced_without_signing_anybody_out(self, replaced: Any, fallbacks: list[str], status: int) -> None:
        browser = staff_in_a_browser()
        assert browser.get(reverse("admin:index")).status_code == 200

        replaced(fallbacks=fallbacks)

        assert browser.get(reverse("admin:index")).status_code == status

    @pytest.mark.parametrize(("fallbacks", "status"), [([OLD], 200), ([], 410)])
    def test_leaves_a_mailed_link_as_it_was(self, replaced: Any, fallbacks: list[str], status: int) -> None:
        user = StaffFactory()
        link = reverse("staff-password", args=[user.pk, default_token_generator.make_token(user)])

        replaced(fallbacks=fallbacks)

        assert Client().get(link, follow=True).status_code == status

    def test_signs_what_is_new(self, replaced: Any, settings: Any) -> None:
        replaced(fallbacks=[OLD])
        browser = staff_in_a_browser()

        settings.SECRET_KEY_FALLBACKS = []

        assert browser.get(reverse("admin:index")).status_code == 200


class TestTheSecretOfStripesWebhook:
    @pytest.mark.parametrize(
        ("secret", "is_trusted"), [("whsec_old", True), ("whsec_new", True), ("whsec_other", False)]
    )
    def test_may_be_either_while_stripe_signs_with_both(self, settings: Any, secret: str, is_trusted: bool) -> None:
        """Stripe signs with both the old and the new secret for as long as its Dashboard was told to."""
        moment = int(NOON.timestamp())
        each = [stripe.WebhookSignature._compute_signature(f"{moment}.{{}}", key) for key in ("whsec_old", "whsec_new")]
        signature = ",".join([f"t={moment}", *(f"v1={one}" for one in each)])
        settings.STRIPE_WEBHOOK_SECRET = secret

        with nullcontext() if is_trusted else pytest.raises(ValueError, match="No signatures found"):
            verify_signature(b"{}", signature, now=NOON, tolerance_seconds=300)
