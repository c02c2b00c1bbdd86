"""The reviewers' desk in the back office."""

from . import reasons

__all__ = ["reasons"]
