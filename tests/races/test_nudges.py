"""Two sweeps that nudge the same family at the same moment."""

import datetime as dt
from typing import Any

import pytest
from django.db import models

from core import retries
from notifications.models import Notification
from partners.models import Nudge
from partners.nudges import sending
from partners.nudges.sending import Report, send_nudges
from partners.tests.factories import NOON, accept, approved, steps_of
from tests.constraints import without_constraints
from tests.processes import Meeting, at_once

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]

STUCK = NOON + dt.timedelta(days=8)
WEEK = dt.timedelta(days=7)


def sweep(now: dt.datetime) -> Report:
    return send_nudges(now=now)


def mails() -> int:
    return Notification.objects.filter(kind="partner_nudge_family").count()


def claim_by_looking(rows: models.QuerySet[Any], *, now: dt.datetime, lease: dt.timedelta) -> bool:
    """Check whether the row is due, and write afterward."""
    is_due = looked(rows, now)
    rows.update(next_attempt_at=now + lease)
    return is_due


def looked(rows: models.QuerySet[Any], now: dt.datetime) -> bool:
    return bool(rows.filter(next_attempt_at__lte=now).exists())


class TestTwoSweepsAtOnce:
    def test_begin_one_row_and_write_one_mail(self) -> None:
        accept(steps_of(approved(now=NOON))[0], now=NOON)

        answers = at_once(*[lambda: sweep(STUCK)] * 3)

        assert sum(answer.families for answer in answers) == 1
        assert Nudge.objects.get().sent_count == 1
        assert mails() == 1

    def test_write_one_mail_to_whoever_is_due_again(self) -> None:
        accept(steps_of(approved(now=NOON))[0], now=NOON)
        sweep(STUCK)

        answers = at_once(*[lambda: sweep(STUCK + WEEK)] * 3)

        assert sum(answer.families for answer in answers) == 1
        assert Nudge.objects.get().sent_count == 2
        assert mails() == 2

    def test_that_check_before_they_claim_would_write_twice(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control: neither the conditional claim, nor the lock on the enrollment, nor the unique key of mails."""
        accept(steps_of(approved(now=NOON))[0], now=NOON)
        sweep(STUCK)
        monkeypatch.setattr(sending, "_is_erased", lambda enrollment_id: False)
        monkeypatch.setattr("tests.races.test_nudges.looked", Meeting(looked))
        monkeypatch.setattr(retries, "claim", claim_by_looking)
        with without_constraints((Notification, "notification_once")):
            answers = at_once(*[lambda: sweep(STUCK + WEEK)] * 2)

            assert sum(answer.families for answer in answers) == 2
            assert Nudge.objects.get().sent_count == 3
            Notification.objects.all().delete()
