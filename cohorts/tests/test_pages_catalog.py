"""What anybody sees of courses and cohorts."""

import datetime as dt
import re

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from billing.models import Price
from cohorts.models import Cohort, CohortSession
from cohorts.sale.waitlist import join_waitlist
from cohorts.tests.browsing import child_of, signed_in, text
from cohorts.tests.factories import CohortFactory, buy, buy_on_rows, cohort_with, start
from core.clock import utc_now
from enrollments.models import Program
from enrollments.tests.factories import InstanceFactory
from sandbox.testing import SandboxProcess

pytestmark = pytest.mark.django_db(transaction=True)


def add_cohorts_that_meet_with(cohort: Cohort, count: int) -> None:
    """Add this many cohorts in the same classes, on the same days."""
    CohortSession.objects.bulk_create(
        CohortSession(cohort=other, step=row.step, option=row.option, class_session=row.class_session)
        for other in CohortFactory.create_batch(count, instance=cohort.instance, scheduled=False)
        for row in cohort.sessions.order_by("step__order", "id")
    )


class TestTheCatalog:
    def test_shows_listed_courses_with_price_next_start_and_places(self, client: Client) -> None:
        cohort = cohort_with(options=(1, 2))
        cohort_with(instance__program__listed=False, instance__program__title="Secret course")

        page = text(client.get(reverse("courses")))

        assert cohort.instance.program.title in page
        assert "49.00 USD" in page
        assert "Free places in 1 group" in page
        assert f"{cohort.start_date:%b} {cohort.start_date.day}, {cohort.start_date.year}" in page
        assert "Secret course" not in page

    def test_finds_by_words_and_says_when_nothing_fits(self, client: Client) -> None:
        cohort_with(instance__program__title="Robots & friends")

        found = text(client.get(reverse("courses"), {"search": "robots"}))
        nothing = text(client.get(reverse("courses"), {"search": "pottery"}))

        assert "Robots &amp; friends" in found
        assert "No courses match" in nothing

    def test_can_leave_out_what_is_full(self, client: Client) -> None:
        buy_on_rows(cohort_with(max_enrollment=1, instance__program__title="Crowded"))
        cohort_with(instance__program__title="Roomy")

        everything = text(client.get(reverse("courses")))
        with_places = text(client.get(reverse("courses"), {"free": "on"}))

        assert "Crowded" in everything
        assert "Full, with a waiting list" in everything
        assert "Crowded" not in with_places
        assert "Roomy" in with_places

    @pytest.mark.parametrize(
        ("sort", "titles"),
        [("title", ["Algebra", "Botany"]), ("price", ["Botany", "Algebra"]), ("-price", ["Algebra", "Botany"])],
    )
    def test_sorts_as_asked(self, client: Client, sort: str, titles: list[str]) -> None:
        cohort_with(instance__program__title="Botany")
        dear = cohort_with(instance__program__title="Algebra")
        dear.instance.price = Price.objects.create(workspace=dear.instance.workspace, name="Dear", amount_minor=9900)
        dear.instance.save()

        page = text(client.get(reverse("courses"), {"sort": sort}))

        assert sorted(titles, key=page.index) == titles

    def test_keeps_what_was_asked_from_page_to_page(self, client: Client) -> None:
        for number in range(25):
            cohort_with(options=(1,), instance__program__title=f"Chess {number}")
        cohort_with(options=(1,), instance__program__title="Pottery")

        page = text(client.get(reverse("courses"), {"search": "chess", "sort": "-price"}))

        assert "25 courses found" in page
        assert 'rel="next" href="?search=chess&amp;sort=-price&amp;page=2"' in page

    def test_ignores_what_makes_no_sense(self, client: Client) -> None:
        cohort_with()

        asked = {"sort": "nonsense", "page": "x", "search": "%", "free": "?"}

        assert client.get(reverse("courses"), asked).status_code == 200

    def test_says_when_there_is_nothing_yet(self, client: Client) -> None:
        assert "No courses yet" in text(client.get(reverse("courses")))

    @pytest.mark.parametrize("count", [2, 8])
    def test_asks_the_database_as_often_for_eight_courses_as_for_two(
        self, client: Client, django_assert_num_queries: DjangoAssertNumQueries, count: int
    ) -> None:
        for _ in range(count):
            course = cohort_with(options=(1,))
            CohortFactory.create_batch(count, instance=course.instance, scheduled=False)

        with django_assert_num_queries(2):
            page = text(client.get(reverse("courses")))

        assert Cohort.objects.count() == count * (count + 1)
        assert f"{count} courses" in page


