"""Which cohorts, places, lines, and packages count: the QuerySet, the row, and their callers agree."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import call_command
from django.urls import reverse
from django.utils.html import strip_tags

from accounts.states import Role
from accounts.tests.factories import LearnerFactory
from backoffice.tests.staff_client import StaffClient
from cohorts.models import ClassSession, Cohort, CohortPlace, StudentPackage, WaitlistEntry
from cohorts.queries import find_sales_of_places
from cohorts.sale.fulfilment import revoke_package
from cohorts.sale.places import hold_place
from cohorts.sale.waitlist import position_of
from cohorts.states import WaitStatus
from cohorts.tests.factories import buy_on_rows, cohort_with
from core.clock import utc_now
from enrollments.models import Program, ProgramInstance

pytestmark = pytest.mark.django_db


def close(cohort: Cohort) -> None:
    Cohort.objects.filter(pk=cohort.pk).update(is_active=False)


def switch_off_instance(cohort: Cohort) -> None:
    ProgramInstance.objects.filter(pk=cohort.instance_id).update(active=False)


def switch_off_program(cohort: Cohort) -> None:
    Program.objects.filter(pk=cohort.instance.program_id).update(active=False)


def pass_deadline(cohort: Cohort) -> None:
    Cohort.objects.filter(pk=cohort.pk).update(enrollment_deadline=utc_now() - dt.timedelta(minutes=1))


def end(cohort: Cohort) -> None:
    yesterday = utc_now().date() - dt.timedelta(days=2)
    Cohort.objects.filter(pk=cohort.pk).update(start_date=yesterday, end_date=yesterday)


def begin_last_session(cohort: Cohort) -> None:
    now = utc_now()
    ClassSession.objects.filter(cohort_sessions__cohort=cohort.pk).update(
        starts_at=now - dt.timedelta(minutes=1), ends_at=now + dt.timedelta(minutes=59)
    )


def fill(cohort: Cohort) -> None:
    Cohort.objects.filter(pk=cohort.pk).update(max_enrollment=0)


def leave_as_it_is(cohort: Cohort) -> None:
    pass


HINDRANCES = {
    "closed": close,
    "off": switch_off_program,
    "over": pass_deadline,
    "done": begin_last_session,
    "full": fill,
    "open": leave_as_it_is,
}
BADGES = {
    "closed": "Closed",
    "off": "Switched off",
    "over": "Deadline passed",
    "done": "No sessions left",
    "full": "Full",
    "open": "Open",
}


class TestWhoTakesEnrollments:
    @pytest.mark.parametrize(
        ("hinder", "takes"),
        [
            (leave_as_it_is, True),
            (fill, True),
            (close, False),
            (switch_off_instance, False),
            (switch_off_program, False),
            (pass_deadline, False),
            (end, False),
            (begin_last_session, False),
        ],
    )
    def test_is_the_same_to_the_query_and_to_the_row(self, hinder: Callable[[Cohort], None], takes: bool) -> None:
        cohort = cohort_with(options=(1,))

        hinder(cohort)

        now = utc_now()
        row = Cohort.objects.get(pk=cohort.pk)
        assert (row.takes_enrollments(now), Cohort.objects.taking_enrollments(now=now).exists()) == (takes, takes)

    @pytest.mark.sqlite
    @pytest.mark.parametrize("places", [0, 1, 2, 3])
    def test_has_room_alike(self, places: int) -> None:
        cohort = cohort_with(options=(1,), max_enrollment=2)
        buy_on_rows(cohort)
        hold_place(
            cohort=cohort,
            learner=LearnerFactory(workspace=cohort.instance.workspace),
            enrollment=None,
            held_until=utc_now(),
            now=utc_now(),
        )
        Cohort.objects.filter(pk=cohort.pk).update(max_enrollment=2 + places)

        assert Cohort.objects.get().has_room is Cohort.objects.with_room().exists() is (places > 0)


@pytest.mark.sqlite
class TestTheListForStaff:
    @pytest.mark.parametrize("chosen", HINDRANCES)
    def test_shows_a_cohort_under_the_word_of_its_badge_only(self, chosen: str) -> None:
        cohort = cohort_with(options=(1,))
        HINDRANCES[chosen](cohort)
        client = StaffClient(workspace=cohort.instance.workspace, role=Role.ADMIN)

        found = {name: _listed(client, name) for name in HINDRANCES}

        assert found == {name: [(cohort.pk, BADGES[name])] if name == chosen else [] for name in HINDRANCES}


class TestBuyingOnceMore:
    @pytest.mark.parametrize(
        ("hinder", "is_offered"),
        [(leave_as_it_is, True), (begin_last_session, False), (switch_off_program, False), (pass_deadline, False)],
    )
    def test_is_offered_while_the_cohort_takes_enrollments(
        self, hinder: Callable[[Cohort], None], is_offered: bool
    ) -> None:
        cohort = cohort_with(options=(1,))
        package = buy_on_rows(cohort)

        hinder(cohort)

        (sale,) = find_sales_of_places([package.enrollment_id], utc_now()).values()
        assert bool(sale.again_url) is is_offered


@pytest.mark.sqlite
class TestAPackage:
    def test_is_live_until_it_is_revoked(self) -> None:
        package = buy_on_rows(cohort_with(options=(1,)))
        before = (package.is_live, StudentPackage.objects.live().count(), StudentPackage.objects.revoked().count())

        revoke_package(package_id=package.pk, reason="Refunded", now=utc_now())

        package = StudentPackage.objects.get()
        assert before == (True, 1, 0)
        assert (package.is_live, StudentPackage.objects.live().count(), StudentPackage.objects.revoked().count()) == (
            False,
            0,
            1,
        )


@pytest.mark.sqlite
class TestAnOffer:
    def test_is_due_from_its_last_moment_on(self) -> None:
        cohort = cohort_with(options=(1,))
        until = utc_now().replace(microsecond=0)
        learner = LearnerFactory(workspace=cohort.instance.workspace)
        place = hold_place(cohort=cohort, learner=learner, enrollment=None, held_until=until, now=until)

        early, late = (CohortPlace.objects.due_offers(now=until + dt.timedelta(seconds=each)) for each in (-1, 0))

        assert (list(early), list(late)) == ([], [place])

    def test_is_counted_by_the_command_as_the_sweep_would_end_it(self, capsys: Any) -> None:
        cohort = cohort_with(options=(1,))
        learner = LearnerFactory(workspace=cohort.instance.workspace)
        hold_place(cohort=cohort, learner=learner, enrollment=None, held_until=utc_now(), now=utc_now())
        buy_on_rows(cohort)

        call_command("release_holds", "--dry-run", "--json")

        assert '"offers_due": 1' in capsys.readouterr().out


class TestALine:
    def test_is_counted_by_those_who_wait(self) -> None:
        cohort = cohort_with(options=(1,), max_enrollment=0)
        entries = [
            WaitlistEntry.objects.create(
                cohort=cohort, learner=LearnerFactory(workspace=cohort.instance.workspace), rank=rank, status=status
            )
            for rank, status in enumerate(WaitStatus, start=1)
        ]

        last = entries[-1]

        assert [entry.status for entry in WaitlistEntry.objects.in_line().order_by("rank")] == ["waiting", "offered"]
        assert list(WaitlistEntry.objects.ahead_of(cohort=cohort, rank=last.rank)) == entries[:1]
        assert position_of(last) == 2


def _listed(client: StaffClient, chosen: str) -> list[tuple[int, str]]:
    """Return the cohorts that the list shows with this filter, each with its badge."""
    answer: Any = client.get(reverse("admin:cohorts_cohort_changelist"), {"sale": chosen})
    page = answer.context["cl"]
    return [(row.pk, strip_tags(page.model_admin.sale(row)).strip()) for row in page.result_list]
