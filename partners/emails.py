"""The mail to a family whose learner has a certificate."""

from enrollments.emails import addresses_about, hears_from_us, may_read
from events.publishing import handles
from notifications.letters import Email, register_email
from notifications.models import Notification
from notifications.sending import notify

from .events import CertificateIssued
from .letters import ISSUED, write_certificate
from .models import Certificate, CertificateQuerySet


@handles(CertificateIssued)
def tell_of_certificate(event: CertificateIssued) -> None:
    """Mail the family, also about a replacement: the URL it has shows the old certificate."""
    certificate = _get(event.serial)
    if not hears_from_us(certificate.enrollment):
        return
    for address in addresses_about(certificate.enrollment):
        notify(
            workspace_id=event.workspace_id,
            kind=ISSUED,
            recipient=address,
            subject_key=f"certificate:{event.serial}",
            params={"certificate": certificate.pk},
            now=event.occurred_at,
        )


def render_issued(notification: Notification) -> Email | None:
    """Return None if it is no longer valid."""
    certificate = _certificates().get(pk=notification.params["certificate"])
    is_so_still = certificate.is_live and may_read(certificate.enrollment, notification)
    return write_certificate(certificate) if is_so_still else None


def _get(serial: str) -> Certificate:
    return _certificates().get(serial=serial)


def _certificates() -> CertificateQuerySet:
    return Certificate.objects.select_related("enrollment__learner", "enrollment__lead", "enrollment__workspace")


register_email(ISSUED, render_issued)