class TestACourse:
    def test_shows_weekly_times_in_the_zone_of_the_cohort(self, client: Client) -> None:
        cohort = cohort_with(options=(1, 2), location="Room 12")

        page = text(client.get(reverse("course", args=[cohort.instance.program.code])))

        assert f"<dt>Taught by</dt><dd>{cohort.instance.workspace.name}</dd>" in page
        assert "<dt>Where</dt><dd>Room 12</dd>" in page
        assert "2 classes in all</h4>" in page
        assert "Tuesdays, 5:00 to 6:00 PM, Chicago time" in page
        assert "or Wednesdays, 5:00 to 6:00 PM, Chicago time" in page
        assert "10 of 10" in page

    def test_shows_dates_in_the_visitor_s_zone_once_it_is_known(self, client: Client) -> None:
        cohort = cohort_with(options=(1,))
        client.cookies["tz"] = "Pacific/Auckland"

        page = text(client.get(reverse("course", args=[cohort.instance.program.code])))

        assert "Wednesday, " in page
        assert "Tuesday, " not in page
        assert "Tuesdays, 5:00 to 6:00 PM, Chicago time" in page
        assert "Times are shown in your time zone." in page

    @pytest.mark.parametrize("zone", ["Mars/Olympus", "../../etc/passwd", "x" * 3000, ""])
    def test_does_not_fall_for_a_zone_that_is_none(self, client: Client, zone: str) -> None:
        cohort = cohort_with(options=(1,))
        client.cookies["tz"] = zone

        page = text(client.get(reverse("course", args=[cohort.instance.program.code])))

        assert "Tuesdays, 5:00 to 6:00 PM, Chicago time" in page

    def test_tells_the_states_of_its_cohorts_apart(self, client: Client) -> None:
        now = utc_now()
        instance = cohort_with(name="Open one").instance
        CohortFactory(instance=instance, name="Last places", max_enrollment=2)
        CohortFactory(instance=instance, name="Crowd", max_enrollment=0)
        CohortFactory(instance=instance, name="Too late", enrollment_deadline=now - dt.timedelta(hours=1))
        unpriced = InstanceFactory(program=instance.program, price=None, is_default=False)
        CohortFactory(instance=unpriced, name="No price")
        CohortFactory(instance=instance, name="Switched off", is_active=False)
        CohortFactory(instance=instance, name="Over", start_date=now.date() - dt.timedelta(days=99))

        page = text(client.get(reverse("course", args=[instance.program.code])))

        badges = re.findall(r"<h3[^>]*>([^<]+)</h3> <span class=\"badge[^>]*>([^<]+)<", page)
        assert dict(badges) == {
            "Open one": "Open",
            "Last places": "Few places left",
            "Crowd": "Full",
            "Too late": "Enrollment closed",
            "No price": "Not on sale",
        }
        assert page.count(">Enroll<") == 2
        assert page.count("Join the waiting list") == 1

    def test_that_is_switched_off_takes_no_enrollments(self, client: Client) -> None:
        cohort = cohort_with()
        Program.objects.update(active=False)

        page = text(client.get(reverse("course", args=[cohort.instance.program.code])))

        assert "is not taking enrollments at the moment" in page
        assert ">Enroll<" not in page

    @pytest.mark.parametrize("code", ["NOPE", "a b", "%00", "<script>"])
    def test_that_does_not_exist_is_a_friendly_404(self, client: Client, code: str) -> None:
        answer = client.get(f"/courses/{code}")

        assert answer.status_code == 404
        assert "There is nothing here" in text(answer)

    @pytest.mark.parametrize("count", [13, 40])
    def test_asks_the_database_as_often_for_forty_cohorts_as_for_a_page_and_one(
        self, client: Client, django_assert_num_queries: DjangoAssertNumQueries, count: int
    ) -> None:
        cohort = cohort_with(options=(2, 2, 2))
        add_cohorts_that_meet_with(cohort, count - 1)

        with django_assert_num_queries(6):
            page = text(client.get(reverse("course", args=[cohort.instance.program.code])))

        assert page.count("<h3") == 12
        assert page.count("Tuesdays, 5:00 to 6:00 PM") == 12

    def test_shows_its_cohorts_a_page_at_a_time(self, client: Client) -> None:
        cohort = cohort_with(options=(1,))
        add_cohorts_that_meet_with(cohort, 24)
        url = reverse("course", args=[cohort.instance.program.code])

        pages = [text(client.get(url, {"page": number})) for number in (1, 2, 3)]

        assert [page.count("<h3") for page in pages] == [12, 12, 1]
        assert len({name for page in pages for name in re.findall(r"<h3[^>]*>([^<]+)</h3>", page)}) == 25
        assert 'rel="next" href="?page=2#cohorts"' in pages[0]
        assert 'rel="prev"' not in pages[0]
        assert 'rel="prev" href="?page=2#cohorts"' in pages[2]
        assert 'rel="next"' not in pages[2]

    @pytest.mark.parametrize(
        ("asked", "shown"),
        [("x", "1"), ("0", "1"), ("-1", "1"), ("99", "3"), ("", "1"), ("2", "2"), ("２", "1"), ("0_2", "1")],
    )
    def test_shows_a_page_that_there_is_whatever_is_asked(self, client: Client, asked: str, shown: str) -> None:
        cohort = cohort_with(options=(1,))
        add_cohorts_that_meet_with(cohort, 24)

        page = text(client.get(reverse("course", args=[cohort.instance.program.code]), {"page": asked}))

        assert f"Page {shown} of 3" in page

    def test_without_more_cohorts_than_fit_has_no_pages(self, client: Client) -> None:
        cohort = cohort_with(options=(1,))
        add_cohorts_that_meet_with(cohort, 11)

        page = text(client.get(reverse("course", args=[cohort.instance.program.code])))

        assert page.count("<h3") == 12
        assert "Pages of groups" not in page

    def test_shows_first_what_somebody_can_enroll_in_and_last_what_is_closed(self, client: Client) -> None:
        now = utc_now()
        soon, later = now.date() + dt.timedelta(days=1), now.date() + dt.timedelta(days=50)
        instance = cohort_with(name="Next month", start_date=now.date() + dt.timedelta(days=20)).instance
        CohortFactory(instance=instance, name="Too late", start_date=soon, enrollment_deadline=now)
        unpriced = InstanceFactory(program=instance.program, price=None, is_default=False)
        CohortFactory(instance=unpriced, name="No price", start_date=soon)
        CohortFactory(instance=instance, name="Crowd", start_date=soon, max_enrollment=0)
        CohortFactory(instance=instance, name="Far away", start_date=later)

        page = text(client.get(reverse("course", args=[instance.program.code])))

        names = re.findall(r"<h3[^>]*>([^<]+)</h3>", page)
        assert names == ["Next month", "Far away", "Crowd", "Too late", "No price"]

    def test_shows_a_family_its_own_groups_before_all_others(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with(options=(1,))
        theirs = CohortFactory(
            instance=cohort.instance, name="Theirs", start_date=utc_now().date() + dt.timedelta(days=90)
        )
        add_cohorts_that_meet_with(cohort, 24)
        start(theirs, child_of(theirs, "Leo"))
        client, _ = signed_in()

        page = text(client.get(reverse("course", args=[cohort.instance.program.code])))

        assert re.findall(r"<h3[^>]*>([^<]+)</h3>", page)[0] == "Theirs"
        assert "is held for <strong>Leo Doe</strong>" in page

    def test_tells_a_family_how_its_children_stand(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with(max_enrollment=2)
        buy(stripe, cohort, child_of(cohort, "Jane"))
        held = start(cohort, child_of(cohort, "Leo"))
        join_waitlist(learner_id=child_of(cohort, "Mia").pk, cohort_id=cohort.pk, now=utc_now())
        client, _ = signed_in()

        page = text(client.get(reverse("course", args=[cohort.instance.program.code])))

        assert "<strong>Jane Doe</strong> is enrolled" in page
        assert "is held for <strong>Leo Doe</strong>" in page
        assert held.url in page
        assert "<strong>Mia Doe</strong> is number 1 on the waiting list" in page

    def test_tells_a_stranger_nothing_of_it(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        start(cohort, child_of(cohort, "Leo"))
        client, _ = signed_in("stranger@families.test")

        assert "Leo" not in text(client.get(reverse("course", args=[cohort.instance.program.code])))
