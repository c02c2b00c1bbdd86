"""Partners' messages: authenticated by their signature, stored once, and applied in every possible order."""

import datetime as dt
import itertools
import json
from typing import Any

import pytest
from django.test import Client
from standardwebhooks.webhooks import Webhook

from core.clock import utc_now
from core.signing import new_signing_secret
from enrollments.lifecycle import unenroll_enrollment
from enrollments.models import Enrollment
from enrollments.tests.factories import STAFF
from events.models import OutboxEvent
from partners.effects import EFFECTS
from partners.inbox import handle_due_events, handle_event
from partners.interventions import skip_step
from partners.models import EnrollmentStep, PartnerEvent, Provider, StepTransition
from partners.providers import rotate_webhook_secret

from .breaches import breaches
from .factories import ProviderFactory, accept, approved, statuses, steps_of

pytestmark = pytest.mark.django_db

_numbers = itertools.count(1)


def body(event: str = "course.completed", external_id: object = "their-1", **data: Any) -> dict[str, Any]:
    return {"event": event, "timestamp": "2026-03-02T17:00:00Z", "data": {"enrollmentId": external_id, **data}}


def post(
    provider: Provider,
    content: object,
    *,
    message_id: str = "",
    secret: str | None = None,
    at: dt.datetime | None = None,
    headers: dict[str, str] | None = None,
) -> Any:
    """Post to the partner's webhook, signed with its secret unless told otherwise."""
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    at = at or utc_now()
    message_id = message_id or f"msg-{next(_numbers)}"
    signed = Webhook(secret or provider.webhook_secret).sign(message_id, at, raw.decode("utf-8", "replace"))
    given = {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": signed,
        **(headers or {}),
    }
    return Client().post(f"/api/webhooks/partners/{provider.slug}", raw, content_type="application/json", headers=given)


def partner_with_secret(enrollment: Enrollment, place: int = 0) -> Provider:
    """Return the partner of a step, as `create_provider` would have created it."""
    provider = steps_of(enrollment)[place].provider
    provider.webhook_secret = new_signing_secret()
    provider.save()
    return provider


def tell(step: EnrollmentStep, event: str = "course.completed", **data: Any) -> PartnerEvent:
    """Store and apply a partner's message about a step."""
    provider = Provider.objects.get(pk=step.provider_id)
    if not provider.webhook_secret:
        provider.webhook_secret = new_signing_secret()
        provider.save()
    answer = post(provider, body(event, f"their-{step.pk}", **data))
    assert answer.status_code in (200, 202), answer.content
    return handle_event(event_id=PartnerEvent.objects.latest("pk").pk, now=utc_now())


def first(enrollment: Enrollment) -> EnrollmentStep:
    return steps_of(enrollment)[0]


class TestAMessage:
    def test_is_stored_once_with_what_is_acted_on(self) -> None:
        enrollment = approved()
        step = accept(first(enrollment))
        provider = partner_with_secret(enrollment)
        told = body("progress.updated", f"their-{step.pk}", progress=40, learnerName="Jane Roe", completedAt="now")

        answer = post(provider, told, message_id="msg-a")

        assert (answer.status_code, answer.json()) == (200, {"received": True, "matched": True})
        event = PartnerEvent.objects.get()
        assert (event.event_id, event.type, event.provider) == ("msg-a", "progress.updated", provider)
        assert (event.external_enrollment_id, event.payload) == (
            f"their-{step.pk}",
            {"progress": 40, "completedAt": "now"},
        )

    @pytest.mark.sqlite
    def test_that_is_repeated_is_answered_alike_and_does_nothing(self) -> None:
        enrollment = approved()
        step = accept(first(enrollment))
        provider = partner_with_secret(enrollment)

        answers = [post(provider, body("course.completed", f"their-{step.pk}"), message_id="msg-a") for _ in range(2)]
        for _ in range(2):
            handle_event(event_id=PartnerEvent.objects.get().pk, now=utc_now())

        assert [answer.status_code for answer in answers] == [200, 200]
        assert statuses(enrollment) == ["completed", "queued"]
        assert StepTransition.objects.filter(to_status="completed").count() == 1

    def test_of_two_partners_may_have_one_id(self) -> None:
        for _ in range(2):
            post(ProviderFactory(webhook_secret=new_signing_secret()), body(), message_id="msg-a")

        assert PartnerEvent.objects.count() == 2

    def test_about_nobody_we_know_is_kept_unmatched(self) -> None:
        answer = post(ProviderFactory(webhook_secret=new_signing_secret()), body())

        assert (answer.status_code, answer.json()) == (202, {"received": True, "matched": False})
        event = handle_event(event_id=PartnerEvent.objects.get().pk, now=utc_now())
        assert (event.handled_at, event.outcome, event.attempts) == (None, "unmatched", 1)


