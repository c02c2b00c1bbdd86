"""What staff do with certificates and with partners' messages on their pages."""

from html import unescape
from typing import Any

import pytest
from django.contrib import admin
from django.urls import reverse
from django.utils.html import strip_tags

from accounts.states import Role
from accounts.tests.factories import WorkspaceFactory
from backoffice.tests.staff_client import StaffClient, said
from core.clock import utc_now
from enrollments.models import Enrollment
from partners.inbox import UNMATCHED
from partners.models import Certificate, PartnerEvent
from partners.states import PartnerStepStatus

from .factories import accept, approved, complete, steps_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def enrollment() -> Enrollment:
    found = approved(steps=1)
    complete(accept(steps_of(found)[0]))
    return found


@pytest.fixture
def certificate(enrollment: Enrollment) -> Certificate:
    return Certificate.objects.get(enrollment=enrollment)


def staff_of(enrollment: Enrollment, role: Role = Role.ADMIN) -> StaffClient:
    return StaffClient(workspace=enrollment.workspace, role=role)


def page(row: Any, name: str) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_{name}", args=[row.pk])


class TestACertificate:
    def test_is_issued_again_by_whom_and_why(self, enrollment: Enrollment, certificate: Certificate) -> None:
        staff = staff_of(enrollment)

        answer = staff.confirm(page(certificate, "reissue"), {"reason": "Renamed"})

        issued = Certificate.objects.exclude(pk=certificate.pk).get()
        certificate.refresh_from_db()
        assert said(answer) == [f"Certificate {issued.serial} replaces it."]
        assert (issued.issued_by, issued.replaces_id) == (f"user:{staff.user.pk}", certificate.pk)
        assert (certificate.revocation, certificate.revoked_reason) == ("replaced", "Renamed")

    def test_is_revoked_by_whom_and_why(self, enrollment: Enrollment, certificate: Certificate) -> None:
        staff = staff_of(enrollment)

        answer = staff.confirm(page(certificate, "revoke"), {"reason": "Not theirs"})

        certificate.refresh_from_db()
        assert said(answer) == ["The certificate is revoked."]
        assert (certificate.revocation, certificate.revoked_reason) == ("withdrawn", "Not theirs")
        assert certificate.revoked_by == f"user:{staff.user.pk}"
        assert Certificate.objects.count() == 1

    def test_is_downloaded_by_its_workspace_alone(self, enrollment: Enrollment, certificate: Certificate) -> None:
        address = page(certificate, "pdf")

        paper = staff_of(enrollment, Role.VIEWER).get(address)
        elsewhere = StaffClient(workspace=WorkspaceFactory(), role=Role.OWNER).get(address)

        assert (paper.status_code, paper["Content-Type"]) == (200, "application/pdf")
        assert certificate.serial in paper["Content-Disposition"]
        assert paper.content.startswith(b"%PDF-")
        assert elsewhere.status_code == 404

    def test_shows_its_state_and_where_others_see_it(self, enrollment: Enrollment, certificate: Certificate) -> None:
        shown = staff_of(enrollment).get(page(certificate, "change")).content.decode()

        assert reverse("certificate", args=[certificate.serial]) in shown
        assert page(certificate, "pdf") in shown
        assert f"{certificate.learner_name}: {certificate.program_title}, certificate {certificate.serial}" in shown


class TestAMessage:
    def test_is_applied_at_once(self) -> None:
        step = accept(steps_of(approved(steps=1))[0])
        event = PartnerEvent.objects.create(
            provider=step.provider,
            event_id="msg-1",
            type="course.completed",
            external_enrollment_id=step.external_enrollment_id,
            payload={},
            next_attempt_at=utc_now(),
        )

        answer = staff_of(step.enrollment).confirm(page(event, "handle"))

        step.refresh_from_db()
        event.refresh_from_db()
        assert step.status == PartnerStepStatus.COMPLETED
        assert said(answer) == [event.outcome]
        assert event.handled_at is not None

    @pytest.mark.parametrize(
        ("fields", "state"),
        [
            ({"handled_at": utc_now(), "unread": True}, "Handled"),
            ({"unread": True, "outcome": UNMATCHED}, "Can't be read"),
            ({"outcome": UNMATCHED, "last_error": "KeyError"}, "Nobody known by this id"),
            ({"last_error": "KeyError"}, "Failed"),
            ({}, "Waiting"),
        ],
    )
    def test_shows_what_became_of_it(self, fields: dict[str, Any], state: str) -> None:
        shown = admin.site.get_model_admin(PartnerEvent).state(PartnerEvent(**fields))  # type: ignore[attr-defined]

        assert unescape(strip_tags(shown)).strip() == state
