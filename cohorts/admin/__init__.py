"""The back office's pages of this app, a module for what belongs together."""

from . import attendance, cohorts, courses, packages, waitlist  # noqa: F401  registers them
