from django.db import models

from enrollments.models import Enrollment

from ..serials import new_serial
from ..states import Revocation


class CertificateQuerySet(models.QuerySet["Certificate"]):
    def live(self) -> "CertificateQuerySet":
        """Return those that are valid."""
        return self.filter(revoked_at=None)


class Certificate(models.Model):
    """The proof that a learner has completed a program, as it was printed.

    Invariants: one live certificate per enrollment; revoked exactly while it has a revocation and its time; a serial is
    never reused; a certificate replaces at most one other, of the same enrollment. The name and the title are copies,
    so a certificate says the same for as long as it exists.
    """

    enrollment = models.ForeignKey(Enrollment, on_delete=models.PROTECT, related_name="certificates")
    serial = models.CharField(max_length=23, unique=True, default=new_serial, editable=False)
    learner_name = models.CharField(max_length=300)
    program_title = models.CharField(max_length=200)
    issued_at = models.DateTimeField(editable=False)
    issued_by = models.CharField(max_length=64)
    replaces = models.OneToOneField("self", on_delete=models.PROTECT, null=True, blank=True, related_name="replacement")
    revoked_at = models.DateTimeField(null=True, blank=True)
    revocation = models.CharField(max_length=10, choices=Revocation.choices, blank=True)
    revoked_reason = models.CharField(max_length=300, blank=True)
    revoked_by = models.CharField(max_length=64, blank=True)

    objects = CertificateQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["enrollment"], condition=models.Q(revoked_at__isnull=True), name="certificate_one_live"
            ),
            models.CheckConstraint(
                condition=models.Q(revocation__in=["", *Revocation.values]), name="certificate_revocation_known"
            ),
            models.CheckConstraint(
                condition=(models.Q(revoked_at__isnull=True) & models.Q(revocation=""))
                | (models.Q(revoked_at__isnull=False) & ~models.Q(revocation="")),
                name="certificate_revoked_iff_dated",
            ),
        ]

    def __str__(self) -> str:
        return f"Certificate {self.serial}"

    @property
    def is_live(self) -> bool:
        return self.revoked_at is None
