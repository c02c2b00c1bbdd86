"""Messages that a field map does not fit: stored, visible, a task for staff, and applied once the map is fixed."""

import datetime as dt
import json
from typing import Any

import pytest
from django.db import connection

from accounts.models import StaffTask
from core.clock import utc_now
from core.signing import new_signing_secret
from partners.field_map import FieldMap
from partners.inbox import handle_due_events, handle_event
from partners.models import EnrollmentStep, PartnerEvent, Provider
from partners.providers import change_provider
from partners.unread import paths_of

from .factories import accept, approved, statuses, steps_of
from .test_inbox import post

pytestmark = pytest.mark.django_db

CAMPUS = {
    "event": {
        "event": "type",
        "enrollmentId": "content.number",
        "progress": "content.percent",
        "completedAt": "content.on",
        "certificateId": "",
        "certificateNumber": "content.diploma.no",
        "downloadUrl": "content.diploma.url",
    },
    "words": {
        "eventCompleted": ["enrollment.done"],
        "eventProgress": ["enrollment.moved"],
        "eventCertificate": ["diploma.given"],
    },
}


@pytest.fixture
def step() -> EnrollmentStep:
    step = accept(steps_of(approved())[0])
    step.provider.webhook_secret = new_signing_secret()
    step.provider.save()
    return step


def told(step: EnrollmentStep, kind: str, **content: Any) -> Any:
    """Post a message of a step's partner in its own words."""
    content = {"number": f"their-{step.pk}", **content}
    provider = Provider.objects.get(pk=step.provider_id)
    return post(provider, {"type": kind, "content": content}, message_id=f"msg-{kind}")


def mend(step: EnrollmentStep, field_map: dict[str, Any] | None = None, *, now: dt.datetime | None = None) -> None:
    change_provider(provider_id=step.provider_id, field_map=field_map or CAMPUS, now=now or utc_now())


def kept() -> PartnerEvent:
    return PartnerEvent.objects.get()


class TestAPartnerWithOtherNames:
    def test_is_understood_by_its_map(self, step: EnrollmentStep) -> None:
        mend(step)

        assert told(step, "enrollment.moved", percent=40).json() == {"received": True, "matched": True}
        assert (
            told(step, "diploma.given", diploma={"no": "C-7", "url": "https://lms.example.test/7"}).status_code == 200
        )
        assert told(step, "enrollment.done", on="2026-03-02T16:59:00Z").status_code == 200
        handle_due_events(now=utc_now() + dt.timedelta(minutes=1))

        assert list(PartnerEvent.objects.order_by("pk").values_list("type", "outcome")) == [
            ("progress.updated", "progress is 40 percent"),
            ("certificate.issued", "certificate kept"),
            ("course.completed", "completed"),
        ]
        step.refresh_from_db(fields=["progress", "certificate"])
        assert step.certificate == {"id": "", "number": "C-7", "url": "https://lms.example.test/7"}
        assert statuses(step.enrollment) == ["completed", "queued"]


