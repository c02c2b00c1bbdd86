"""The reviewers' desk in the back office."""

from . import inquiries, reasons

__all__ = ["inquiries", "reasons"]
