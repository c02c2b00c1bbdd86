"""The demo's endpoints, and what happens at the sandbox's receivers."""

import datetime as dt
from collections import Counter
from typing import Any

import pytest

from accounts.models import StaffTask
from accounts.tests.factories import WorkspaceFactory
from core.clock import utc_now
from demo.webhooks import add_endpoints, receivers_of
from events.models import WebhookDelivery, WebhookEndpoint
from events.states import DisabledReason
from events.webhooks.delivering import deliver_next
from sandbox.testing import SandboxProcess

pytestmark = pytest.mark.django_db


def test_receivers_of_the_demo_take_messages_are_down_or_have_gone(stripe: SandboxProcess, settings: Any) -> None:
    settings.SANDBOX_URL = stripe.url
    workspace, now = WorkspaceFactory(), utc_now()

    add_endpoints(workspace, now=now)
    for slug, known in receivers_of(workspace).items():
        stripe.receiver(slug, **known)
    for endpoint in WebhookEndpoint.objects.order_by("pk"):
        deliver_next(endpoint_id=endpoint.pk, now=now + dt.timedelta(seconds=1))

    assert list(receivers_of(workspace)) == ["data-warehouse", "crm", "old-portal"]
    assert Counter(WebhookDelivery.objects.values_list("status", "last_status")) == {
        ("delivered", 200): 1,
        ("failed", 503): 1,
        ("failed", 410): 1,
    }
    assert [arrival["verified"] for arrival in stripe.receiver("crm")["arrivals"]] == [True]
    assert WebhookEndpoint.objects.get(disabled_reason=DisabledReason.GONE).url.endswith("/old-portal/events")
    assert StaffTask.objects.get().kind == "webhook_endpoint_disabled"
