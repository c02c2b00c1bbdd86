"""Partners' messages about an erased learner, before and after the erasure."""

import pytest

from accounts.models import Learner
from core.actors import SYSTEM
from core.clock import utc_now
from enrollments.lifecycle import unenroll_enrollment
from enrollments.tests.factories import STAFF
from partners.inbox import OF_THE_ERASED, handle_due_events, handle_event, store_found
from partners.models import EnrollmentStep, PartnerEvent
from partners.tests.factories import accept, approved, steps_of
from privacy.erasing import erase_learner
from privacy.states import ErasureReason

pytestmark = [pytest.mark.django_db, pytest.mark.ordered_locks]

CERTIFICATE = {"certificateNumber": "C-77", "downloadUrl": "https://lms.test/certificates/jane-roe.pdf"}


@pytest.fixture
def step() -> EnrollmentStep:
    """Return a step of a learner who has left the program."""
    step = accept(steps_of(approved())[0])
    unenroll_enrollment(enrollment_id=step.enrollment_id, reason="Moved away.", actor=STAFF, now=utc_now())
    return step


def report(step: EnrollmentStep, message_id: str = "m1") -> PartnerEvent:
    return store_found(
        step=step, kind="certificate.issued", message_id=message_id, data=dict(CERTIFICATE), now=utc_now()
    )


def erase(step: EnrollmentStep) -> None:
    learner = Learner.objects.get(enrollments=step.enrollment_id)
    erase_learner(
        workspace_id=learner.workspace_id,
        learner_cuid=learner.cuid,
        reason=ErasureReason.ASKED,
        actor=SYSTEM,
        now=utc_now(),
    )


class TestACertificateOfAPartner:
    def test_is_stored_while_the_learner_is_known(self, step: EnrollmentStep) -> None:
        handled = handle_event(event_id=report(step).pk, now=utc_now())

        step.refresh_from_db(fields=["certificate"])
        assert (handled.outcome, handled.payload) == ("certificate kept", CERTIFICATE)
        assert step.certificate == {"id": "", "number": "C-77", "url": CERTIFICATE["downloadUrl"]}

    @pytest.mark.parametrize("is_handled", [True, False])
    def test_leaves_the_inbox_with_the_learner(self, step: EnrollmentStep, is_handled: bool) -> None:
        event = report(step)
        if is_handled:
            handle_event(event_id=event.pk, now=utc_now())

        erase(step)

        step.refresh_from_db(fields=["certificate"])
        assert (PartnerEvent.objects.get().payload, step.certificate) == ({}, None)

    @pytest.mark.parametrize("together", [True, False])
    def test_that_arrives_after_the_erasure_is_not_stored(self, step: EnrollmentStep, together: bool) -> None:
        erase(step)
        event = report(step)

        if together:
            handle_due_events(now=utc_now())
        else:
            handle_event(event_id=event.pk, now=utc_now())

        step.refresh_from_db(fields=["certificate"])
        event.refresh_from_db()
        assert (event.outcome, event.payload, step.certificate) == (OF_THE_ERASED, {}, None)
        assert event.handled_at is not None
