"""What partners, staff, and sweeps do at once with the steps of an enrollment at partners, and with certificates."""

import datetime as dt
import io
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any
from unittest.mock import patch

from django.db.models import F
from standardwebhooks.webhooks import Webhook

from core.signing import new_signing_secret
from enrollments.lifecycle import approve_enrollment
from enrollments.states import EligibilityStatus
from enrollments.tests.factories import STAFF
from partners import ending, enrolling, inbox, polling, rounds, service_levels
from partners.acceptance import record_refusal
from partners.certificates import follow_completion, issue_certificate, reissue_certificate, revoke_certificate
from partners.ending import end_at_provider, end_step
from partners.enrolling import enroll_at_provider, enroll_step
from partners.gateways.contract import EnrollmentRequest, PartnerDown, PartnerEnrollment, PartnerNews, PartnerRefuses
from partners.inbox import handle_due_events, handle_event, receive_event
from partners.interventions import complete_step_by_evidence, reassign_step, reopen_step, retry_step, skip_step
from partners.models import Certificate, EnrollmentStep, Nudge, PartnerEvent, PartnerSequence, Provider
from partners.moving import move_learner, move_next_learners
from partners.nudges import sending
from partners.nudges.stopping import RECEIVER, begin_anew, resume_nudges, stop_nudges
from partners.polling import poll_provider, poll_step
from partners.progression import advance_to_next_step, generate_enrollment_steps
from partners.providers import change_provider, pause_provider, resume_provider, rotate_webhook_secret
from partners.sequences import GroupDraft, ItemDraft, define_sequence
from partners.states import Adapter, GroupRule, PartnerStepStatus
from partners.worklist import import_results

from ..any_order import ENROLLMENTS, pick
from .acting import Acting, Step
from .enrolling import ASKED

STEPS = EnrollmentStep.objects.all()
CERTIFICATES = Certificate.objects.all()
LIVE = Certificate.objects.live()
PARTNERS = Provider.objects.all()
FAILED = EnrollmentStep.objects.failed()
OPEN = EnrollmentStep.objects.open()
QUEUED = EnrollmentStep.objects.filter(status=PartnerStepStatus.QUEUED)
LEARNING = EnrollmentStep.objects.filter(status=PartnerStepStatus.IN_PROGRESS)
SUBMITTED = ENROLLMENTS.filter(eligibility_status=EligibilityStatus.SUBMITTED)
SENT_ON = ENROLLMENTS.filter(partner_steps__isnull=False).distinct()
MOVABLE = ENROLLMENTS.filter(partner_steps__isnull=False, participation_status="active").distinct()
NAMES_OF_OTHERS = {"event": {"enrollmentId": "data.theirId"}}
ASKING = (enrolling, polling, ending)


def training(act: Acting) -> Iterator[Step]:
    yield lambda: act.on(SUBMITTED, approve_enrollment, "enrollment_id", **ASKED)
    yield lambda: act.on(SUBMITTED, approve_enrollment, "enrollment_id", **ASKED)
    yield lambda: act.on(STEPS, skip_step, "step_id", **ASKED)
    yield lambda: act.on(STEPS, reopen_step, "step_id", **ASKED)
    yield lambda: act.on(FAILED, retry_step, "step_id", **ASKED)
    yield lambda: act.on(STEPS, complete_step_by_evidence, "step_id", evidence="A mail", **ASKED)
    yield lambda: act.on(OPEN, reassign_step, "step_id", partner=pick(PARTNERS, act.nth()).slug, course_id="", **ASKED)
    yield lambda: act.on(
        OPEN, reassign_step, "step_id", partner=pick(PARTNERS, act.nth()).slug, course_id=_course(act), **ASKED
    )
    yield lambda: act.on(STEPS, record_refusal, "step_id", reason="The course is full", actor=STAFF)
    yield lambda: act.on(ENROLLMENTS, generate_enrollment_steps, "enrollment_id", actor=STAFF)
    yield lambda: act.on(SENT_ON, advance_to_next_step, "enrollment_id", actor=STAFF)
    yield lambda: _define_a_sequence(act)
    yield lambda: act.on(MOVABLE, move_learner, "enrollment_id", version=_version(act), **ASKED)
    yield lambda: act.attempt(
        move_next_learners, program_id=act.instance.program_id, version=_version(act), limit=5, **ASKED
    )


