"""Two workers that claim one step, or begin a round at one partner, at the same moment: one of them succeeds."""

import datetime as dt
from collections.abc import Callable

import pytest
from django.db import connection, transaction
from django.db.models import QuerySet

from core import retries
from core.clock import utc_now
from partners import rounds
from partners.models import EnrollmentStep, Provider
from partners.states import Adapter
from partners.tests.factories import accept, approved, steps_of
from sandbox.testing import wait_until
from tests.processes import Meeting, at_once

pytestmark = [
    pytest.mark.race,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer at a time"),
]

LEASE = dt.timedelta(minutes=3)
Claim = Callable[[], bool]


def at_the_same_time(claim: Claim) -> list[bool]:
    """Let the second worker wait for the row until the first one has committed its claim."""
    meet = Meeting(lambda: None)

    def first() -> bool:
        with transaction.atomic():
            claimed = claim()
            meet()
            wait_until(somebody_waits)
        return claimed

    def second() -> bool:
        meet()
        return claim()

    return at_once(first, second)


def somebody_waits() -> bool:
    """Return whether another session of this database waits for a lock; those of other tests don't count."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT 1 FROM pg_locks waiting JOIN pg_locks held USING (pid) JOIN pg_database here"
            " ON here.oid = held.database WHERE NOT waiting.granted AND here.datname = current_database())"
        )
        (waits,) = cursor.fetchone()
    return bool(waits)


def claim_of(select: Callable[[], QuerySet[EnrollmentStep]], step: EnrollmentStep) -> Claim:
    now = utc_now() + dt.timedelta(days=1)
    return lambda: retries.claim(select().filter(pk=step.pk), now=now, lease=LEASE)


class TestAStepClaimedTwiceAtOnce:
    def test_for_enrolling_is_claimed_once(self) -> None:
        step = steps_of(approved())[0]

        assert at_the_same_time(claim_of(EnrollmentStep.objects.to_enroll, step)) == [True, False]

    def test_for_polling_is_claimed_once(self) -> None:
        step = accept(steps_of(approved())[0])

        assert at_the_same_time(claim_of(EnrollmentStep.objects.to_poll, step)) == [True, False]

    def test_would_be_claimed_twice_if_it_were_selected_by_a_join(self) -> None:
        """Control: the subquery is not evaluated again once the row is free."""
        step = steps_of(approved())[0]
        now = utc_now() + dt.timedelta(days=1)

        def claim() -> bool:
            joined = EnrollmentStep.objects.filter(pk=step.pk, provider__adapter=Adapter.REST, next_attempt_at__lte=now)
            return joined.update(next_attempt_at=now + LEASE) == 1

        assert at_the_same_time(claim) == [True, True]

    def test_is_refused_where_it_is_selected_by_a_join(self) -> None:
        step = steps_of(approved())[0]
        joined = EnrollmentStep.objects.filter(pk=step.pk, provider__adapter=Adapter.REST)

        with pytest.raises(ValueError, match="without a join"):
            retries.claim(joined, now=utc_now(), lease=LEASE)


class TestARoundBegunTwiceAtOnce:
    def test_is_done_by_one_worker(self) -> None:
        provider = steps_of(approved())[0].provider
        now = utc_now()

        assert at_the_same_time(lambda: rounds._begin(provider.pk, now)) == [True, False]

    def test_would_be_done_by_two_workers_that_check_before_they_claim(self) -> None:
        """Control."""
        provider = steps_of(approved())[0].provider
        now = utc_now()
        look = Meeting(lambda: Provider.objects.filter(pk=provider.pk, next_round_at=None).exists())

        def begin() -> bool:
            is_free = bool(look())
            Provider.objects.filter(pk=provider.pk).update(next_round_at=now)
            return is_free

        assert at_once(begin, begin) == [True, True]
