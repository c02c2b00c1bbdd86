"""The back office of enrollments. Importing the modules registers their pages."""

from . import decisions, districts, enrollments, programs

__all__ = ["decisions", "districts", "enrollments", "programs"]
