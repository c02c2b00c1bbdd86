"""How long an allocation's seats last at the rate of the last weeks."""

import datetime as dt

import pytest
from django.urls import reverse

from accounts.states import Role
from backoffice.tests.staff_client import StaffClient
from core.clock import utc_now
from enrollments.allocations.forecast import forecast_seats, foresee
from enrollments.models import DistrictSeatAllocation
from enrollments.tests.factories import InstanceFactory, route, seats

TODAY = dt.date(2026, 3, 2)


class TestTheForecast:
    @pytest.mark.parametrize(
        ("left", "taken", "until", "words"),
        [
            (36, 90, None, "Run out around Mar 14, 2026 at 3 a day."),
            (20, 30, None, "Run out around Mar 22, 2026 at 7 a week."),
            (0, 90, None, "None is left."),
            (40, 4, None, "Too few were taken in these days to say when they run out."),
            (5000, 6, None, "Last for years at 1 a week."),
            (90, 90, dt.date(2026, 3, 12), "About 60 unused when they end on Mar 12, 2026, at 3 a day."),
            (7, 90, dt.date(2026, 3, 1), "Ended on Mar 1, 2026 with 7 left."),
        ],
    )
    def test_is_told_in_words(self, left: int, taken: int, until: dt.date | None, words: str) -> None:
        allocation = DistrictSeatAllocation(total_seats=left, valid_until=until)

        assert str(foresee(allocation, taken=taken, days=30, today=TODAY)) == words

    def test_is_not_guessed_from_a_few_days(self) -> None:
        outlook = foresee(DistrictSeatAllocation(total_seats=40), taken=30, days=1, today=TODAY)

        assert str(outlook) == "Too few were taken in these days to say when they run out."

    @pytest.mark.django_db
    def test_stands_on_the_districts_page(self) -> None:
        now = utc_now()
        instance = InstanceFactory()
        allocation = seats(instance.workspace, total=10)
        for number in range(5):
            route(instance.workspace, email=f"ana{number}@school.test", now=now - dt.timedelta(days=1))
        DistrictSeatAllocation.objects.update(created_at=now - dt.timedelta(days=100))
        found = DistrictSeatAllocation.objects.select_related("district__workspace").get()
        staff = StaffClient(workspace=instance.workspace, role=Role.VIEWER)

        told = forecast_seats([found], now=now)[allocation.pk]
        page = staff.get(reverse("admin:enrollments_district_change", args=[allocation.district_id]))

        assert told.runs_out_on == now.date() + dt.timedelta(days=28)
        assert str(told) in page.content.decode()
