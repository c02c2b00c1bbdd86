"""A cohort is on sale once staff have opened it, and it can be opened only once nothing is missing."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Workspace
from accounts.tests.factories import LearnerFactory
from backoffice.tests.staff_client import StaffClient
from billing.models import Price
from cohorts.course.curriculum import remove_step
from cohorts.errors import CohortNotActive, NotReadyToOpen
from cohorts.models import ClassSession, Cohort, CohortPlace, CohortSession, CourseStep
from cohorts.sale import checkout as checkouts
from cohorts.sale.opening import close_cohort, open_cohort
from cohorts.sale.places import hold_place
from cohorts.sale.readiness import find_gaps
from cohorts.tests.browsing import text
from cohorts.tests.callers import Family, problem
from cohorts.tests.factories import buy_on_rows, cohort_with, start
from cohorts.tests.purchases import enroll_url
from cohorts.tests.staff_pages import faults, press, url_of
from core.clock import utc_now
from enrollments.models import Program, ProgramInstance
from enrollments.tests.factories import STAFF, InstanceFactory

pytestmark = pytest.mark.django_db


def ready(**more: Any) -> Cohort:
    """Return a closed cohort of two steps that nothing prevents from being opened."""
    deadline = utc_now() + dt.timedelta(days=7)
    return cohort_with(options=(1, 2), is_active=False, **{"enrollment_deadline": deadline, **more})


def gaps(cohort: Cohort) -> list[str]:
    fresh = Cohort.objects.select_related("instance__program", "instance__price").get(pk=cohort.pk)
    return [gap.code for gap in find_gaps(cohort=fresh, now=utc_now())]


def is_open(cohort: Cohort) -> bool:
    return Cohort.objects.values_list("is_active", flat=True).get(pk=cohort.pk)


def course_page(cohort: Cohort) -> str:
    return text(Client().get(reverse("course", args=[cohort.instance.program.code])))


def without_classes() -> None:
    CohortSession.objects.filter(step__order=1).delete()
    CourseStep.objects.get(order=1).options.all().delete()


def early(**more: int) -> dt.datetime:
    return utc_now() - dt.timedelta(**more)


def begun() -> None:
    ClassSession.objects.update(starts_at=early(hours=2), ends_at=early(hours=1))


def elsewhere() -> None:
    first = ClassSession.objects.order_by("starts_at")[0]
    ClassSession.objects.filter(pk=first.pk).update(date=first.date - dt.timedelta(days=60))


def late_deadline() -> None:
    cohort = Cohort.objects.get()
    noon_after = dt.datetime.combine(cohort.end_date + dt.timedelta(days=2), dt.time(12), dt.UTC)
    Cohort.objects.update(enrollment_deadline=noon_after)


def ends_early() -> None:
    ProgramInstance.objects.update(end_date=Cohort.objects.get().end_date - dt.timedelta(days=1))


GAPS: dict[str, Callable[[], object]] = {
    "course_inactive": lambda: Program.objects.update(active=False),
    "course_unlisted": lambda: Program.objects.update(listed=False),
    "instance_inactive": lambda: ProgramInstance.objects.update(active=False),
    "price_missing": lambda: ProgramInstance.objects.update(price=None),
    "price_inactive": lambda: Price.objects.update(active=False),
    "steps_missing": lambda: CourseStep.objects.update(required=False),
    "sessions_missing": lambda: CohortSession.objects.filter(step__order=2).delete(),
    "seats_missing": lambda: ClassSession.objects.filter(cohort_sessions__step__order=1).update(max_students=0),
    "places_missing": lambda: Cohort.objects.update(max_enrollment=0),
    "sessions_over": begun,
    "sessions_outside": elsewhere,
    "instance_ends_early": ends_early,
    "zone_missing": lambda: Cohort.objects.update(timezone="UTC"),
    "deadline_missing": lambda: Cohort.objects.update(enrollment_deadline=None),
    "deadline_passed": lambda: Cohort.objects.update(enrollment_deadline=early(minutes=1)),
    "deadline_late": late_deadline,
}


class TestOpening:
    def test_takes_a_cohort_that_lacks_nothing(self) -> None:
        cohort = ready()

        open_cohort(cohort_id=cohort.pk, now=utc_now())

        assert gaps(cohort) == []
        assert is_open(cohort)

    def test_takes_a_cohort_that_ends_with_its_instance(self) -> None:
        cohort = ready()
        ProgramInstance.objects.update(end_date=cohort.end_date)

        assert gaps(cohort) == []

    @pytest.mark.parametrize("code", GAPS)
    def test_is_refused_and_names_what_is_missing(self, code: str) -> None:
        cohort = ready()
        GAPS[code]()

        with pytest.raises(NotReadyToOpen) as refusal:
            open_cohort(cohort_id=cohort.pk, now=utc_now())

        fresh = Cohort.objects.select_related("instance__program", "instance__price").get()
        (gap,) = find_gaps(cohort=fresh, now=utc_now())
        assert gap.code == code
        assert gap.text in refusal.value.detail
        assert not is_open(cohort)

    def test_names_all_that_is_missing_at_once(self) -> None:
        cohort = cohort_with(options=(), is_active=False, timezone="UTC", max_enrollment=0)

        assert gaps(cohort) == ["steps_missing", "places_missing", "deadline_missing"]

    @pytest.mark.sqlite
    def test_sends_a_step_without_a_class_to_the_step(self) -> None:
        cohort = ready()
        without_classes()

        (gap,) = find_gaps(cohort=cohort, now=utc_now())

        assert (gap.code, gap.row) == ("sessions_missing", CourseStep.objects.get(order=1))
        assert gap.text == "Choose a class, then schedule sessions for Week 1: Topic 1."

    def test_does_not_wait_for_an_optional_step(self) -> None:
        cohort = ready()
        CourseStep.objects.filter(order=2).update(required=False)
        CohortSession.objects.filter(step__order=2).delete()

        assert gaps(cohort) == []

    @pytest.mark.sqlite
    def test_takes_a_cohort_under_way_that_still_has_sessions(self) -> None:
        cohort = ready()
        ClassSession.objects.filter(cohort_sessions__step__order=1).update(
            starts_at=early(hours=2), ends_at=early(hours=1)
        )

        assert gaps(cohort) == []

    def test_again_what_is_open_asks_for_nothing(self) -> None:
        cohort = cohort_with(options=(1,))

        open_cohort(cohort_id=cohort.pk, now=utc_now())

        assert is_open(cohort)

    def test_after_closing_asks_again(self) -> None:
        cohort = ready()
        open_cohort(cohort_id=cohort.pk, now=utc_now())
        close_cohort(cohort_id=cohort.pk)
        Cohort.objects.update(enrollment_deadline=early(days=1))

        with pytest.raises(NotReadyToOpen):
            open_cohort(cohort_id=cohort.pk, now=utc_now())

        assert not is_open(cohort)


class TestACohortMadeInTheBackOffice:
    def make(self, manager: StaffClient, workspace: Workspace) -> Cohort:
        instance = InstanceFactory(workspace=workspace, program__listed=True, program__workspace=workspace)
        CourseStep.objects.create(program=instance.program, order=1, label="Week 1", title="Hello")
        starts = utc_now().date() + dt.timedelta(days=14)
        form = {"instance": instance.pk, "name": "Fall", "max_enrollment": 8, "start_date": starts.isoformat()}
        form |= {"end_date": (starts + dt.timedelta(weeks=8)).isoformat(), "timezone": "America/Chicago"}
        response = manager.post(reverse("admin:cohorts_cohort_add"), form)
        assert response.status_code == 302
        return Cohort.objects.get()

    def test_is_seen_by_nobody_and_sold_to_nobody(self, manager: StaffClient, workspace: Workspace) -> None:
        cohort = self.make(manager, workspace)
        code = cohort.instance.program.code

        listed = Client().get(f"/api/course-programs/{code}/cohorts").json()
        sessions = Client().get(f"/api/course-programs/{code}/cohorts/{cohort.pk}/sessions")
        bought = Family("jane@home.test").post(enroll_url(cohort), {"firstName": "Jane", "lastName": "Doe"})

        assert (cohort.is_active, cohort.places_left) == (False, 8)
        assert cohort.name not in course_page(cohort)
        assert listed == []
        assert problem(sessions) == (404, "cohort_not_found")
        assert problem(bought) == (400, "cohort_not_active")
        assert not CohortPlace.objects.exists()

    def test_lists_on_its_page_what_is_missing_and_where(self, manager: StaffClient, workspace: Workspace) -> None:
        cohort = self.make(manager, workspace)

        page = text(manager.get(url_of(cohort)))

        assert "Before it can be opened" in page
        assert "Choose a class, then schedule sessions for Week 1: Hello." in page
        assert "Set the enrollment deadline." in page
        assert url_of(CourseStep.objects.get()) in page

    @pytest.mark.sqlite
    def test_is_not_opened_by_the_button_until_it_is_mended(self, manager: StaffClient, workspace: Workspace) -> None:
        cohort = self.make(manager, workspace)

        response = press(manager, cohort, "open_sale")

        assert "can't be opened yet" in faults(response)["__all__"][0]
        assert not is_open(cohort)


class TestACohortWithoutSessions:
    """Whatever caused it to be open: it was opened before the check existed, or by hand in the database."""

    @pytest.fixture
    def bare(self) -> Cohort:
        cohort = cohort_with(options=(1,))
        CohortSession.objects.all().delete()
        return cohort

    def test_is_not_shown_or_sold(self, bare: Cohort) -> None:
        listed = Client().get(f"/api/course-programs/{bare.instance.program.code}/cohorts").json()

        with pytest.raises(CohortNotActive, match="no sessions left"):
            start(bare)

        assert bare.name not in course_page(bare)
        assert listed == []
        assert not CohortPlace.objects.exists()

    def test_whose_last_session_has_begun_is_shown_as_closed(self) -> None:
        cohort = cohort_with(options=(1,))
        begun()

        (listed,) = Client().get(f"/api/course-programs/{cohort.instance.program.code}/cohorts").json()

        page = course_page(cohort)
        assert "Enrollment closed" in page
        assert ">Enroll<" not in page
        assert listed["status"] == "closed"
        with pytest.raises(CohortNotActive):
            start(cohort)

    def test_is_looked_at_again_once_the_place_is_held(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The last step was removed after the first check, before the cohort was locked."""
        cohort = cohort_with(options=(1,))
        hold = hold_place

        def take_out_then_hold(**asked: object) -> CohortPlace:
            CohortSession.objects.all().delete()
            return hold(**asked)  # type: ignore[arg-type]

        monkeypatch.setattr(checkouts, "hold_place", take_out_then_hold)

        with pytest.raises(CohortNotActive):
            buy_on_rows(cohort, LearnerFactory(workspace=cohort.instance.workspace))

        assert not CohortPlace.objects.exists()
        assert Cohort.objects.get().held_places == 0

    def test_is_closed_when_its_last_step_is_taken_out(self) -> None:
        cohort, other = cohort_with(options=(1,)), cohort_with(options=(1,))
        step = CourseStep.objects.get(program=cohort.instance.program)

        remove_step(step_id=step.pk, actor=STAFF, now=utc_now())

        assert [is_open(cohort), is_open(other)] == [False, True]


class TestACohortThatIsSoldAlready:
    def test_stays_on_sale_though_it_lacks_what_is_asked_for_now(self) -> None:
        cohort = cohort_with(options=(1,), timezone="UTC")
        buy_on_rows(cohort)

        buy_on_rows(cohort)

        assert gaps(cohort) == ["zone_missing", "deadline_missing"]
        assert is_open(cohort)
