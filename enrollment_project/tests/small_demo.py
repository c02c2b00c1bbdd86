"""A small demo of two workspaces, with people of every role in the first."""

import contextlib
import dataclasses
import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib import admin
from django.db import models, transaction
from django.test import Client
from django.urls import reverse

from accounts.api_keys import create_api_key
from accounts.consents import give_consents, list_asked, publish_text
from accounts.guardian_invitations import invite_guardian
from accounts.guardians import find_or_create_guardian
from accounts.invitations import invite_member
from accounts.merging import merge_learners
from accounts.models import Membership, User, Workspace
from accounts.name_changes import ask_for_name
from accounts.roles import POWERS, Power
from accounts.states import ConsentWay, Role
from accounts.tests.factories import LearnerFactory, StaffFactory
from backoffice.models import AuditEntry, Export
from backoffice.scoping import WorkspaceScopedAdmin
from billing.mismatches import look_for_mismatches
from billing.models import Discount, LedgerLine, MonthClose, Payment, PayoutLine, ReconciliationRun, Seller
from billing.tests.factories import VoucherFactory, paid_out
from core.actors import SYSTEM
from core.clock import utc_now
from core.models import IdempotencyRecord
from demo import stripe
from demo.catalog import ORGANIZATIONS
from demo.load import load_demo
from enrollments.evaluation import request_evaluation
from enrollments.exit import plan_exit
from enrollments.models import Application, Enrollment, HeldReview, IdleSeat, ImportJob, Inquiry, SeatAssignment
from enrollments.states import Applicant
from enrollments.tests.factories import InstanceFactory
from events.webhooks.endpoints import create_endpoint
from events.webhooks.queueing import fan_out
from notifications.wording import begin_letter
from operations.models import Backup, Examination, Finding
from partners.models import AT_MOST, WEEK, Certificate, Nudge, PartnerEvent
from partners.tests.factories import accept, approved, define, group, steps_of
from privacy.models import Erasure, Retention
from privacy.wishes import ask_for_deletion
from tests.kept_rows import make_once

MINE, OTHERS = "bright-futures", "harbor-skills"

ROLES = [*Role.values, "stranger", "superuser"]
BY_POWER = ["stranger", "viewer", "reviewer", "finance", "admin", "owner", "superuser"]
ADMINS = [pytest.param(page, id=model._meta.model_name) for model, page in admin.site._registry.items()]
SignIn = Callable[[str], Client]


@contextlib.contextmanager
def small_demo(blocker: Any, folder: Path) -> Iterator[None]:
    """Load a small demo of two workspaces, with people of every role in the first, and roll it back afterward. The
    processes of a test run share it through the folder.
    """
    with blocker.unblock(), transaction.atomic():
        make_once(folder, _make)
        yield
        transaction.set_rollback(True)


def _make() -> None:
    load_demo(organizations=tuple(dataclasses.replace(organization, families=9) for organization in ORGANIZATIONS))
    _add_what_the_demo_lacks()


