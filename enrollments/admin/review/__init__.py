"""The reviewers' desk in the back office."""

from . import held, inquiries, reasons

__all__ = ["held", "inquiries", "reasons"]
