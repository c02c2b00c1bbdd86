"""The back office of enrollments. Importing the modules registers their pages."""

from . import decisions, districts, enrollment_cards, enrollments, exits, programs, transitions

__all__ = ["decisions", "districts", "enrollment_cards", "enrollments", "exits", "programs", "transitions"]
