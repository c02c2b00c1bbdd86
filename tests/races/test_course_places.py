"""Many students at once for few places."""

from collections.abc import Callable
from functools import partial
from typing import Any

import httpx
import pytest
from django.db.models import F

from accounts.models import Learner
from accounts.tests.factories import LearnerFactory
from billing.checkout import settle_checkout
from billing.models import Checkout
from cohorts.errors import CohortFull
from cohorts.models import Cohort, CohortPlace
from cohorts.sale import checkout
from cohorts.tests.factories import cohort_with, start
from cohorts.tests.places import counts
from core.clock import utc_now
from enrollments.models import Enrollment
from operations.doctor import examine
from sandbox.testing import SandboxProcess
from tests.constraints import without_constraints
from tests.ledger import differences, net
from tests.processes import Meeting, at_once
from tests.sweeps import SOON

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]

STUDENTS = 16
PLACES = 5


def students(cohort: Cohort, count: int) -> list[Learner]:
    return LearnerFactory.create_batch(count, workspace=cohort.instance.workspace)


def try_to_start(cohort: Cohort, learner: Learner) -> str:
    try:
        start(cohort, learner)
    except CohortFull:
        return "full"
    return "held"


def look(cohort_id: int) -> Cohort:
    return Cohort.objects.get(pk=cohort_id)


def read_then_hold(look: Callable[[int], Cohort], **wanted: Any) -> CohortPlace:
    """Replace the guard with the cohort document's code: look, then count."""
    cohort = look(wanted["cohort"].pk)
    if cohort.places_left <= 0:
        raise CohortFull
    Cohort.objects.filter(pk=cohort.pk).update(held_places=F("held_places") + 1)
    return CohortPlace.objects.create(
        cohort=cohort, learner=wanted["learner"], held_until=wanted["held_until"], created_at=wanted["now"]
    )


class TestTheLastPlace:
    def test_goes_to_one_of_many_students(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with(max_enrollment=1)
        wanting = students(cohort, STUDENTS)

        answers = at_once(*[partial(try_to_start, cohort, learner) for learner in wanting])

        assert sorted(answers) == ["full"] * (STUDENTS - 1) + ["held"]
        assert counts(cohort) == (0, 1)
        assert len(stripe.ledger()["sessions"]) == Checkout.objects.count() == Enrollment.objects.count() == 1
        assert examine() == {}

    def test_without_the_guard_goes_to_several(self, stripe: SandboxProcess, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(checkout, "hold_place", partial(read_then_hold, Meeting(look, parties=STUDENTS)))
        with without_constraints((Cohort, "cohort_never_oversold")):
            cohort = cohort_with(max_enrollment=1)
            wanting = students(cohort, STUDENTS)

            answers = at_once(*[partial(try_to_start, cohort, learner) for learner in wanting])

            assert answers == ["held"] * STUDENTS
            assert "cohorts.place_counters_equal_their_holders" in examine()

    def test_wanted_twice_by_one_student_is_held_once(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with(max_enrollment=5)
        (learner,) = students(cohort, 1)

        at_once(*[partial(try_to_start, cohort, learner)] * 6)

        assert counts(cohort) == (0, 1)
        assert len(stripe.ledger()["sessions"]) == Checkout.objects.count() == 1
        assert examine() == {}


class TestSellingOut:
    def test_takes_money_for_exactly_the_places_there_are(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with(options=(1, 2), seats=PLACES, max_enrollment=PLACES)
        wanting = LearnerFactory.create_batch(STUDENTS, workspace=cohort.instance.workspace)

        answers = at_once(*[partial(self.buy_a_place, cohort, learner) for learner in wanting])

        assert sorted(answers) == ["full"] * (STUDENTS - PLACES) + ["paid"] * PLACES
        assert counts(cohort) == (PLACES, 0)
        assert net(stripe) == PLACES * 4900
        assert differences(stripe) == set()
        assert examine(now=utc_now() + SOON) == {}

    def buy_a_place(self, cohort: Cohort, learner: Any) -> str:
        try:
            opened = start(cohort, learner)
        except CohortFull:
            return "full"
        httpx.post(f"{opened.url}/pay", data={"card": "ok"}, trust_env=False)  # over a connection of its own
        return settle_checkout(checkout_id=opened.pk, now=utc_now()).status
