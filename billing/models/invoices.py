import datetime as dt

from django.db import models

from accounts.models import Workspace
from core.addresses import AddressField
from core.clock import utc_now
from core.ids import new_cuid
from core.local_time import local_date
from core.money import Money

from ..states import InvoiceProvider
from .payments import Payment


class InvoiceSeries(models.Model):
    """How far a workspace has counted its invoices in a year. A transaction that takes a number holds this row until
    the end of the transaction, so none is given twice and none is lost."""

    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="invoice_series")
    year = models.PositiveSmallIntegerField()
    last_number = models.PositiveIntegerField(default=0)

    class Meta:
        verbose_name_plural = "invoice series"
        constraints = [models.UniqueConstraint(fields=["workspace", "year"], name="invoice_series_once")]

    def __str__(self) -> str:
        return f"Invoices of {self.year}: {self.last_number}"


class Invoice(models.Model):
    """What a payer gets for their books: a payment's invoice, or the correction of one when money went back.

    Invariant: never changed once issued; numbers count without gaps in a workspace and year; a payment has one invoice,
    and with its corrections it adds up to what is left of the payment.
    """

    cuid = models.CharField(max_length=32, unique=True, default=new_cuid, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="invoices")
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="invoices")
    corrects = models.ForeignKey("self", null=True, blank=True, on_delete=models.PROTECT, related_name="corrections")
    provider = models.CharField(max_length=12, choices=InvoiceProvider.choices, default=InvoiceProvider.LOCAL)
    number = models.CharField(max_length=20)  # e.g. "2026-000123"
    issued_at = models.DateTimeField(default=utc_now, editable=False)
    issued_on = models.DateField(
        null=True, editable=False
    )  # its date where the workspace is; null: before 2026-12, UTC
    seller_name = models.CharField(max_length=200)
    buyer_name = models.CharField(max_length=200, blank=True)
    buyer_email = AddressField(max_length=254, blank=True)
    buyer_address = models.TextField(blank=True)
    amount_minor = models.IntegerField()  # below zero on a correction for money that went back
    currency = models.CharField(max_length=3)
    lines = models.JSONField()  # [{"description": text, "amount_minor": number}]

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "number"], name="invoice_number_unique"),
            models.UniqueConstraint(
                fields=["payment"], condition=models.Q(corrects__isnull=True), name="invoice_one_per_payment"
            ),
            models.CheckConstraint(
                condition=models.Q(provider__in=InvoiceProvider.values), name="invoice_provider_known"
            ),
            models.CheckConstraint(
                condition=models.Q(corrects__isnull=False) | models.Q(amount_minor__gt=0),
                name="invoice_amount_positive",
            ),
        ]
        indexes = [models.Index(fields=["buyer_email", "-id"], name="invoice_by_buyer")]

    def __str__(self) -> str:
        return f"Correction {self.number}" if self.corrects_id else f"Invoice {self.number}"

    @property
    def date(self) -> dt.date:
        """The date on the invoice. It was UTC's before invoices kept the date of their workspace."""
        return self.issued_on or local_date(self.issued_at, "UTC")

    @property
    def money(self) -> Money:
        return Money(self.amount_minor, self.currency)
