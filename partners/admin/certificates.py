from typing import Any

from django import forms
from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display
from unfold.enums import ActionVariant

from accounts.models import Learner
from accounts.roles import Power
from backoffice.actions import StaffForm, staff_action
from backoffice.actors import actor_column
from backoffice.display import Card, link_column, neighbor, neighbors_of, register_subject
from backoffice.previews import Preview
from backoffice.scoping import ScopedRelatedFilter, WorkspaceScopedAdmin, actor_of
from core.clock import utc_now
from enrollments.emails import addresses_about, hears_from_us
from enrollments.models import Enrollment
from notifications.wording import is_switched_off

from ..certificate_paper import file_name, render_certificate
from ..certificates import reissue_certificate, revoke_certificate
from ..consequences import tell_reissue
from ..letters import ISSUED
from ..models import Certificate

register_subject("certificate", Certificate)


class WhyForm(StaffForm):
    reason = forms.CharField(
        max_length=300,
        help_text="Kept with the certificate. Only colleagues read it.",
        widget=forms.Textarea(attrs={"rows": 3}),
    )


def is_live(certificate: Certificate) -> bool:
    return certificate.is_live


def foresee_reissue(certificate: Certificate, form: WhyForm) -> Preview:
    """Preview what the new certificate states, and who gets a mail."""
    enrollment = certificate.enrollment
    is_told = hears_from_us(enrollment) and not is_switched_off(kind=ISSUED, workspace_id=enrollment.workspace_id)
    addresses = addresses_about(enrollment) if is_told else []
    mails = f"A mail about it goes to {', '.join(addresses)}." if addresses else "No mail is sent."
    return Preview(tuple(tell_reissue(certificate)), mails=mails)


@admin.register(Certificate)
class CertificateAdmin(WorkspaceScopedAdmin):
    """Certificates as they were printed; they can't be changed."""

    workspace_path = "enrollment__workspace"
    actor_fields = ("issued_by", "revoked_by")
    list_display = ("serial", "standing", "learner_name", "program_title", "enrollment_link", "issued_at", "pdf")
    list_filter = (
        ("revoked_at", admin.EmptyFieldListFilter),
        ("revocation", ChoicesDropdownFilter),
        ("enrollment__workspace", ScopedRelatedFilter),
        "issued_at",
    )
    list_select_related = ("enrollment__learner", "enrollment__lead", "enrollment__instance", "enrollment__workspace")
    search_fields = ("serial__iexact", "learner_name__istartswith", "program_title__istartswith")
    search_through = ("enrollment",)
    search_help_text = "Serial number, learner's name or email, program, enrollment's CUID"
    date_hierarchy = "issued_at"
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("serial", "standing"),
                    ("learner_name", "program_title"),
                    ("enrollment_link", "pdf"),
                    ("issued_at", "by"),
                    ("replaced", "public_page"),
                )
            },
        ),
        ("Revocation", {"fields": (("revoked_at", "revocation"), ("taken_back_by", "revoked_reason"))}),
    )
    actions_detail = ("reissue", "revoke")
    by = actor_column("issued_by", "issued by")
    taken_back_by = actor_column("revoked_by", "revoked by")
    enrollment_link = link_column("enrollment", "enrollment")
    replaced = link_column("replaces", "replaces")

    def describe(self, row: Certificate) -> str:
        return f"{row.learner_name}: {row.program_title}, certificate {row.serial}"

    def tell_state(self, row: Certificate) -> str:
        return self.standing(row).lower()

    @display(description="status", ordering="revoked_at")
    def standing(self, certificate: Certificate) -> str:
        return str(certificate.get_revocation_display()) or "Valid"

    @staff_action(
        description="Issue again",
        power=Power.MANAGE,
        possible=is_live,
        form=WhyForm,
        preview=foresee_reissue,
        icon="refresh",
        explanation=(
            "The family gets a new certificate with the learner's current name and the "
            "program's current title, under a new number, and a mail about it. The page of "
            "this one says that it was replaced."
        ),
    )
    def reissue(self, request: HttpRequest, certificate: Certificate, form: StaffForm) -> str:
        issued = reissue_certificate(
            certificate_id=certificate.pk, reason=form.cleaned_data["reason"], actor=actor_of(request), now=utc_now()
        )
        return f"Certificate {issued.serial} replaces it."

    @staff_action(
        description="Revoke",
        power=Power.MANAGE,
        possible=is_live,
        form=WhyForm,
        icon="block",
        variant=ActionVariant.DANGER,
        explanation=(
            "From now on, the public page says that the certificate was revoked. The learner "
            "does not get another one automatically."
        ),
    )
    def revoke(self, request: HttpRequest, certificate: Certificate, form: StaffForm) -> str:
        revoke_certificate(
            certificate_id=certificate.pk, reason=form.cleaned_data["reason"], actor=actor_of(request), now=utc_now()
        )
        return "The certificate is revoked."

    @display(description="PDF")
    def pdf(self, certificate: Certificate) -> str:
        address = reverse("admin:partners_certificate_pdf", args=[certificate.pk])
        return format_html('<a class="text-link" href="{}">Download</a>', address)

    @display(description="public page")
    def public_page(self, certificate: Certificate) -> str:
        address = reverse("certificate", args=[certificate.serial])
        return format_html('<a class="text-link" href="{}">See what others see</a>', address)

    def get_urls(self) -> list[URLPattern]:
        download = self.admin_site.admin_view(self.download)
        return [path("<path:object_id>/pdf/", download, name="partners_certificate_pdf"), *super().get_urls()]

    def download(self, request: HttpRequest, object_id: str) -> HttpResponse:
        certificate: Any = self.get_visible(request, object_id)
        if certificate is None:
            raise Http404("There is no such certificate.")
        name = f'attachment; filename="{file_name(certificate)}"'
        paper = render_certificate(certificate)
        return HttpResponse(paper, content_type="application/pdf", headers={"Content-Disposition": name})


@neighbors_of(Learner)
def certificates_of_learner(request: HttpRequest, learner: Learner) -> Card:
    certificates = Certificate.objects.filter(enrollment__learner=learner).order_by("-pk")[:20]
    rows = [
        neighbor(
            certificate,
            title=certificate.program_title,
            note=f"{certificate.serial}, {certificate.get_revocation_display().lower() or 'valid'}",
            at=certificate.issued_at,
        )
        for certificate in certificates
    ]
    return Card("Certificates", rows, empty="None was issued.")


@neighbors_of(Enrollment)
def certificates_of_enrollment(request: HttpRequest, enrollment: Enrollment) -> Card:
    rows = [
        neighbor(certificate, note=certificate.get_revocation_display() or "Valid", at=certificate.issued_at)
        for certificate in enrollment.certificates.order_by("-pk")[:20]
    ]
    return Card("Certificates", rows, empty="None was issued.")
