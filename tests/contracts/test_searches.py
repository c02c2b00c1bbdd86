"""Searches and orders of the back office that have an index of their own use it, as PostgreSQL's plans show for tables
of a thousand rows.
"""

import datetime as dt
from typing import Any

import pytest
from django.db import connection
from django.db.models import QuerySet

from accounts.tests.factories import WorkspaceFactory
from billing.models import Payout, PayoutLine, StripeEvent, is_about
from billing.states import PayoutLineKind, PayoutStatus
from notifications.models import Notification

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite plans in its own way"),
]
MANY = 1000
NOON = dt.datetime(2026, 8, 14, 12, tzinfo=dt.UTC)
MOMENTS = [NOON - dt.timedelta(minutes=each) for each in range(MANY)]

WORKSPACE = 1_000_000
MAILS = Notification.objects.filter(workspace__in=[WORKSPACE, WORKSPACE + 1])
INDEXES = {
    "notification_by_beginning": MAILS.filter(recipient__istartswith="family-12@"),
    "notification_by_subject": MAILS.filter(subject_key__exact="package:12"),
    "payout_line_by_moment": PayoutLine.objects.order_by("-moved_at", "-id")[:50],
    "stripe_event_intent": StripeEvent.objects.filter(is_about("pi_12")),
    "stripe_event_object": StripeEvent.objects.filter(is_about("pi_12")),
}

# What they are like without: no index finds a part of a text, or one whose case is ignored, or has the other order.
WHOLE = {
    "recipient": MAILS.filter(recipient__icontains="family-12@"),
    "subject": MAILS.filter(subject_key__iexact="package:12"),
    "moment": PayoutLine.objects.order_by("-recorded_at", "-id")[:50],
    "payload": StripeEvent.objects.filter(payload__icontains="pi_12"),
}


@pytest.fixture(autouse=True)
def many_rows() -> None:
    """Store a thousand rows of each kind, and let PostgreSQL count them."""
    workspace = WorkspaceFactory.create(pk=WORKSPACE)
    payout = Payout.objects.create(
        stripe_id="po_1",
        amount_minor=MANY,
        currency="usd",
        status=PayoutStatus.PAID,
        is_automatic=True,
        made_at=NOON,
        arrival_date=NOON.date(),
    )
    Notification.objects.bulk_create(
        Notification(
            workspace=workspace,
            kind="test_news",
            subject_key=f"package:{each}",
            recipient=f"family-{each}@home.test",
        )
        for each in range(MANY)
    )
    PayoutLine.objects.bulk_create(
        PayoutLine(
            payout=payout,
            stripe_id=f"txn_{each}",
            kind=PayoutLineKind.PAYMENT,
            amount_minor=1,
            currency="usd",
            moved_at=moment,
        )
        for each, moment in enumerate(MOMENTS)
    )
    StripeEvent.objects.bulk_create(
        StripeEvent(
            event_id=f"evt_{each}",
            type="charge.succeeded",
            payload={"id": f"ch_{each}", "payment_intent": f"pi_{each}"},
            stripe_created_at=NOON,
        )
        for each in range(MANY)
    )
    with connection.cursor() as cursor:
        for model in (Notification, PayoutLine, StripeEvent):
            cursor.execute(f"ANALYZE {model._meta.db_table}")


def plan_of(rows: "QuerySet[Any]") -> str:
    return rows.all().explain()


@pytest.mark.parametrize("index", INDEXES)
def test_rows_are_found_by_their_index(index: str) -> None:
    plan = plan_of(INDEXES[index])

    assert index in plan
    assert "Seq Scan" not in plan


@pytest.mark.parametrize("rows", WHOLE.values(), ids=WHOLE)
def test_others_would_read_every_row(rows: "QuerySet[Any]") -> None:
    """Control."""
    assert "Seq Scan" in plan_of(rows)
