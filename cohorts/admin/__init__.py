"""The back office's pages of this app, a module for what belongs together."""

from . import cohorts, courses, packages, sessions, waitlist  # noqa: F401  registers them
