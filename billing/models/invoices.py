import datetime as dt

from django.core.validators import URLValidator
from django.db import models
from django.db.models.functions import Now
from django_fsm import FSMField, transition

from accounts.models import Workspace
from core.addresses import AddressField
from core.clock import utc_now
from core.ids import new_cuid
from core.local_time import local_date
from core.money import Money
from core.sealing import SealedTextField

from ..purposes import Service
from ..states import UNISSUED_INVOICES, InvoiceProvider, InvoiceStatus
from .payments import Payment


class Seller(models.Model):
    """A workspace's data on its invoices, and who issues them. Without this row, only its name appears."""

    workspace = models.OneToOneField(Workspace, on_delete=models.PROTECT, related_name="seller")
    name = models.CharField(max_length=200, help_text="The legal name, as the tax office knows it.")
    tax_id = models.CharField("tax id", max_length=30, blank=True)
    address = models.TextField(blank=True, max_length=500, help_text="As it is printed, line by line.")
    footer = models.CharField(
        max_length=300, blank=True, help_text="Printed at the bottom of each invoice: a register number, a bank."
    )
    provider = models.CharField(
        "issued by",
        max_length=12,
        choices=InvoiceProvider.choices,
        default=InvoiceProvider.LOCAL,
        help_text="Local invoices are numbered and printed here.",
    )
    base_url = models.URLField(
        "address of the account",
        max_length=200,
        blank=True,
        validators=[URLValidator(["http", "https"])],
        help_text="Fakturownia only: https://your-account.fakturownia.pl",
    )
    api_token = SealedTextField("API token", blank=True, help_text="Fakturownia only. It is never shown again.")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(provider__in=InvoiceProvider.values), name="seller_provider_known"
            ),
            models.CheckConstraint(
                condition=models.Q(provider=InvoiceProvider.LOCAL) | (~models.Q(base_url="") & ~models.Q(api_token="")),
                name="seller_vendor_has_account",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class InvoiceSeries(models.Model):
    """How far a workspace has counted its invoices, and separately their corrections, in a year. A transaction that
    takes a number holds this row until it ends, so no number is used twice and none is lost."""

    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="invoice_series")
    year = models.PositiveSmallIntegerField()
    last_number = models.PositiveIntegerField(default=0)
    last_correction = models.PositiveIntegerField(default=0, db_default=0)

    class Meta:
        verbose_name_plural = "invoice series"
        constraints = [models.UniqueConstraint(fields=["workspace", "year"], name="invoice_series_once")]

    def __str__(self) -> str:
        return f"Invoices of {self.year}: {self.last_number}, corrections: {self.last_correction}"


class InvoiceQuerySet(models.QuerySet["Invoice"]):
    def standing(self) -> "InvoiceQuerySet":
        """Select those that count, without canceled ones, which others have replaced."""
        return self.exclude(status=InvoiceStatus.CANCELLED)

    def to_issue(self) -> "InvoiceQuerySet":
        """Select those that a vendor is to issue."""
        return self.filter(status=InvoiceStatus.REQUESTED)


