"""A cohort's last day ends in the cohort's time zone, for everything that depends on whether it is over."""

import datetime as dt

import pytest
import time_machine
from django.db.models import QuerySet
from django.test import Client

from accounts.tests.factories import LearnerFactory
from cohorts.models import ClassSession, Cohort, WaitlistEntry
from cohorts.sale.waitlist import end_lines_of_past_cohorts
from cohorts.states import WaitStatus
from cohorts.tests.browsing import course_url, text
from cohorts.tests.factories import CohortFactory, cohort_with
from core.local_time import is_not_over, known_zones

pytestmark = pytest.mark.django_db

LAST_DAY = dt.date(2026, 12, 18)
# The last minute of that day, and the first of the next, in three time zones.
ENDS = {
    "Pacific/Honolulu": dt.datetime(2026, 12, 19, 9, 59, tzinfo=dt.UTC),
    "America/Chicago": dt.datetime(2026, 12, 19, 5, 59, tzinfo=dt.UTC),
    "Pacific/Kiritimati": dt.datetime(2026, 12, 18, 9, 59, tzinfo=dt.UTC),
}
A_MINUTE = dt.timedelta(minutes=1)


def ending(zone: str, **more: object) -> Cohort:
    cohort: Cohort = CohortFactory(
        timezone=zone, start_date=LAST_DAY - dt.timedelta(weeks=6), end_date=LAST_DAY, **more
    )
    return cohort


def lasting(now: dt.datetime) -> QuerySet[Cohort]:
    return Cohort.objects.filter(is_not_over(now=now, date="end_date", zone="timezone"))


@pytest.mark.parametrize("zone", ENDS)
class TestTheLastDay:
    def test_lasts_until_midnight_where_the_cohort_is(self, zone: str) -> None:
        cohort = ending(zone)

        for moment, is_open in ((ENDS[zone], True), (ENDS[zone] + A_MINUTE, False)):
            assert cohort.is_past_deadline(moment) is not is_open
            assert lasting(moment).exists() is is_open

    @pytest.mark.sqlite
    def test_keeps_its_line_until_then(self, zone: str) -> None:
        cohort = ending(zone, max_enrollment=0)
        entry = WaitlistEntry.objects.create(
            cohort=cohort, learner=LearnerFactory(workspace=cohort.instance.workspace), rank=1
        )

        in_time, too_late = (end_lines_of_past_cohorts(now=moment) for moment in (ENDS[zone], ENDS[zone] + A_MINUTE))

        entry.refresh_from_db()
        assert (in_time, too_late, entry.status) == (0, 1, WaitStatus.EXPIRED)


@pytest.mark.sqlite
class TestAnEveningInHonolulu:
    """22:33 on the last day, with a session at 23:30: in UTC it is already the next day."""

    def test_still_sells_and_shows_the_cohort(self) -> None:
        with time_machine.travel(dt.datetime(2026, 11, 2, tzinfo=dt.UTC), tick=False):
            cohort = cohort_with(
                options=(1,), timezone="Pacific/Honolulu", start_date=dt.date(2026, 12, 15), end_date=LAST_DAY
            )

        late = dt.datetime(2026, 12, 19, 9, 30, tzinfo=dt.UTC)  # 23:30 there
        ClassSession.objects.update(date=LAST_DAY, starts_at=late, ends_at=late + dt.timedelta(minutes=29))

        with time_machine.travel(dt.datetime(2026, 12, 19, 8, 33, tzinfo=dt.UTC), tick=False):
            browsed = Client().get("/api/course-programs/browse", {"openOnly": "true"}).json()
            page = text(Client().get(f"/courses/{cohort.instance.program.code}"))

        assert [course["code"] for course in browsed["items"]] == [cohort.instance.program.code]
        assert cohort.name in page
        assert course_url("course-enroll", cohort) in page


@pytest.mark.sqlite
def test_every_zone_agrees_with_the_rule_on_rows() -> None:
    """The query lists the zones by their current date; the model converts to its own zone."""
    instance = ending("UTC").instance
    Cohort.objects.all().delete()
    Cohort.objects.bulk_create(
        Cohort(
            instance=instance,
            name=f"{zone} {day}",
            start_date=LAST_DAY - dt.timedelta(weeks=6),
            end_date=LAST_DAY + dt.timedelta(days=day),
            timezone=zone,
            max_enrollment=1,
        )
        for zone in sorted(known_zones())[::7]
        for day in (-1, 0, 1)
    )

    for hour in range(0, 24, 5):
        now = dt.datetime.combine(LAST_DAY, dt.time(hour, 20), dt.UTC)
        assert set(lasting(now)) == {row for row in Cohort.objects.all() if not row.is_past_deadline(now)}
