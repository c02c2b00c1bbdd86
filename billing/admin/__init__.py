"""The back office of money. Importing the modules registers their pages."""

from . import checkouts, disputes, invoices, payments, prices, refunds, sellers, story, stripe

__all__ = ["checkouts", "disputes", "invoices", "payments", "prices", "refunds", "sellers", "story", "stripe"]