def _add_what_the_demo_lacks() -> None:
    now = utc_now()
    Examination.objects.create(began_at=now)
    Backup.objects.create(name="2026-11-29-031700", made_at=now, rows=1000, files=2, size_bytes=3_000_000)
    broken = {
        "invariant": "enrollments.seat_counters_equal_their_holders",
        "row": "seat allocation 1",
        "fact": "Off by one",
    }
    Finding.objects.create(**broken, found_at=now, seen_at=now)
    ReconciliationRun.objects.create(started_at=now, window_start=now)
    IdempotencyRecord.objects.create(scope="key:1", key="k", fingerprint="f", locked_until=now, created_at=now)
    for slug in (MINE, OTHERS):
        workspace = Workspace.objects.get(slug=slug)
        create_endpoint(workspace_id=workspace.pk, url="https://hooks.example.org/in", event_types=["*"], now=now)
        Seller.objects.create(workspace=workspace, name=workspace.name)
        invite_member(workspace_id=workspace.pk, email="new@role.test", role=Role.VIEWER, invited_by=None, now=now)
        guardian = find_or_create_guardian(workspace_id=workspace.pk, external_id="G-invited")
        invite_guardian(guardian_id=guardian.pk, email="new@home.test", invited_by=None, now=now)
        create_api_key(workspace_id=workspace.pk, name="Portal", scopes=["decisions:read"], now=now)
        payment = Payment.objects.filter(workspace__slug=slug, status="paid").first()
        assert payment is not None
        stripe.dispute(payment, payment.pk, "needs_response")
        line = paid_out(payment)
        PayoutLine.objects.filter(pk=line.pk).update(payment=None, payment_intent_id="pi_elsewhere")
        look_for_mismatches(workspace_id=workspace.pk, now=now)
        close = MonthClose.objects.create(workspace=workspace, month=now.date(), closed_at=now, closed_by="system")
        LedgerLine.objects.create(
            workspace=workspace,
            close=close,
            payment=payment,
            month=close.month,
            date=close.month,
            is_late=False,
            account="payments",
            source=f"payment:{payment.pk}",
            number=2,
            gross_minor=payment.amount_minor,
            currency=payment.currency,
        )
        voucher = VoucherFactory(workspace=workspace, kind="free", uses=1)
        Discount.objects.create(
            workspace=workspace,
            source="voucher",
            voucher=voucher,
            purpose="elsewhere",
            subject=slug,
            list_minor=4900,
            discount_minor=4900,
            currency="usd",
        )
        request_evaluation(
            instance_id=workspace.program_instances.values_list("pk", flat=True)[0], actor=SYSTEM, now=now
        )
        enrolled = (
            Enrollment.objects.current().filter(workspace=workspace, eligibility_status="approved").earliest("pk")
        )
        plan_exit(
            enrollment_id=enrolled.pk,
            effective_date=now.date() + dt.timedelta(days=30),
            reason="Moves away",
            actor=SYSTEM,
            now=now,
        )
        Certificate.objects.create(
            enrollment=enrolled, learner_name="June Roe", program_title="Algebra I", issued_at=now, issued_by="system"
        )
        training = InstanceFactory(workspace=workspace, price=None, is_default=False)
        define(training, group(training, 1))
        step = accept(steps_of(approved(training))[0])
        PartnerEvent.objects.create(
            provider=step.provider, event_id="1", type="course.completed", external_enrollment_id="nobody's"
        )
        Nudge.objects.create(
            workspace=workspace,
            enrollment=step.enrollment,
            recipient="home@home.test",
            sent_count=AT_MOST,
            last_sent_at=now,
            next_attempt_at=now + WEEK,
            given_up_at=now,
        )
        ImportJob.objects.create(
            workspace=workspace,
            instance=workspace.program_instances.earliest("pk"),
            stage="import",
            status="completed",
            actor="system",
        )
        Application.objects.create(
            workspace=workspace,
            instance=workspace.program_instances.earliest("pk"),
            submission=f"submission-{slug}",
            applicant=Applicant.LEARNER,
            email="applicant@home.test",
            token_digest=f"digest-{slug}",
            expires_at=now + dt.timedelta(days=7),
        )
        Inquiry.objects.create(
            enrollment=enrolled, question="Which grade?", asked_by="system", asked_at=now, due_at=now
        )
        HeldReview.objects.create(
            enrollment=enrolled, outcome="approved", decided_by="system", next_attempt_at=now + dt.timedelta(hours=1)
        )
        seat = SeatAssignment.objects.filter(enrollment__workspace=workspace).earliest("pk")
        IdleSeat.objects.create(seat=seat, idle_since=now, asked_at=now, due_at=now)
        Export.objects.create(source="enrollments", format="csv", workspace=workspace)
        AuditEntry.objects.create(at=now, actor="user:1", workspace=workspace, model="billing.payment", action="Refund")
        begin_letter(workspace_id=workspace.pk, kind="enrollment_approved", actor=SYSTEM, now=now)
        drop, keep = (LearnerFactory(workspace=workspace, email=f"{name}@home.test") for name in ("drop", "keep"))
        merge_learners(keep_id=keep.pk, drop_id=drop.pk, actor=SYSTEM, reason="Entered twice", now=now)
        Erasure.objects.create(
            workspace=workspace, learner_cuid=f"erased-{slug}", reason="asked", actor="system", erased_at=now
        )
        Retention.objects.create(workspace=workspace, mails_days=90)
        publish_text(
            workspace_id=workspace.pk,
            purpose="photos",
            title="Photos",
            text="May we show photos?",
            is_required=False,
            from_at=now,
            actor=SYSTEM,
            now=now,
        )
        photos = [text.pk for text in list_asked(workspace_id=workspace.pk, now=now) if text.purpose == "photos"]
        give_consents(
            learner_id=keep.pk, address="keep@home.test", text_ids=photos, way=ConsentWay.PAPER, actor=SYSTEM, now=now
        )
        ask_for_name(learner_id=keep.pk, first_name="Otherwise", last_name="Known", actor=SYSTEM, now=now)
        ask_for_deletion(learner_id=LearnerFactory(workspace=workspace).pk, actor=SYSTEM, now=now)
    while fan_out(now=now):
        pass
    for role in Role.values:
        user = StaffFactory(email=f"{role}@role.test")
        Membership.objects.create(workspace=Workspace.objects.get(slug=MINE), user=user, role=role)
    StaffFactory(email="stranger@role.test")
    StaffFactory(email="superuser@role.test", is_superuser=True)


