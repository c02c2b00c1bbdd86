"""Frequent operations run statements that were compiled once: docs/decisions/0157-queries-compiled-once.md."""

import pytest
from pytest_django import Settings

from billing.checkout import record_session
from billing.models import Checkout
from billing.purposes import Service
from billing.tests.factories import session_of
from cohorts import queries
from cohorts.learning.booking import Selection, book_sessions
from cohorts.models import Cohort, CohortPlace, CohortSession
from cohorts.tests.factories import LearnerFactory, buy_on_rows, cohort_with, reserve
from core.clock import utc_now
from core.tests.built_queries import built_queries
from enrollments.tests.factories import InstanceFactory, seats
from enrollments.tests.integrators import PROFILE, Api

pytestmark = pytest.mark.django_db


def paid(cohort: Cohort) -> Checkout:
    """Return a checkout that Stripe reports as paid and that nobody has fulfilled."""
    checkout = reserve(cohort, LearnerFactory(workspace=cohort.instance.workspace)).checkout
    assert checkout is not None
    Checkout.objects.filter(pk=checkout.pk).update(stripe_session_id=f"cs_rows_{checkout.pk}")
    return checkout


def fulfil(checkout: Checkout) -> None:
    record_session(checkout_id=checkout.pk, session=session_of(checkout), now=utc_now())


class TestOnceCompiledNoStatementIsBuiltAgain:
    def test_for_a_purchase(self) -> None:
        cohort = cohort_with()
        buy_on_rows(cohort)
        second = paid(cohort)

        with built_queries() as built:
            fulfil(second)

        assert built == []
        assert CohortPlace.objects.get(checkout=second).status == "taken"

    def test_for_a_booking(self) -> None:
        cohort = cohort_with(options=(2, 2))
        packages = [buy_on_rows(cohort), buy_on_rows(cohort)]
        chosen = CohortSession.objects.filter(cohort=cohort).order_by("step__order", "-class_session__starts_at")[0]
        selections = [Selection(chosen.step_id, chosen.option_id)]
        book_sessions(package_id=packages[0].pk, selections=selections, now=utc_now())

        with built_queries() as built:
            booked = book_sessions(package_id=packages[1].pk, selections=selections, now=utc_now())

        assert built == []
        assert booked.manual_selections == [chosen.step_id]

    def test_for_a_routed_enrollment(self, settings: Settings) -> None:
        settings.API_KEY_CACHE_SECONDS = 3  # as in production
        instance = InstanceFactory()
        seats(instance.workspace, total=50)
        api = Api(instance.workspace)
        api.enroll(key="first")

        with built_queries() as built:
            answer = api.enroll(key="second", learner_profile=PROFILE | {"email": "another@school.edu"})

        assert built == []
        assert answer.json()["seats_available"] == 48

    def test_a_query_that_is_not_compiled_is_noticed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control: the dates on a course's invoice are read by the plain ORM."""
        cohort = cohort_with()
        buy_on_rows(cohort)
        second = paid(cohort)

        def read(place_id: int) -> tuple[object, ...] | None:
            place = CohortPlace.objects.filter(pk=place_id)
            return place.values_list("learner__first_name", "learner__cuid", "cohort__start_date").first()

        monkeypatch.setattr(queries._service, "first", read)
        with built_queries() as built:
            fulfil(second)

        assert built == ["cohorts_cohortplace"]


class TestTheServiceOnACoursesInvoice:
    def test_is_the_learner_and_the_cohorts_days(self) -> None:
        package = buy_on_rows(cohort_with())

        service = queries.find_service_of_place(str(package.place_id))

        learner, cohort = package.learner, package.cohort
        assert service == (Service(learner.first_name, learner.cuid, cohort.start_date, cohort.end_date))

    def test_is_unknown_for_a_place_that_does_not_exist(self) -> None:
        assert queries.find_service_of_place("123456") is None
