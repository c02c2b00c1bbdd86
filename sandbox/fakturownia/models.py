from django.db import models
from django.utils.crypto import get_random_string

from sandbox.knobs import clock


def new_token() -> str:
    return get_random_string(21)


class Account(models.Model):
    """One company's account. It is created by being set up, or by the first request: then it accepts any token."""

    slug = models.CharField(max_length=50, unique=True)
    api_token = models.CharField(max_length=200, blank=True)  # if empty, any token works
    reports = models.BooleanField(default=False)  # whether its invoices go to the tax office as e-invoices

    def __str__(self) -> str:
        return self.slug


class Document(models.Model):
    """An invoice or a correction, as it was sent; Fakturownia adds the id and the number."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="documents")
    kind = models.CharField(max_length=20)
    month = models.CharField(max_length=7)  # numbers count within a kind and month
    position = models.PositiveIntegerField()
    oid = models.CharField(max_length=255, blank=True, db_index=True)
    body = models.JSONField()
    token = models.CharField(max_length=40, default=new_token)
    gov_status = models.CharField(max_length=20, blank=True)
    cancelled = models.BooleanField(default=False)
    cancel_reason = models.TextField(blank=True)
    created = models.BigIntegerField(default=clock.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "kind", "month", "position"], name="document_numbered_once")
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def number(self) -> str:
        """Return the number in an account's default format: 1/11/2026, and K1/11/2026 for a correction."""
        year, month = self.month.split("-")
        return f"{'K' if self.kind == 'correction' else ''}{self.position}/{month}/{year}"
