"""A family's home page: things to do come first, and each links to the page where it is done."""

import pytest

from cohorts.tests.browsing import home, page_of, signed_in, text
from cohorts.tests.callers import parent_of
from cohorts.tests.factories import buy_on_rows, cohort_with
from core.actors import Actor
from core.clock import utc_now
from enrollments.leaving import quote_exits
from enrollments.models import Application
from enrollments.tests.applicants import fill_in, instance_with_form

pytestmark = pytest.mark.django_db

PARENT = "ann@home.test"


def part(page: str, heading: str) -> str:
    """Return the part of the page below a second-level heading."""
    return page.split(f">{heading}</h2>")[1].split("<h2")[0]


class TestActionNeeded:
    def test_names_what_waits_with_the_way_to_it(self) -> None:
        client, user = signed_in(PARENT)
        package = buy_on_rows(cohort_with(options=(1,)))
        parent_of(package.learner, email=PARENT)
        quote = quote_exits(
            workspace_id=package.enrollment.workspace_id,
            enrollment_cuids=[package.enrollment.cuid],
            actor=Actor("user", user.pk),
            now=utc_now(),
        )
        fill_in(instance_with_form(), email=PARENT)

        waits = part(home(client), "Action needed")

        assert f'href="/my/leaving/{quote.cuid}"' in waits
        assert f'action="/my/applications/{Application.objects.get().cuid}/confirm"' in waits
        assert waits.index("You asked what comes back") < waits.index("waits for you to confirm it")
        assert f'href="/my/leaving/{quote.cuid}"' not in page_of(client, package)


class TestAnApplication:
    def test_is_confirmed_from_the_home_page_without_its_mail(self) -> None:
        fill_in(instance_with_form(), email=PARENT)
        confirm = f"/my/applications/{Application.objects.get().cuid}/confirm"

        stranger = signed_in("other@home.test")[0].post(confirm)
        page = text(signed_in(PARENT)[0].post(confirm, follow=True))

        assert stranger.status_code == 404
        assert 'name="do" value="confirm"' in page
        assert Application.objects.get().confirmed_at is None