class TestAMessageThatIsRefused:
    @pytest.fixture
    def provider(self) -> Provider:
        return ProviderFactory(webhook_secret=new_signing_secret())

    @pytest.mark.parametrize(
        "headers",
        [
            {"webhook-signature": ""},
            {"webhook-signature": "v1"},
            {"webhook-signature": "v1,not base64!"},
            {"webhook-signature": "v1,é"},
            {"webhook-signature": "v2,AAAA"},
            {"webhook-signature": "v1,AAAA v1,"},
            {"webhook-id": ""},
            {"webhook-id": "another"},
            {"webhook-timestamp": ""},
            {"webhook-timestamp": "soon"},
            {"webhook-timestamp": "nan"},
            {"webhook-timestamp": "1e400"},
        ],
        ids=str,
    )
    def test_is_not_signed_rightly(self, provider: Provider, headers: dict[str, str]) -> None:
        answer = post(provider, body(), headers=headers)

        assert (answer.status_code, answer.json()["code"]) == (401, "bad_partner_signature")
        assert PartnerEvent.objects.count() == 0

    @pytest.mark.parametrize("minutes", [-6, 6])
    def test_is_too_old_or_of_the_future(self, provider: Provider, minutes: int) -> None:
        answer = post(provider, body(), at=utc_now() + dt.timedelta(minutes=minutes))

        assert answer.status_code == 401

    @pytest.mark.sqlite
    def test_is_signed_by_another_partner(self, provider: Provider) -> None:
        other = ProviderFactory(webhook_secret=new_signing_secret())

        assert post(provider, body(), secret=other.webhook_secret).status_code == 401
        assert PartnerEvent.objects.count() == 0

    def test_comes_for_nobody_or_for_a_partner_without_a_secret(self, provider: Provider) -> None:
        secret = provider.webhook_secret
        nobody = ProviderFactory.build(slug="nobody")

        assert post(nobody, body(), secret=secret).status_code == 401
        assert post(ProviderFactory(), body(), secret=secret).status_code == 401

    def test_is_no_text(self, provider: Provider) -> None:
        assert post(provider, b"\xff\xfe").status_code == 401

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"<html>",
            b"[]",
            b"null",
            b"[" * 50_000,
        ],
        ids=lambda content: str(content)[:40],
    )
    def test_is_signed_and_no_event(self, provider: Provider, content: object) -> None:
        answer = post(provider, content)

        assert (answer.status_code, answer.json()["code"]) == (400, "unreadable_event")
        assert PartnerEvent.objects.count() == 0

    @pytest.mark.parametrize(
        "content",
        [
            {},
            {"event": "course.completed"},
            {"event": "course.completed", "data": []},
            {"event": 7, "data": {"enrollmentId": "a"}},
            body(external_id=None),
            body(external_id=True),
            body(external_id=""),
            body(external_id="x" * 256),
            body(external_id="a\x00b"),
            body(external_id="\ud800"),
            body("progress.updated"),
            body("progress.updated", progress="half"),
            body("progress.updated", progress=-1),
            body("progress.updated", progress=101),
            body("progress.updated", progress=float("nan")),
            body("progress.updated", progress=True),
            body("certificate.issued"),
        ],
        ids=lambda content: str(content)[:60],
    )
    def test_is_signed_and_not_as_its_map_has_it(self, provider: Provider, content: object) -> None:
        answer = post(provider, content)

        assert answer.status_code == 202
        event = PartnerEvent.objects.get()
        assert (event.type, event.outcome, event.handled_at) == ("unreadable", "unread", None)

    def test_has_something_else_where_progress_would_stand(self, provider: Provider) -> None:
        """An invalid optional field does not prevent the completion."""
        post(provider, body(progress="half"))

        assert (PartnerEvent.objects.get().type, PartnerEvent.objects.get().payload) == ("course.completed", {})


class TestASecret:
    def test_that_was_replaced_holds_for_a_day(self) -> None:
        provider = ProviderFactory(webhook_secret=new_signing_secret())
        old = provider.webhook_secret

        new = rotate_webhook_secret(provider_id=provider.pk, now=utc_now())

        assert post(provider, body(), secret=old).status_code == 202
        assert post(provider, body(), secret=new).status_code == 202
        Provider.objects.update(previous_secret_until=utc_now())
        assert post(provider, body(), secret=old).status_code == 401


