from typing import Any

from django.db import models

from accounts.models import Workspace
from core.money import Money

from ..states import Account
from .payments import Payment


class MonthClose(models.Model):
    """A workspace's month whose lines and totals are frozen. Only one stands per month; a reopened month is closed by
    another row. `totals` are the sums of all lines of the month: account, currency, gross, fee."""

    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="+", db_index=False)
    month = models.DateField()  # its first day, in the workspace's time zone
    closed_at = models.DateTimeField()
    closed_by = models.CharField(max_length=64)
    note = models.CharField(max_length=300, blank=True)  # why it was closed while mismatches waited
    totals: Any = models.JSONField(default=list)
    reopened_at = models.DateTimeField(null=True, blank=True)
    reopened_by = models.CharField(max_length=64, blank=True)
    reopened_note = models.CharField(max_length=300, blank=True)

    class Meta:
        verbose_name = "closed month"
        verbose_name_plural = "closed months"
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "month"],
                condition=models.Q(reopened_at__isnull=True),
                name="month_close_stands_once",
            ),
            models.CheckConstraint(
                condition=models.Q(reopened_at__isnull=True) | ~models.Q(reopened_note=""),
                name="month_close_reopened_with_reason",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.month:%B %Y}"


class LedgerLine(models.Model):
    """What one movement of money adds to the books, written when a month is closed and never changed (a database
    trigger refuses it): later differences get a further line (`number`). `is_late` marks a line of an earlier month
    that was already closed."""

    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="+", db_index=False)
    close = models.ForeignKey(MonthClose, on_delete=models.PROTECT, related_name="lines")
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="ledger_lines")
    month = models.DateField()
    date = models.DateField()
    is_late = models.BooleanField()
    account = models.CharField(max_length=8, choices=Account.choices)
    source = models.CharField(max_length=64)  # "refund:5"
    number = models.PositiveSmallIntegerField(default=1)
    document = models.CharField(max_length=40, blank=True)  # the invoice number
    correction = models.CharField(
        max_length=40, blank=True, default="", db_default=""
    )  # its number, if money went back or came back
    payer = models.CharField(
        max_length=64, blank=True, default="", db_default=""
    )  # the payer's account, "user:5"; empty if there is none
    what = models.CharField(max_length=300, blank=True)
    gross_minor = models.BigIntegerField()  # negative for outgoing money
    fee_minor = models.BigIntegerField(default=0)
    currency = models.CharField(max_length=3)

    class Meta:
        verbose_name_plural = "ledger"
        constraints = [
            models.UniqueConstraint(fields=["source", "number"], name="ledger_line_once"),
            models.CheckConstraint(condition=models.Q(account__in=Account.values), name="ledger_line_account_known"),
        ]
        indexes = [models.Index(fields=["workspace", "month"], name="ledger_line_of_month")]

    def __str__(self) -> str:
        return f"{self.get_account_display()}, {Money(self.net_minor, self.currency)}"

    @property
    def net_minor(self) -> int:
        return self.gross_minor - self.fee_minor
