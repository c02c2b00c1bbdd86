"""What happens to a course, or to a held place, when its enrollment is deleted."""

import pytest

from accounts.models import StaffTask
from accounts.tests.factories import LearnerFactory
from cohorts import invariants
from cohorts.tests.factories import buy_on_rows, cohort_with, reserve
from cohorts.tests.places import counts
from core.clock import utc_now
from core.invariants import Extent
from enrollments.deletion import delete_enrollment
from enrollments.tests.factories import STAFF

pytestmark = pytest.mark.django_db


def broken() -> set[str]:
    extent = Extent(now=utc_now(), workspace_id=None)
    return {rule.__name__ for rule in invariants.INVARIANTS if list(rule(extent))}


class TestADeletedEnrollment:
    def test_gives_back_the_course_and_lets_staff_decide_about_the_money(self) -> None:
        cohort = cohort_with(options=(1,))
        package = buy_on_rows(cohort)

        delete_enrollment(enrollment_id=package.enrollment_id, actor=STAFF, now=utc_now())

        package.refresh_from_db()
        assert package.revoked_at is not None
        assert counts(cohort) == (0, 0)
        assert StaffTask.objects.filter(kind="refund_to_decide").count() == 1
        assert broken() == set()

    def test_ends_the_checkout_of_a_place_that_is_held_for_it(self) -> None:
        cohort = cohort_with(options=(1,))
        place = reserve(cohort, LearnerFactory(workspace=cohort.instance.workspace))
        assert place.enrollment_id is not None

        delete_enrollment(enrollment_id=place.enrollment_id, actor=STAFF, now=utc_now())

        place.refresh_from_db()
        assert place.checkout is not None
        assert place.checkout.cancel_requested_at is not None