class Invoice(models.Model):
    """What a payer gets for their books: a payment's invoice, or its correction when money went back.

    Invariants: its content never changes; once issued it has a number, and ours count without gaps per workspace,
    series, and year; a payment has one invoice that stands, and together with its corrections it equals what is left of
    the payment.
    """

    cuid = models.CharField(max_length=32, unique=True, default=new_cuid, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="invoices")
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="invoices")
    corrects = models.ForeignKey("self", null=True, blank=True, on_delete=models.PROTECT, related_name="corrections")
    replaces = models.OneToOneField(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="replaced_by"
    )  # the canceled one that it replaces
    provider = models.CharField(max_length=12, choices=InvoiceProvider.choices, default=InvoiceProvider.LOCAL)
    status = FSMField(
        max_length=9,
        choices=InvoiceStatus.choices,
        default=InvoiceStatus.REQUESTED,
        protected=True,
    )
    number = models.CharField(max_length=40, blank=True)  # e.g. "2026-000123"; vendors use their own
    requested_at = models.DateTimeField(default=utc_now, db_default=Now(), editable=False)
    issued_at = models.DateTimeField(null=True, editable=False)
    issued_on = models.DateField(
        null=True, editable=False
    )  # its date in the workspace's time zone; null: not issued, or before 2026-12, UTC
    seller_name = models.CharField(max_length=200)
    seller_tax_id = models.CharField(max_length=30, blank=True, default="", db_default="")
    seller_address = models.TextField(blank=True, default="", db_default="")
    footer = models.CharField(max_length=300, blank=True, default="", db_default="")
    buyer_name = models.CharField(max_length=200, blank=True)
    buyer_tax_id = models.CharField(max_length=30, blank=True, default="", db_default="")
    buyer_email = AddressField(max_length=254, blank=True)
    buyer_address = models.TextField(blank=True)
    amount_minor = models.IntegerField()  # negative on a correction for money that went back
    currency = models.CharField(max_length=3)
    lines = models.JSONField()  # each an `InvoiceLine`
    # Of a correction: what moved since the previous document, and the refund or dispute that moved it (`source`).
    sources: "models.JSONField[dict[str, int], dict[str, int]]" = models.JSONField(
        default=dict, db_default={}, editable=False
    )
    reason = models.CharField(max_length=300, blank=True, default="", db_default="")  # of a correction or cancellation
    # What a vendor knows, and the state of the request to it.
    external_id = models.CharField(max_length=64, blank=True, default="", db_default="", editable=False)
    e_invoice_state = models.CharField(max_length=30, blank=True, default="", db_default="", editable=False)
    asked_at = models.DateTimeField(null=True, editable=False)  # set before the call, so the vendor may know the result
    cancel_requested_at = models.DateTimeField(null=True, editable=False)  # the vendor has yet to be told
    attempts = models.PositiveSmallIntegerField(default=0, db_default=0)
    next_attempt_at = models.DateTimeField(null=True, blank=True)
    last_error = models.CharField(max_length=300, blank=True, default="", db_default="")

    objects = InvoiceQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "provider", "number"],
                condition=~models.Q(number=""),
                name="invoice_number_unique",
            ),
            models.UniqueConstraint(
                fields=["payment"],
                condition=models.Q(corrects__isnull=True) & ~models.Q(status=InvoiceStatus.CANCELLED),
                name="invoice_one_per_payment",
            ),
            models.CheckConstraint(
                condition=models.Q(provider__in=InvoiceProvider.values), name="invoice_provider_known"
            ),
            models.CheckConstraint(condition=models.Q(status__in=InvoiceStatus.values), name="invoice_status_known"),
            models.CheckConstraint(
                condition=models.Q(status__in=UNISSUED_INVOICES, number="", issued_at=None)
                | (models.Q(issued_at__isnull=False) & ~models.Q(number="") & ~models.Q(status__in=UNISSUED_INVOICES)),
                name="invoice_numbered_iff_issued",
            ),
            models.CheckConstraint(
                condition=models.Q(corrects__isnull=False) | models.Q(amount_minor__gt=0),
                name="invoice_amount_positive",
            ),
        ]
        indexes = [
            models.Index(fields=["buyer_email", "-id"], name="invoice_by_buyer"),
            models.Index(
                fields=["next_attempt_at"],
                condition=models.Q(next_attempt_at__isnull=False),
                name="invoice_due",
            ),
            models.Index(fields=["workspace", "issued_on"], name="invoice_by_day"),
        ]

    def __str__(self) -> str:
        kind = "Correction" if self.corrects_id else "Invoice"
        return f"{kind} {self.number}" if self.number else f"{kind} to be issued"

    @property
    def date(self) -> dt.date:
        """The date on the invoice. It was in UTC before invoices stored the workspace's date."""
        return self.issued_on or local_date(self.issued_at or self.requested_at, "UTC")

    @property
    def money(self) -> Money:
        return Money(self.amount_minor, self.currency)

    def states(self, source: str, minor: int) -> bool:
        """Return whether it states that this refund's or dispute's money is gone, or, with `minor` above zero, back."""
        return source in self.sources and (self.sources[source] < 0) == (minor < 0)

    @property
    def service(self) -> Service | None:
        """For whom, and for which days; None if nobody said, and before 2026-12."""
        stored = self.lines[0].get("service")
        return Service.read(stored) if stored else None

    @transition(field=status, source=[InvoiceStatus.REQUESTED, InvoiceStatus.FAILED], target=InvoiceStatus.ISSUED)
    def issue(self) -> None:
        """It has its number."""

    @transition(field=status, source=InvoiceStatus.REQUESTED, target=InvoiceStatus.FAILED)
    def fail(self) -> None:
        """The vendor refused, or never answered."""

    @transition(field=status, source=InvoiceStatus.FAILED, target=InvoiceStatus.REQUESTED)
    def retry(self) -> None:
        """Ask the vendor again."""

    @transition(field=status, source=InvoiceStatus.ISSUED, target=InvoiceStatus.CANCELLED)
    def cancel(self) -> None:
        """It was issued by mistake."""