def certificates(act: Acting) -> Iterator[Step]:
    yield lambda: act.on(SENT_ON, issue_certificate, "enrollment_id", actor=STAFF)
    yield lambda: act.on(SENT_ON, follow_completion, "enrollment_id")
    yield lambda: act.on(CERTIFICATES, revoke_certificate, "certificate_id", **ASKED)
    yield lambda: act.on(LIVE, reissue_certificate, "certificate_id", **ASKED)


def partners(act: Acting) -> Iterator[Step]:
    yield lambda: _hear_from_a_partner(act, "course.completed")
    yield lambda: _hear_from_a_partner(act, act.chance.choice(["progress.updated", "certificate.issued", "other"]))
    yield lambda: _apply(act, handle_due_events)
    yield lambda: _talk(act, QUEUED, enroll_step, enroll_at_provider)
    yield lambda: _talk(act, LEARNING, poll_step, poll_provider)
    yield lambda: _talk(act, EnrollmentStep.objects.untold(), end_step, end_at_provider)
    yield lambda: _change_a_partner(act)
    yield lambda: act.on(PARTNERS, pause_provider, "provider_id")
    yield lambda: act.on(PARTNERS.filter(paused_at__isnull=False), resume_provider, "provider_id")
    yield lambda: act.on(PARTNERS, rotate_webhook_secret, "provider_id")
    yield lambda: _bring_results(act)


def nudges(act: Acting) -> Iterator[Step]:
    rows = Nudge.objects.all()
    yield lambda: _send_nudges(act)
    yield lambda: _send_nudges(act)
    yield lambda: act.on(rows, stop_nudges, "nudge_id", actor=RECEIVER)
    yield lambda: act.on(rows, resume_nudges, "nudge_id", actor=STAFF)
    yield lambda: act.on(rows, begin_anew, "nudge_id", resolution="Called them")
    yield lambda: _raise_breaches(act)


class Strict:
    """A log in which an error that a sweep survives is one that the test does not."""

    def exception(self, *_: Any, **__: Any) -> None:
        raise

    def __getattr__(self, _: str) -> Callable[..., None]:
        return lambda *_, **__: None


class Partner:
    """A partner's system, which accepts or refuses, knows more than we do, or is out."""

    def __init__(self, act: Acting) -> None:
        self.act = act

    def _answer(self) -> None:
        said = self.act.chance.randrange(6)
        if said == 0:
            raise PartnerDown("No answer.")
        if said == 1:
            raise PartnerRefuses("The partner answered 422.")

    def enroll(self, request: EnrollmentRequest) -> PartnerEnrollment:
        self._answer()
        key = EnrollmentStep.objects.values_list("pk", flat=True).get(cuid=request.reference)
        return PartnerEnrollment(f"their-{key}", "https://lms.example.test/course")

    def find(self, reference: str) -> PartnerEnrollment | None:
        self._answer()
        key = EnrollmentStep.objects.values_list("pk", flat=True).get(cuid=reference)
        return PartnerEnrollment(f"their-{key}", "") if self.act.yes() else None

    def read(self, external_id: str) -> PartnerNews | None:
        self._answer()
        status = self.act.chance.choice(["active", "active", "completed", "withdrawn"])
        certificate = {"certificateId": "c-1"} if status == "completed" else {}
        return PartnerNews(status, self.act.chance.randrange(101), "", certificate)

    def end(self, external_id: str) -> None:
        self._answer()


def _talk(act: Acting, steps: Any, about: Callable[..., bool], at_provider: Callable[..., int]) -> None:
    """Ask a partner about one step, which is due by now, or about all that are."""
    step = pick(steps, act.nth())
    EnrollmentStep.objects.filter(pk=step.pk, status=step.status, next_attempt_at__isnull=False).update(
        next_attempt_at=act.now
    )
    with ExitStack() as patches:
        for module in ASKING:
            patches.enter_context(patch.object(module, "get_gateway", lambda _: Partner(act)))
        patches.enter_context(patch.object(rounds, "log", Strict()))
        if act.yes():
            act.attempt(about, step_cuid=step.cuid)
        else:
            Provider.objects.filter(pk=step.provider_id).update(next_round_at=None)
            _apply(act, at_provider, provider_id=step.provider_id)