class TestACompletion:
    def test_completes_the_step_and_begins_the_next(self) -> None:
        enrollment = approved()

        event = tell(accept(first(enrollment)))

        assert (event.outcome, event.step) == ("completed", first(enrollment))
        assert statuses(enrollment) == ["completed", "queued"]
        assert first(enrollment).transitions.get(to_status="completed").actor == "partner"
        assert breaches() == set()

    def test_under_another_message_id_completes_nothing_more(self) -> None:
        enrollment = approved(steps=3)
        step = accept(first(enrollment))
        tell(step)

        event = tell(step)

        assert event.outcome == "the step was completed before"
        assert statuses(enrollment) == ["completed", "queued", "pending"]

    @pytest.mark.sqlite
    def test_that_comes_before_the_acceptance_waits_for_it(self) -> None:
        enrollment = approved()
        step = first(enrollment)
        early = tell(step)
        assert (early.handled_at, statuses(enrollment)) == (None, ["queued", "pending"])

        accept(step)
        handle_due_events(now=utc_now())

        assert PartnerEvent.objects.get().outcome == "completed"
        assert statuses(enrollment) == ["completed", "queued"]
        assert breaches() == set()

    @pytest.mark.parametrize("end", ["skipped", "withdrawn"])
    def test_of_a_step_that_ended_otherwise_changes_nothing_and_is_visible(self, end: str) -> None:
        enrollment = approved()
        step = accept(first(enrollment))
        if end == "skipped":
            skip_step(step_id=step.pk, reason="Knows it already", actor=STAFF, now=utc_now())
        else:
            unenroll_enrollment(enrollment_id=enrollment.pk, actor=STAFF, reason="Moved away", now=utc_now())
        before = statuses(enrollment)

        event = tell(step)

        assert (event.outcome, statuses(enrollment)) == (f"the step was {end} before", before)

    def test_by_another_partner_is_about_nobody(self) -> None:
        enrollment = approved()
        step = accept(first(enrollment))
        other = partner_with_secret(enrollment, place=1)

        answer = post(other, body("course.completed", f"their-{step.pk}"))

        assert answer.json()["matched"] is False
        assert handle_event(event_id=PartnerEvent.objects.get().pk, now=utc_now()).outcome == "unmatched"
        assert statuses(enrollment) == ["in_progress", "pending"]

    def test_of_the_last_step_completes_the_participation(self) -> None:
        enrollment = approved(steps=1)

        tell(accept(first(enrollment)))

        assert Enrollment.objects.get(pk=enrollment.pk).participation_status == "completed"

    @pytest.mark.parametrize(
        "order", [*itertools.permutations(["progress.updated", "course.completed", "certificate.issued"])], ids="-".join
    )
    def test_comes_to_the_same_in_every_order_of_what_is_told(self, order: tuple[str, ...]) -> None:
        enrollment = approved()
        step = accept(first(enrollment))

        for event in order:
            tell(step, event, progress=60, certificateNumber="C-1", downloadUrl="https://lms.example.test/c-1.pdf")

        step = first(enrollment)
        assert (step.status, step.progress) == ("completed", 100)
        assert step.certificate == {"id": "", "number": "C-1", "url": "https://lms.example.test/c-1.pdf"}
        assert statuses(enrollment) == ["completed", "queued"]


class TestProgress:
    def test_grows_and_never_goes_back(self) -> None:
        enrollment = approved()
        step = accept(first(enrollment))

        outcomes = [tell(step, "course.progress", progress=percent).outcome for percent in (40, 20, 60.9)]

        assert outcomes == ["progress is 40 percent", "no further than before", "progress is 60 percent"]
        assert first(enrollment).progress == 60


class TestOtherEvents:
    def test_are_kept_and_change_nothing(self) -> None:
        enrollment = approved()
        step = accept(first(enrollment))
        before = OutboxEvent.objects.count()

        outcomes = [tell(step, event).outcome for event in ("enrollment.created", "learner.smiled")]

        assert outcomes == ["noted; the step is in_progress", "ignored"]
        assert OutboxEvent.objects.count() == before

    def test_keep_no_address_that_leads_nowhere(self) -> None:
        enrollment = approved()

        tell(accept(first(enrollment)), "certificate.issued", certificateId="7", downloadUrl="javascript:alert(1)")

        assert first(enrollment).certificate == {"id": "7", "number": "", "url": ""}


class TestAnEventThatFails:
    def test_keeps_its_error_and_is_tried_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        enrollment = approved()
        step = accept(first(enrollment))
        with monkeypatch.context() as patch:
            patch.setitem(EFFECTS, "course.completed", lambda *_: 1 / 0)
            event = tell(step)
        assert (event.handled_at, event.attempts) == (None, 1)
        assert event.last_error == "ZeroDivisionError: division by zero"
        assert statuses(enrollment) == ["in_progress", "pending"]

        handle_due_events(now=utc_now() + dt.timedelta(minutes=1))

        assert statuses(enrollment) == ["completed", "queued"]
        assert PartnerEvent.objects.get().last_error == ""

    def test_about_somebody_who_is_never_known_ends_after_a_week(self) -> None:
        post(ProviderFactory(webhook_secret=new_signing_secret()), body())

        handle_due_events(now=utc_now() + dt.timedelta(days=8))

        event = PartnerEvent.objects.get()
        assert event.handled_at is not None
        assert event.outcome == "nobody was ever known by this id"
