"""Partners' messages about an erased learner, before and after the erasure."""

import pytest
from django.db import connection
from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts.models import Learner
from core.clock import utc_now
from enrollments.lifecycle import unenroll_enrollment
from enrollments.tests.factories import STAFF
from partners.inbox import OF_THE_ERASED, handle_due_events, handle_event, store_found
from partners.models import EnrollmentStep, PartnerEvent
from partners.tests.factories import accept, approved, steps_of
from privacy.person import find_person
from privacy.registry import entry_of
from privacy.tests.erasures import erase

pytestmark = pytest.mark.django_db

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


def erase_learner_of(step: EnrollmentStep) -> None:
    erase(Learner.objects.get(enrollments=step.enrollment_id))


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

        erase_learner_of(step)

        step.refresh_from_db(fields=["certificate"])
        assert (PartnerEvent.objects.get().payload, step.certificate) == ({}, None)

    @pytest.mark.parametrize("together", [True, False])
    def test_that_arrives_after_the_erasure_is_not_stored(self, step: EnrollmentStep, together: bool) -> None:
        erase_learner_of(step)
        event = report(step)

        if together:
            handle_due_events(now=utc_now())
        else:
            handle_event(event_id=event.pk, now=utc_now())

        step.refresh_from_db(fields=["certificate"])
        event.refresh_from_db()
        assert (event.outcome, event.payload, step.certificate) == (OF_THE_ERASED, {}, None)
        assert event.handled_at is not None


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite plans in its own way")
class TestFindingThem:
    """No index answers a query that still reads the whole table when PostgreSQL is told to avoid that."""

    def test_reads_only_what_an_index_finds(self, step: EnrollmentStep) -> None:
        learner = Learner.objects.get(enrollments=step.enrollment_id)
        person = find_person(workspace_id=learner.workspace_id, learner_cuid=learner.cuid, now=utc_now())
        rows_of = entry_of(PartnerEvent).rows_of
        assert rows_of is not None

        assert not reads_the_whole_table(rows_of(person))

    def test_by_a_subquery_would_read_the_whole_table(self, step: EnrollmentStep) -> None:
        """Control."""
        known = EnrollmentStep.objects.filter(pk=step.pk, external_enrollment_id=OuterRef("external_enrollment_id"))

        assert reads_the_whole_table(PartnerEvent.objects.filter(Q(step=step) | Exists(known)))


def reads_the_whole_table(events: QuerySet[PartnerEvent]) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    return "Seq Scan on partners_partnerevent" in events.explain()
