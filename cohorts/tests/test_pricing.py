"""The discount that a page shows before anything is charged, for a learner who is known and for one who is not yet."""

from decimal import Decimal

import pytest

from accounts.models import Learner, User
from accounts.tests.factories import GuardianFactory, GuardianshipFactory, LearnerFactory, proven_user
from billing.discounts import Granted
from billing.errors import VoucherNotAccepted
from billing.models import Voucher
from billing.tests.factories import VoucherFactory
from cohorts.models import Cohort
from cohorts.queries import cohort_offer
from cohorts.sale.pricing import foresee_discount
from core.clock import utc_now
from enrollments.models import Enrollment, ProgramInstance

from .factories import CohortFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def cohort() -> Cohort:
    made: Cohort = CohortFactory()
    return made


@pytest.fixture
def parent() -> User:
    return proven_user(email="parent@pricing.test")


def child_of(parent: User, cohort: Cohort) -> Learner:
    learner: Learner = LearnerFactory(workspace=cohort.instance.workspace)
    guardian = GuardianFactory(workspace=learner.workspace, email=parent.email)
    GuardianshipFactory(learner=learner, guardian=guardian)
    return learner


def foresee(parent: User, cohort: Cohort, learner: Learner | None = None, voucher: str = "") -> Granted | None:
    cohort = Cohort.objects.get(pk=cohort.pk)
    return foresee_discount(user=parent, cohort=cohort, learner=learner, voucher=voucher, now=utc_now())


def code_for(cohort: Cohort) -> Voucher:
    made: Voucher = VoucherFactory(workspace=cohort.instance.workspace, code="SPRING", only_for=cohort_offer(cohort.pk))
    return made


class TestTheDiscountThatAPageShows:
    @pytest.mark.parametrize("is_known", [True, False])
    def test_is_that_of_a_code_for_this_cohort(self, cohort: Cohort, parent: User, is_known: bool) -> None:
        voucher = code_for(cohort)
        learner = child_of(parent, cohort) if is_known else None

        granted = foresee(parent, cohort, learner, "spring")

        assert granted is not None
        assert granted.voucher == voucher
        assert granted.minor * 4 == granted.price.minor
        assert Voucher.objects.get().uses == 0

    def test_is_none_without_a_code(self, cohort: Cohort, parent: User) -> None:
        assert foresee(parent, cohort) is None

    def test_is_none_where_nothing_is_for_sale(self, cohort: Cohort, parent: User) -> None:
        code_for(cohort)
        ProgramInstance.objects.update(price=None)

        assert foresee(parent, cohort, voucher="spring") is None

    @pytest.mark.parametrize("is_known", [True, False])
    def test_of_another_cohorts_code_is_refused(self, cohort: Cohort, parent: User, is_known: bool) -> None:
        code_for(cohort)
        Voucher.objects.update(only_for="cohort:0")
        learner = child_of(parent, cohort) if is_known else None

        with pytest.raises(VoucherNotAccepted):
            foresee(parent, cohort, learner, "spring")

    @pytest.mark.parametrize(("is_here", "percent"), [(True, Decimal(20)), (False, None)])
    def test_of_a_child_who_is_not_added_yet_counts_the_children_of_this_workspace(
        self, cohort: Cohort, parent: User, is_here: bool, percent: Decimal | None
    ) -> None:
        ProgramInstance.objects.update(sibling_discount_percent=20)
        sibling = child_of(parent, cohort if is_here else CohortFactory())
        Enrollment.objects.create(
            workspace=cohort.instance.workspace,
            learner=sibling if is_here else child_of(proven_user(email="other@pricing.test"), cohort),
            instance=cohort.instance,
            payment_status="paid",
            eligibility_status="approved",
        )

        granted = foresee(parent, cohort)

        assert (granted.percent if granted else None) == percent
