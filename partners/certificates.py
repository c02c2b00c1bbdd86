"""Certificates: issued when a program is completed and nothing is owed for it, and revoked when that is no longer true.

`follow_completion` brings an enrollment's certificate in line with the enrollment, however often it is called. Staff
revoke and reissue by hand; what they have revoked never comes back automatically (docs/decisions/0076).
"""

import datetime as dt

from django.db import transaction

from core.actors import SYSTEM, Actor
from core.errors import invalid_field
from core.text import fit
from enrollments.locks import lock_enrollment
from enrollments.models import Enrollment
from enrollments.states import FUNDED, ParticipationStatus
from events.publishing import publish

from .errors import CertificateNotEarned, CertificateNotFound, CertificateRevokedAlready
from .events import CertificateIssued, CertificateRevoked
from .models import Certificate
from .progression import is_enrollment_complete
from .states import Revocation

NO_LONGER_EARNED = "The enrollment is no longer completed and paid"


@transaction.atomic
def issue_certificate(*, enrollment_id: int, actor: Actor, now: dt.datetime) -> Certificate:
    """Return the certificate of a completed enrollment, issuing it if needed. Raises CertificateNotEarned."""
    enrollment = lock_enrollment(enrollment_id)
    if live := _find_live(enrollment):
        return live
    if not is_earned(enrollment):
        raise CertificateNotEarned
    return _issue(enrollment, replaces=None, actor=actor, now=now)


@transaction.atomic
def follow_completion(*, enrollment_id: int, now: dt.datetime) -> Certificate | None:
    """Issue what was earned, or revoke what no longer is; returns the live certificate."""
    enrollment = lock_enrollment(enrollment_id)
    live = _find_live(enrollment)
    earned = is_earned(enrollment)
    if live is not None and not earned:
        _revoke(live, Revocation.NOT_EARNED, reason=NO_LONGER_EARNED, actor=SYSTEM, now=now)
        return None
    if live is None and earned and not _was_withdrawn(enrollment):
        return _issue(enrollment, replaces=None, actor=SYSTEM, now=now)
    return live


@transaction.atomic
def revoke_certificate(*, certificate_id: int, reason: str, actor: Actor, now: dt.datetime) -> Certificate:
    """Revoke it for good. Raises CertificateNotFound, CertificateRevokedAlready, Invalid without a reason."""
    why = _required(reason, "Say why the certificate is not valid any more.")
    certificate = _lock_live(certificate_id)
    _revoke(certificate, Revocation.WITHDRAWN, reason=why, actor=actor, now=now)
    return certificate


@transaction.atomic
def reissue_certificate(*, certificate_id: int, reason: str, actor: Actor, now: dt.datetime) -> Certificate:
    """Replace a live certificate with one that has the learner's current name and the program's current title.

    Raises CertificateNotFound, CertificateRevokedAlready, and Invalid without a reason.
    """
    why = _required(reason, "Say why it is issued again: the learner's name has changed, for example.")
    certificate = _lock_live(certificate_id)
    _revoke(certificate, Revocation.REPLACED, reason=why, actor=actor, now=now)
    return _issue(certificate.enrollment, replaces=certificate, actor=actor, now=now)


def count_of_learner(learner_id: int) -> int:
    """Return how many valid certificates carry the learner's name."""
    return Certificate.objects.live().filter(enrollment__learner=learner_id).count()


@transaction.atomic
def reissue_to_learner(learner_id: int, reason: str, actor: Actor, now: dt.datetime) -> int:
    """Replace each of them with one that has the current name, while the learner is locked; returns how many."""
    live = Certificate.objects.live().filter(enrollment__learner=learner_id).order_by("enrollment_id")
    keys = list(live.values_list("pk", flat=True))
    for key in keys:
        reissue_certificate(certificate_id=key, reason=reason, actor=actor, now=now)
    return len(keys)


def is_earned(enrollment: Enrollment) -> bool:
    """Return whether the program is completed and nothing is owed; an expired one was completed without its steps."""
    return (
        enrollment.participation_status == ParticipationStatus.COMPLETED
        and enrollment.payment_status in FUNDED
        and enrollment.deleted_at is None
        and is_enrollment_complete(enrollment_id=enrollment.pk)
    )


def _find_live(enrollment: Enrollment) -> Certificate | None:
    live = Certificate.objects.live().filter(enrollment=enrollment).first()
    if live is not None:
        live.enrollment = enrollment
    return live


def _was_withdrawn(enrollment: Enrollment) -> bool:
    """Return whether staff revoked the last one: then only they issue another."""
    last = enrollment.certificates.order_by("-pk").values_list("revocation", flat=True).first()
    return last == Revocation.WITHDRAWN


def _lock_live(certificate_id: int) -> Certificate:
    enrollment_id = Certificate.objects.filter(pk=certificate_id).values_list("enrollment_id", flat=True).first()
    if enrollment_id is None:
        raise CertificateNotFound
    enrollment = lock_enrollment(enrollment_id)
    certificate = Certificate.objects.get(pk=certificate_id)
    if not certificate.is_live:
        raise CertificateRevokedAlready
    certificate.enrollment = enrollment
    return certificate


def _issue(enrollment: Enrollment, *, replaces: Certificate | None, actor: Actor, now: dt.datetime) -> Certificate:
    certificate = Certificate.objects.create(
        enrollment=enrollment,
        learner_name=fit(Certificate, "learner_name", str(enrollment.person)),
        program_title=fit(Certificate, "program_title", enrollment.instance.program.title),
        issued_at=now,
        issued_by=str(actor),
        replaces=replaces,
    )
    publish(
        CertificateIssued(
            workspace_id=enrollment.workspace_id,
            occurred_at=now,
            serial=certificate.serial,
            enrollment_cuid=enrollment.cuid,
            replaces=replaces.serial if replaces else None,
        )
    )
    return certificate


def _revoke(certificate: Certificate, revocation: Revocation, *, reason: str, actor: Actor, now: dt.datetime) -> None:
    certificate.revoked_at = now
    certificate.revocation = revocation
    certificate.revoked_reason = fit(Certificate, "revoked_reason", reason)
    certificate.revoked_by = str(actor)
    certificate.save(update_fields=["revoked_at", "revocation", "revoked_reason", "revoked_by"])
    publish(
        CertificateRevoked(
            workspace_id=certificate.enrollment.workspace_id,
            occurred_at=now,
            serial=certificate.serial,
            enrollment_cuid=certificate.enrollment.cuid,
            revocation=revocation,
        )
    )


def _required(reason: str, remedy: str) -> str:
    if not reason.strip():
        raise invalid_field("reason", "required", remedy)
    return reason.strip()
