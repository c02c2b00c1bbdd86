"""Searches and orders of the back office that have an index of their own use it, as PostgreSQL's plans show. Tables are
empty here, so that sorting and reading whole tables, which would be cheaper, are ruled out.
"""

from typing import Any

import pytest
from django.db import connection
from django.db.models import QuerySet

from billing.models import PayoutLine, StripeEvent, is_about
from notifications.models import Notification

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite plans in its own way"),
]
OF_WORKSPACE = Notification.objects.filter(workspace__in=[1, 2])
INDEXES = {
    "notification_by_beginning": OF_WORKSPACE.filter(recipient__istartswith="larsen"),
    "notification_by_subject": OF_WORKSPACE.filter(subject_key__exact="package:12"),
    "payout_line_by_moment": PayoutLine.objects.order_by("-moved_at", "-id")[:50],
    "stripe_event_intent": StripeEvent.objects.filter(is_about("pi_1")),
    "stripe_event_object": StripeEvent.objects.filter(is_about("pi_1")),
}


# What these searches were before: no index finds a part of a text, or one whose case is ignored.
WHOLE = [
    OF_WORKSPACE.filter(subject_key__iexact="package:12"),
    StripeEvent.objects.filter(payload__icontains="pi_1"),
]


def plan_of(rows: "QuerySet[Any]") -> str:
    with connection.cursor() as cursor:
        for way in ("seqscan", "sort"):
            cursor.execute(f"SET LOCAL enable_{way} = off")
    return rows.all().explain()


@pytest.mark.parametrize("index", INDEXES)
def test_rows_are_found_by_their_index(index: str) -> None:
    plan = plan_of(INDEXES[index])

    assert index in plan
    assert "Seq Scan" not in plan


@pytest.mark.parametrize("rows", WHOLE, ids=["subject", "payload"])
def test_others_would_read_every_row(rows: "QuerySet[Any]") -> None:
    """Control."""
    plan = plan_of(rows)

    assert [index for index in INDEXES if index in plan] == []
