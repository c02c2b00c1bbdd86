"""The back office of enrollments. Importing the modules registers their pages."""

from . import (
    allocations,
    applications,
    decisions,
    districts,
    enrollment_cards,
    enrollments,
    exits,
    idle_seats,
    imports,
    programs,
    review,
    seats,
    story,
    transitions,
    verdicts,
    what_ifs,
)

__all__ = [
    "allocations",
    "applications",
    "decisions",
    "districts",
    "enrollment_cards",
    "enrollments",
    "exits",
    "idle_seats",
    "imports",
    "programs",
    "review",
    "seats",
    "story",
    "transitions",
    "verdicts",
    "what_ifs",
]