class TestAMessageThatCantBeRead:
    @pytest.mark.sqlite
    def test_is_kept_sealed_and_staff_are_told_which_field_is_missing(self, step: EnrollmentStep) -> None:
        answer = told(step, "enrollment.done", student={"mail": "jane@school.test"})

        event = kept()
        assert (answer.status_code, answer.json()) == (202, {"received": True, "matched": False})
        assert (event.type, event.external_enrollment_id, event.payload, event.outcome) == (
            "unreadable",
            "",
            {},
            "unread",
        )
        assert event.last_error.startswith("event is missing, where we read event.")
        assert paths_of(event) == ["type", "content.number", "content.student.mail"]
        with connection.cursor() as cursor:
            cursor.execute("SELECT unread FROM partners_partnerevent")
            (stored,) = cursor.fetchone()
        assert "jane" not in stored
        task = StaffTask.objects.get(kind="partner_messages_unread")
        assert task.subject == f"partner:{step.provider_id}"
        assert "event is missing" in task.summary
        assert statuses(step.enrollment) == ["in_progress", "pending"]

    def test_is_one_task_however_many_come_and_known_when_it_is_repeated(self, step: EnrollmentStep) -> None:
        answers = [told(step, kind).status_code for kind in ("a", "b", "a")]

        assert answers == [202, 202, 200]
        assert PartnerEvent.objects.count() == 2
        assert StaffTask.objects.filter(kind="partner_messages_unread").count() == 1

    def test_is_applied_once_the_map_is_mended(self, step: EnrollmentStep) -> None:
        told(step, "enrollment.done", on="2026-03-02T16:59:00Z")
        handle_event(event_id=kept().pk, now=utc_now())
        assert statuses(step.enrollment) == ["in_progress", "pending"]

        mend(step)
        assert handle_due_events(now=utc_now()) == 1

        event = kept()
        assert (event.type, event.outcome, event.unread) == ("course.completed", "completed", "")
        assert (event.payload, event.last_error) == ({"completedAt": "2026-03-02T16:59:00Z"}, "")
        assert statuses(step.enrollment) == ["completed", "queued"]
        task = StaffTask.objects.get(kind="partner_messages_unread")
        assert (task.status, task.resolution) == ("done", "No message is left unread.")

    def test_waits_on_where_the_map_is_mended_badly(self, step: EnrollmentStep) -> None:
        told(step, "enrollment.done")
        mend(step, {"event": {"event": "type", "enrollmentId": "content.id"}})

        handle_due_events(now=utc_now())

        event = kept()
        assert event.last_error.startswith("content.id is missing, where we read enrollmentId.")
        assert event.handled_at is None
        assert StaffTask.objects.get(kind="partner_messages_unread").status == "open"

    def test_keeps_no_other_waiting(self, step: EnrollmentStep) -> None:
        """Negative control: the readable one of the same batch is applied."""
        told(step, "enrollment.done")
        provider = Provider.objects.get(pk=step.provider_id)
        post(provider, {"event": "course.completed", "data": {"enrollmentId": f"their-{step.pk}"}})

        assert handle_due_events(now=utc_now() + dt.timedelta(minutes=1)) == 2

        assert statuses(step.enrollment) == ["completed", "queued"]
        assert PartnerEvent.objects.filter(handled_at=None).count() == 1

    def test_is_forgotten_after_thirty_days(self, step: EnrollmentStep) -> None:
        told(step, "enrollment.done")

        handle_event(event_id=kept().pk, now=utc_now() + dt.timedelta(days=31))

        event = kept()
        assert (event.unread, event.outcome) == ("", "could not be read for 30 days")
        assert event.handled_at is not None

    @pytest.mark.parametrize("content", [b'{"a": "' + b"x" * 70_000 + b'"}', b'{"a": ' + b"[" * 30 + b"]" * 30 + b"}"])
    def test_that_is_too_large_or_too_deep_is_refused(self, step: EnrollmentStep, content: bytes) -> None:
        answer = post(Provider.objects.get(pk=step.provider_id), content)

        assert (answer.status_code, answer.json()["code"]) == (400, "unreadable_event")
        assert not PartnerEvent.objects.exists()


class TestAWordThatMeantNothing:
    def test_counts_once_the_map_has_it(self, step: EnrollmentStep) -> None:
        provider = Provider.objects.get(pk=step.provider_id)
        post(provider, {"event": "finished", "data": {"enrollmentId": f"their-{step.pk}"}})
        handle_event(event_id=kept().pk, now=utc_now())
        assert kept().outcome == "ignored"

        mend(step, {"words": {"eventCompleted": ["finished"]}})
        handle_due_events(now=utc_now())

        assert (kept().type, kept().outcome) == ("course.completed", "completed")

    def test_of_ours_counts_for_nothing_where_the_partner_has_another(self, step: EnrollmentStep) -> None:
        mend(step, {"words": {"eventCompleted": ["finished"]}})
        provider = Provider.objects.get(pk=step.provider_id)

        post(provider, {"event": "course.completed", "data": {"enrollmentId": f"their-{step.pk}"}})
        handle_event(event_id=kept().pk, now=utc_now())

        assert (kept().type, kept().outcome) == ("course.completed (theirs)", "ignored")
        assert statuses(step.enrollment) == ["in_progress", "pending"]

    def test_stays_ignored_while_no_map_has_it(self, step: EnrollmentStep) -> None:
        provider = Provider.objects.get(pk=step.provider_id)
        post(provider, {"event": "finished", "data": {"enrollmentId": f"their-{step.pk}"}})
        handle_event(event_id=kept().pk, now=utc_now())

        mend(step, {"words": {"eventCompleted": ["done"]}})

        assert handle_due_events(now=utc_now()) == 0
        assert kept().outcome == "ignored"


class TestAMapOfAnotherPartner:
    def test_reads_nothing(self, step: EnrollmentStep) -> None:
        """Negative control: the same message from a partner without a map stays unread."""
        other = accept(steps_of(approved())[0])
        mend(other)

        told(step, "enrollment.done")

        assert kept().outcome == "unread"
        assert (
            FieldMap(Provider.objects.get(pk=other.provider_id).field_map).kind("enrollment.done") == "course.completed"
        )
        assert json.loads(kept().unread)["type"] == "enrollment.done"
