"""The back office of enrollments. Importing the modules registers their pages."""

from . import (
    applications,
    decisions,
    districts,
    enrollment_cards,
    enrollments,
    exits,
    imports,
    programs,
    review,
    transitions,
    verdicts,
)

__all__ = [
    "applications",
    "decisions",
    "districts",
    "enrollment_cards",
    "enrollments",
    "exits",
    "imports",
    "programs",
    "review",
    "transitions",
    "verdicts",
]
