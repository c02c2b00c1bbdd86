"""Which enrollments are shown, and which count as the current one."""

import pytest
from django.db import IntegrityError, transaction

from accounts.tests.factories import LeadFactory
from core.clock import utc_now
from enrollments.models import Enrollment

from .factories import CandidateFactory

pytestmark = pytest.mark.django_db


def delete(enrollment: Enrollment) -> None:
    Enrollment.objects.filter(pk=enrollment.pk).update(deleted_at=utc_now())


@pytest.mark.sqlite
class TestADeletedEnrollment:
    def test_is_neither_kept_nor_current_and_makes_room_for_another(self) -> None:
        first = CandidateFactory()
        delete(first)

        second = CandidateFactory(workspace=first.workspace, instance=first.instance, learner=first.learner)

        assert list(Enrollment.objects.kept()) == list(Enrollment.objects.current()) == [second]
        assert not Enrollment.objects.get(pk=first.pk).is_current


class TestALead:
    def test_has_one_current_enrollment_in_an_instance(self) -> None:
        first = lead_enrollment()

        with pytest.raises(IntegrityError), transaction.atomic():
            CandidateFactory(workspace=first.workspace, instance=first.instance, learner=None, lead=first.lead)

        assert list(Enrollment.objects.all()) == [first]

    def test_may_be_enrolled_again_once_the_first_was_deleted(self) -> None:
        first = lead_enrollment()
        delete(first)

        second = CandidateFactory(workspace=first.workspace, instance=first.instance, learner=None, lead=first.lead)

        assert list(Enrollment.objects.current()) == [second]


def lead_enrollment() -> Enrollment:
    lead = LeadFactory()
    return CandidateFactory(workspace=lead.workspace, learner=None, lead=lead)
