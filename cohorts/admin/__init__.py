"""The back office of courses. Importing the modules registers their pages."""

from . import cohort_cards, cohorts, courses, packages, progress, sessions, story, waitlist

__all__ = ["cohort_cards", "cohorts", "courses", "packages", "progress", "sessions", "story", "waitlist"]
