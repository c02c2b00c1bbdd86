"""The demo's learners at partners, as the stories leave them."""

import datetime as dt
from collections import Counter

import pytest

from accounts.models import StaffTask
from accounts.tests.factories import UserFactory, WorkspaceFactory
from core.clock import time_is, utc_now
from demo.catalog import ORGANIZATIONS, Scene
from demo.load import Teller
from demo.partners import WAYS, begin_partners, have_partners_asked_from
from partners.models import Certificate, EnrollmentStep
from partners.states import PartnerStepStatus, Revocation
from partners.tests.breaches import breaches

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def told(rows_of_module: None) -> dt.datetime:
    """Tell the stories once for all tests, and return the time at which they were told."""
    now = utc_now()
    teller = Teller(now, lambda share: None)
    scene = Scene(ORGANIZATIONS[0], WorkspaceFactory(), UserFactory())
    with time_is(now - dt.timedelta(days=100)):
        begin_partners(scene, begin=teller.begin, now=now)
    teller.tell()
    have_partners_asked_from(now, workspace=scene.workspace)
    return now


class TestLearnersAtPartners:
    @pytest.mark.sqlite
    def test_are_at_every_stage(self, told: dt.datetime) -> None:
        stages = Counter(EnrollmentStep.objects.values_list("status", flat=True))
        under_way = EnrollmentStep.objects.filter(status=PartnerStepStatus.IN_PROGRESS)

        assert set(stages) == set(PartnerStepStatus.values)
        assert set(under_way.values_list("sequence_order", flat=True)) == {1, 2, 3}
        assert stages[PartnerStepStatus.FAILED] == StaffTask.objects.count() == 1
        assert EnrollmentStep.objects.stuck(told).count() == 3  # including the one that failed

    def test_have_certificates_that_are_valid_revoked_and_replaced(self, told: dt.datetime) -> None:
        certificates = Counter(Certificate.objects.values_list("revocation", flat=True))

        assert certificates == {"": 3, Revocation.WITHDRAWN: 1, Revocation.REPLACED: 1}

    def test_break_no_invariant(self, told: dt.datetime) -> None:
        assert EnrollmentStep.objects.count() == len(WAYS) * 3
        assert breaches(now=told) == set()
