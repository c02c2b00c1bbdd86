"""The back office of money. Importing the modules registers their pages."""

from . import invoices, money

__all__ = ["invoices", "money"]
