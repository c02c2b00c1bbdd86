"""The three automation flows of the partner-automation document, each line of a flow in turn."""

import pytest

from core.clock import utc_now
from enrollments.models import Enrollment
from notifications.models import Notification
from partners import enrolling
from partners.enrolling import enroll_at_provider
from partners.gateways.contract import EnrollmentRequest, PartnerEnrollment
from partners.inbox import handle_event
from partners.models import Certificate, EnrollmentStep, PartnerEvent
from partners.progression import get_current_step, is_enrollment_complete

from .breaches import breaches
from .factories import approved, statuses, steps_of
from .test_inbox import body, partner_with_secret, post

pytestmark = pytest.mark.django_db


class Partners:
    """The systems of all partners, which accept everybody."""

    def __init__(self) -> None:
        self.taken: list[str] = []

    def find(self, reference: str) -> None:
        return None

    def enroll(self, request: EnrollmentRequest) -> PartnerEnrollment:
        self.taken.append(request.course_id)
        return PartnerEnrollment(
            id=f"e-{request.course_id}", launch_url=f"https://lms.example.test/{request.course_id}"
        )


@pytest.fixture(autouse=True)
def partners(monkeypatch: pytest.MonkeyPatch) -> Partners:
    made = Partners()
    monkeypatch.setattr(enrolling, "get_gateway", lambda provider: made)
    return made


def let_the_worker_enroll(enrollment: Enrollment) -> None:
    for step in steps_of(enrollment):
        enroll_at_provider(provider_id=step.provider_id, now=utc_now())


def finish(step: EnrollmentStep) -> None:
    """Send the partner's webhook, and run the worker that it notifies."""
    provider = partner_with_secret(step.enrollment, step.sequence_order - 1)
    assert post(provider, body("course.completed", f"e-{step.course}")).status_code == 200
    handle_event(event_id=PartnerEvent.objects.latest("pk").pk, now=utc_now())


@pytest.mark.sqlite
class TestEnrollmentCreation:
    def test_takes_a_learner_from_approval_to_the_first_partner(self, partners: Partners) -> None:
        enrollment = approved(steps=3)
        assert statuses(enrollment) == ["queued", "pending", "pending"]

        let_the_worker_enroll(enrollment)

        first = get_current_step(enrollment_id=enrollment.pk)
        assert statuses(enrollment) == ["in_progress", "pending", "pending"]
        assert partners.taken == ["course-1"]
        assert first is not None
        assert (first.sequence_order, first.launch_url) == (1, "https://lms.example.test/course-1")


class TestPartnerCompletion:
    def test_takes_the_learner_by_a_webhook_to_the_next_partner(self, partners: Partners) -> None:
        enrollment = approved(steps=2)
        let_the_worker_enroll(enrollment)

        finish(steps_of(enrollment)[0])
        let_the_worker_enroll(enrollment)

        assert statuses(enrollment) == ["completed", "in_progress"]
        assert partners.taken == ["course-1", "course-2"]
        assert steps_of(enrollment)[1].launch_url == "https://lms.example.test/course-2"
        assert breaches() == set()


class TestProgramCompletion:
    def test_ends_with_a_certificate_and_a_mail_that_has_its_link(self, partners: Partners) -> None:
        enrollment = approved(steps=2)
        for place in range(2):
            let_the_worker_enroll(enrollment)
            finish(steps_of(enrollment)[place])

        done = Enrollment.objects.get(pk=enrollment.pk)
        certificate = Certificate.objects.get(enrollment=enrollment)
        assert is_enrollment_complete(enrollment_id=enrollment.pk)
        assert done.participation_status == "completed"
        assert certificate.is_live
        mail = Notification.objects.get(kind="certificate_issued")
        assert mail.params == {"certificate": certificate.pk}
        assert breaches() == set()