def person(role: str) -> User:
    return User.objects.get(email=f"{role}@role.test")


def holds(role: str, power: Power | None) -> bool:
    if power is None or role == "stranger":
        return False
    return role == "superuser" or power in POWERS[Role(role)]


def url(page: Any, view: str, *args: Any) -> str:
    return reverse(f"admin:{page.opts.app_label}_{page.opts.model_name}_{view}", args=args)


def row_of(page: WorkspaceScopedAdmin, slug: str) -> models.Model | None:
    """Return a row of that workspace, or any row if the model belongs to the platform."""
    rows = page.model._default_manager.all()
    if page.model is User:
        return rows.filter(memberships__workspace__slug=slug).exclude(memberships__workspace__slug=MINE).first()
    if page.workspace_path == "id":
        return rows.get(slug=slug)
    return rows.filter(**{f"{page.workspace_path}__slug": slug}).first() if page.workspace_path else rows.first()


def my_row_of(page: WorkspaceScopedAdmin) -> models.Model:
    row = User.objects.get(email="viewer@role.test") if page.model is User else row_of(page, MINE)
    assert row is not None
    return row


def border(power: Power | None) -> list[str]:
    """Return the most powerful role that lacks a power, then the least powerful one that has it, if any. Of reviewer
    and finance, the one that lacks it comes first.
    """
    lacking = [role for role in BY_POWER if not holds(role, power)]
    return [lacking[-1], *[role for role in BY_POWER if holds(role, power)][:1]]


def buttons() -> list[Any]:
    return list(_buttons())


def _buttons() -> Iterator[Any]:
    for model_admin in admin.site._registry.values():
        assert isinstance(model_admin, WorkspaceScopedAdmin)
        on_row, on_list = model_admin._get_base_actions_detail(), model_admin._get_base_actions_list()
        for kind, found in (("row", on_row), ("list", on_list)):
            for button in found:
                kind_of = f"{model_admin.opts.app_label}_{model_admin.opts.model_name}_"
                name = f"{model_admin.opts.model_name}.{button.action_name.removeprefix(kind_of)}"
                yield pytest.param(model_admin, kind, name, button, id=name)
