"""The back office of money. Importing the modules registers their pages."""

from . import invoices, payments

__all__ = ["invoices", "payments"]