def _hear_from_a_partner(act: Acting, kind: str) -> None:
    step = pick(STEPS, act.nth())
    provider = Provider.objects.get(pk=step.provider_id)
    if not provider.webhook_secret:  # as `create_provider` would have made it
        Provider.objects.filter(pk=provider.pk, webhook_secret="").update(webhook_secret=new_signing_secret())
        provider.refresh_from_db()
    data = {"enrollmentId": f"their-{step.pk}", "progress": act.chance.randrange(101), "certificateId": "c-1"}
    raw = json.dumps({"event": kind, "data": data}).encode()
    name = f"msg-{act.chance.randrange(200)}"

    def hear_from_a_partner(*, now: dt.datetime) -> None:
        signed = Webhook(provider.webhook_secret).sign(name, now, raw.decode())
        headers = {
            "webhook-id": name,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": signed,
        }
        event, _ = receive_event(slug=provider.slug, raw=raw, headers=headers, now=now)
        if act.yes():
            PartnerEvent.objects.filter(pk=event.pk, handled_at=None).update(next_attempt_at=now)
        else:
            handle_event(event_id=event.pk, now=now)

    _apply(act, hear_from_a_partner)


def _apply(act: Acting, use_case: Callable[..., Any], **arguments: Any) -> None:
    """Attempt what applies partners' messages. Errors that leave a message for later are failures here."""
    with patch.object(inbox, "log", Strict()), patch.object(inbox, "BATCH", 5):
        act.attempt(use_case, **arguments)


def _change_a_partner(act: Acting) -> None:
    changes: dict[str, Any] = act.chance.choice(
        [
            {"adapter": Adapter.MANUAL},
            {"adapter": Adapter.REST, "base_url": "https://other.example.test"},
            {"field_map": NAMES_OF_OTHERS},
            {"field_map": {}},
            {"timeout_seconds": act.chance.randrange(1, 60)},
            {"contact_email": "desk@partner.test"},
        ]
    )
    act.on(PARTNERS, change_provider, "provider_id", **changes)


def _bring_results(act: Acting) -> None:
    """Import a list of results of a partner that has no API by then."""
    step = pick(OPEN, act.nth())
    provider = change_provider(provider_id=step.provider_id, adapter=Adapter.MANUAL, now=act.now)
    lines = ["step,result,external_id,reason"]
    for each in EnrollmentStep.objects.current().filter(provider=provider).order_by("pk"):
        result = act.chance.choice(["accepted", "completed", "refused"])
        lines.append(f"{each.cuid},{result},their-{each.pk},So it is")
    act.attempt(import_results, provider=provider, file=io.BytesIO("\n".join(lines).encode()), actor=STAFF)
    change_provider(provider_id=step.provider_id, adapter=Adapter.REST, now=act.now)


def _course(act: Acting) -> str:
    return f"course-{act.nth()}"


def _version(act: Acting) -> int:
    active = PartnerSequence.objects.filter(program=act.instance.program_id, active=True)
    return active.values_list("version", flat=True).first() or 0


def _define_a_sequence(act: Acting) -> None:
    slugs = [provider.slug for provider in PARTNERS.order_by("pk")]
    count = act.chance.randrange(1, 4)
    items = [ItemDraft(slug, f"course-{number}") for slug in slugs for number in (1, 2)]
    items = act.chance.sample(items, count)
    rule = act.chance.choice(list(GroupRule))
    at_least = 1 if rule == GroupRule.AT_LEAST else None
    groups = [GroupDraft(tuple(items), rule, at_least)]
    if count > 1 and act.yes():
        groups = [GroupDraft((items[0],)), GroupDraft(tuple(items[1:]), rule, at_least)]
    act.attempt(define_sequence, program_id=act.instance.program_id, groups=groups, actor=STAFF)


def _send_nudges(act: Acting) -> None:
    """Nudge at any hour, after one learner has been stuck for a while, and a week after the nudges before."""
    week = dt.timedelta(days=8)
    stuck = pick(EnrollmentStep.objects.under_way(), act.nth())
    EnrollmentStep.objects.filter(pk=stuck.pk).update(changed_at=stuck.changed_at - week)
    nudge = Nudge.objects.order_by("?").first()
    if nudge is not None:
        Nudge.objects.filter(pk=nudge.pk).update(
            **{name: F(name) - week for name in ("last_sent_at", "next_attempt_at", "stopped_at")}
        )
    with (
        patch.object(sending, "BEGINS_AT", 0),
        patch.object(sending, "ENDS_AT", 24),
        patch.object(sending, "log", Strict()),
    ):
        act.attempt(sending.send_nudges)


def _raise_breaches(act: Acting) -> None:
    late = pick(EnrollmentStep.objects.under_way(), act.nth())
    EnrollmentStep.objects.filter(pk=late.pk).update(changed_at=late.changed_at - dt.timedelta(days=30))
    with patch.object(service_levels, "log", Strict()):
        act.attempt(service_levels.raise_breaches, limit=20)
