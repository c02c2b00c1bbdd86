"""The holes between a payment and booked sessions in the first draft, one class each: a test that it is closed, and a
control that shows it open once its guard is removed. tests/races covers crowds.
"""

from typing import Any

import pytest

from accounts.models import User
from billing.tests.stripe_world import StripeWorld
from cohorts import handlers
from cohorts.api import packages as packages_api
from cohorts.learning.attendance import mark_attended
from cohorts.models import ClassSession, Cohort, CohortPlace, CohortSession, StudentPackage
from cohorts.sale import purchase
from cohorts.tests.callers import Family, fields, problem, student_of
from cohorts.tests.factories import buy_on_rows, cohort_with, start
from cohorts.tests.purchases import PACKAGES, bought, choice, session_of, state
from enrollments.tests.factories import STAFF
from operations.doctor import examine
from sandbox.testing import SandboxProcess

from . import first_draft

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def _first_draft(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the API book as the first draft did."""
    monkeypatch.setattr(packages_api, "book_sessions", first_draft.book_sessions)


def book(family: Family, package: StudentPackage, *sessions: CohortSession) -> Any:
    body = {"selections": [choice(session) for session in sessions]}
    return family.post(f"{PACKAGES}/{package.pk}/book-sessions", body)


def statuses(package: StudentPackage) -> list[str]:
    return list(package.progress.order_by("step__order").values_list("status", flat=True))


class TestASuccessPageBeforeTheWebhook:
    """Hole: the payer returns before the notice arrives, and the page finds no package."""

    def ask_right_after_paying(self, stripe: SandboxProcess) -> Any:
        cohort = cohort_with()
        family, learner = student_of(cohort.instance.workspace)
        opened = start(cohort, learner)
        stripe.pay(opened.url)
        return family.get(f"/api/enrollment/session/{opened.stripe_session_id}")

    def test_finds_the_package_and_the_webhook_changes_nothing_more(self, stripe: SandboxProcess) -> None:
        response = self.ask_right_after_paying(stripe)
        world = StripeWorld(stripe)
        world.tell(world.event("checkout.session.completed"))

        assert (response.status_code, response.json()) == (200, {"packageId": StudentPackage.objects.get().pk})
        assert Cohort.objects.get().current_enrollment == 1
        assert examine() == {}

    def test_that_does_not_ask_stripe_would_find_none(
        self, stripe: SandboxProcess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(purchase, "catch_up_with_stripe", lambda **_: True)

        response = self.ask_right_after_paying(stripe)

        assert (response.status_code, response.json()) == (202, {"status": "processing"})
        assert StudentPackage.objects.count() == 0


class TestSomebodyElsesPackage:
    """Hole: anybody who knows a package's number may book its sessions."""

    def book_as_a_stranger(self) -> Any:
        _, package = bought()
        stranger, _ = student_of(package.learner.workspace, email="stranger@school.test")
        self.before = state()
        return book(stranger, package, session_of(package, 2))

    def test_is_not_found_and_stays_as_it_is(self) -> None:
        response = self.book_as_a_stranger()

        assert problem(response) == (404, "package_not_found")
        assert state() == self.before

    def test_of_nobody_in_particular_would_be_booked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def get_anybodys(*, user: User, package_id: int) -> StudentPackage:
            return StudentPackage.objects.get(pk=package_id)

        monkeypatch.setattr(packages_api, "get_package_for", get_anybodys)

        response = self.book_as_a_stranger()

        assert response.status_code == 200
        assert statuses(StudentPackage.objects.get()) == ["BOOKED", "BOOKED"]


class TestAnOptionOfSomethingElse:
    """Hole: the option is taken from the request, even if it belongs to another step, cohort, or course."""

    def book_a_foreign_option(self) -> Any:
        family, package = bought()
        self.foreign = cohort_with().sessions.order_by("pk")[0]
        self.before = state()
        body = {"courseStepId": session_of(package, 2).step_id, "courseStepOptionId": self.foreign.option_id}
        return family.post(f"{PACKAGES}/{package.pk}/book-sessions", {"selections": [body]})

    def test_is_refused_by_name(self) -> None:
        response = self.book_a_foreign_option()

        assert problem(response) == (422, "invalid")
        assert fields(response) == ["selections[0].courseStepOptionId"]
        assert state() == self.before

    @pytest.mark.usefixtures("_first_draft")
    def test_believed_would_seat_a_learner_in_a_class_they_did_not_buy(self) -> None:
        response = self.book_a_foreign_option()

        assert response.status_code == 200
        assert self.foreign.class_session.bookings.count() == 1
        assert "cohorts.steps_hold_a_session_of_their_own" in examine()


class TestTheLastSeat:
    """Hole: booking counts nobody, so everybody gets into a class with one seat."""

    def two_book_the_last_seat(self) -> tuple[list[Any], ClassSession]:
        cohort = cohort_with(options=(2,), seats=1)
        answers = []
        for email in ("ann@school.test", "ben@school.test"):
            family, learner = student_of(cohort.instance.workspace, email=email)
            package = buy_on_rows(cohort, learner)
            answers.append(book(family, package, session_of(package, 1)))
        return answers, session_of(package, 1).class_session

    def test_is_taken_by_the_first_and_refused_to_the_next(self) -> None:
        (first, second), meeting = self.two_book_the_last_seat()

        assert first.status_code == 200
        assert problem(second) == (409, "session_full")
        assert meeting.booked_count == meeting.bookings.count() == 1

    @pytest.mark.usefixtures("_first_draft")
    def test_uncounted_would_be_booked_twice(self) -> None:
        answers, meeting = self.two_book_the_last_seat()

        assert [answer.status_code for answer in answers] == [200, 200]
        assert (meeting.booked_count, meeting.bookings.count()) == (0, 2)
        assert "cohorts.booked_counts_equal_their_holders" in examine()


class TestAStepThatWasCompleted:
    """Hole: the next booking books every step with one option again, including completed ones."""

    @pytest.fixture
    def attended(self) -> tuple[Family, StudentPackage]:
        """Create somebody who attended the first step, which left no choice, and has the second ahead of them."""
        family, package = bought()
        row = package.progress.get(status="BOOKED")
        assert row.class_session is not None
        mark_attended(progress_id=row.pk, actor=STAFF, now=row.class_session.ends_at)
        return family, package

    def test_stays_completed_when_another_is_booked(self, attended: tuple[Family, StudentPackage]) -> None:
        family, package = attended

        response = book(family, package, session_of(package, 2))

        assert response.status_code == 200
        assert statuses(package) == ["COMPLETED", "BOOKED"]

    def test_is_not_booked_again_on_request(self, attended: tuple[Family, StudentPackage]) -> None:
        family, package = attended
        before = state()

        response = book(family, package, session_of(package, 1))

        assert problem(response) == (409, "step_already_booked")
        assert state() == before

    @pytest.mark.usefixtures("_first_draft")
    def test_unchecked_would_be_to_do_once_more(self, attended: tuple[Family, StudentPackage]) -> None:
        family, package = attended

        response = book(family, package, session_of(package, 2))

        assert response.status_code == 200
        assert statuses(package) == ["BOOKED", "BOOKED"]


class TestACourseThatLeavesNoChoice:
    """Hole: the wizard shows that all sessions are booked and never calls the API, so none is."""

    def test_is_booked_when_it_is_paid(self) -> None:
        family, package = bought(options=(1, 1, 1))

        unbooked = family.get(f"{PACKAGES}/{package.pk}/unbooked-steps")

        assert unbooked.json() == []
        assert statuses(package) == ["BOOKED"] * 3
        assert list(ClassSession.objects.values_list("booked_count", flat=True)) == [1, 1, 1]

    def test_left_to_the_wizard_would_stay_unbooked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def fulfil(*, place_id: int, **_: Any) -> StudentPackage:
            return first_draft.create_package(CohortPlace.objects.get(pk=place_id))

        monkeypatch.setattr(handlers, "fulfil_place", fulfil)

        _, package = bought(options=(1, 1, 1))

        assert statuses(package) == ["UNBOOKED"] * 3
        assert list(ClassSession.objects.values_list("booked_count", flat=True)) == [0, 0, 0]
